/* Where rows change from one pane to another, 64 rows at a time.
 *
 * Rows out of order go to and fro between two panes most often. Which of 64 rows lie in a pane is one
 * word; the words of both panes, once there, tell every change among the rows without another look at
 * their times.
 */
#ifndef TG_ROWPANES_H
#define TG_ROWPANES_H

#include <stdint.h>
#include <string.h>
#include "lanes.h"

#define TG_WORD 64 /* rows */

typedef struct {
    int64_t first; /* times of the pane */
    int64_t last;
    int64_t number; /* -1: before all, n_panes: after all */
} tg_row_pane;

/* Which of 64 times lie in a pane: bit i tells of row i.
 *
 * Bytes first, since that is what compilers make of a loop at full width; comparisons of vectors of
 * 64 bytes are taken apart into single ones where a clone has them whole.
 */
static inline __attribute__((always_inline)) uint64_t tg_rows_within(
    const int64_t *times, const tg_row_pane *pane)
{
    const int64_t first = pane->first, last = pane->last;
    uint8_t within[TG_WORD];
    uint64_t word = 0, eight;
    for (int k = 0; k < TG_WORD; k++)
        within[k] = (times[k] >= first) & (times[k] <= last);
    for (int k = 0; k < TG_WORD; k += 8) {
        eight = 0;
        for (int j = 0; j < 8; j++)
            eight |= (uint64_t)within[k + j] << 8 * j; /* a load, on most machines */
        word |= (eight * UINT64_C(0x0102040810204080) >> 56) << k; /* a bit of each byte */
    }
    return word;
}

static inline int tg_lies_in(const tg_row_pane *pane, int64_t time)
{
    return pane->first <= time && time <= pane->last;
}

static inline tg_row_pane tg_nth_pane(const int64_t *edges, int64_t n_panes, int64_t number)
{
    tg_row_pane pane = {INT64_MIN, INT64_MAX, number};
    if (number >= 0)
        pane.first = edges[number];
    if (number < n_panes)
        pane.last = edges[number + 1] - 1;
    return pane;
}

/* The pane of a time, which often is next to another one. */
static inline tg_row_pane tg_pane_of(
    const int64_t *edges, int64_t n_panes, int64_t time, int64_t near)
{
    int64_t low = -1, high = n_panes + 1; /* it is in [low, high) */
    for (int64_t number = near - 1; number <= near + 1; number += 2) {
        if (number < -1 || number > n_panes || (number == -1 && edges[0] == INT64_MIN))
            continue; /* there is no time before the least one */
        tg_row_pane pane = tg_nth_pane(edges, n_panes, number);
        if (tg_lies_in(&pane, time))
            return pane;
    }
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (time < edges[middle])
            high = middle;
        else
            low = middle;
    }
    return tg_nth_pane(edges, n_panes, low);
}

/* Write down the changes between two panes, among the rows of a word that follow each other; the row
 * before them is of `here`. */
static inline __attribute__((always_inline)) Py_ssize_t tg_to_and_fro(
    const tg_row_pane *here, const tg_row_pane *there, uint64_t in_here, uint64_t among,
    Py_ssize_t at, int32_t *rows, int32_t *panes, Py_ssize_t n)
{
    const uint64_t first = among & -among;
    uint64_t changes = (in_here ^ in_here << 1) & ~first; /* unlike the row before */
    int64_t one = there->number, two = here->number, number;
    changes = (changes | (~in_here & first)) & among;
    while (changes) {
        rows[n] = (int32_t)(at + __builtin_ctzll(changes));
        panes[n] = (int32_t)one;
        n++;
        number = one;
        one = two;
        two = number;
        changes &= changes - 1;
    }
    return n;
}

/* Write down which rows are of another pane than the row before, and of which; how many they are.
 *
 * The first row is one of them. n < 2**31, and there is room for n; edges rise, n_panes + 1 of them.
 */
TG_CLONES static Py_ssize_t tg_pane_changes(
    const int64_t *times, Py_ssize_t n, const int64_t *edges, int64_t n_panes, int32_t *rows,
    int32_t *panes)
{
    tg_row_pane here = {INT64_MAX, INT64_MIN, -1}, there = here, other;
    int64_t rest[TG_WORD];
    Py_ssize_t n_changes = 0;
    for (Py_ssize_t at = 0; at < n; at += TG_WORD) {
        const int64_t *some = times + at;
        uint64_t ahead = ~(uint64_t)0, in_here, in_there, word;
        if (n - at < TG_WORD) {
            for (int k = 0; k < TG_WORD; k++)
                rest[k] = times[at + k < n ? at + k : n - 1];
            some = rest;
        }
        in_here = tg_rows_within(some, &here);
        if (in_here == ahead)
            continue;
        in_there = tg_rows_within(some, &there);
        /* Up to a row of a third pane the two words tell all; most often there is none. */
        while ((word = ~(in_here | in_there) & ahead) != 0) {
            int k = __builtin_ctzll(word);
            uint64_t before = ahead & ~(~(uint64_t)0 << k);
            n_changes = tg_to_and_fro(&here, &there, in_here, before, at, rows, panes, n_changes);
            if (before && !(in_here >> (k - 1) & 1)) {
                here = there;
                in_here = in_there;
            }
            there = tg_pane_of(edges, n_panes, some[k], here.number);
            in_there = tg_rows_within(some, &there);
            ahead = ~(uint64_t)0 << k;
        }
        n_changes = tg_to_and_fro(&here, &there, in_here, ahead, at, rows, panes, n_changes);
        if (!(in_here >> 63)) {
            other = here;
            here = there;
            there = other;
        }
    }
    return n_changes;
}

#endif
