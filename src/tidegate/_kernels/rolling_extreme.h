/* Least and greatest values of a look-back.
 *
 * Rows are cut into blocks. A window is the end of one block, whole blocks, and the beginning of
 * one (van Herk, Gil and Werman): of the first and the last the extremes up to each row are there,
 * and those of whole blocks go through a queue that never falls (Lemire). Windows of one block
 * are looked through. The least is the greatest of the negated values, so that there is one loop.
 *
 * M. van Herk, Pattern Recognition Letters 13, 1992; J. Gil, M. Werman, IEEE PAMI 15, 1993;
 * D. Lemire, Streaming maximum-minimum filter, Nordic J. Computing 13, 2006.
 */
#ifndef TIDEGATE_ROLLING_EXTREME_H
#define TIDEGATE_ROLLING_EXTREME_H

#include "rolling_var.h"

#define TG_BLOCK 64

/* Up to eight values, turned where the least is looked for; NaN, and the lanes beyond n, are -inf. */
TG_INLINE tg_v8 tg_load_turned(const double *x, int64_t n, tg_m8 turn)
{
    double fill = turn[0] ? INFINITY : -INFINITY;
    tg_v8 v = (tg_v8)((tg_m8)tg_load_part(x, n, n, fill) ^ turn);
    return tg_select(v == v, v, tg_splat(-INFINITY));
}
TG_INLINE tg_m8 tg_turning(int least) { return (tg_m8){0} + (least ? INT64_MIN : 0); }

typedef struct {
    int64_t *queue;              /* numbers of blocks whose greatest values fall */
    double *greatest;            /* of each block */
    int64_t head, tail;          /* of the queue */
    int64_t has;                 /* blocks that are in `greatest` */
    int64_t end_of, begin_of;    /* blocks of `end` and `begin`, -1: none */
    double end[TG_BLOCK + 8];    /* greatest from each row of a block on to its end */
    double begin[TG_BLOCK + 8];  /* greatest up to each row of a block */
} tg_blocks;

TG_INLINE tg_v8 tg_scan_max8(tg_v8 v)
{
    v = tg_max(v, TG_SHUFFLE(v, v, 0, 0, 1, 2, 3, 4, 5, 6));
    v = tg_max(v, TG_SHUFFLE(v, v, 0, 1, 0, 1, 2, 3, 4, 5));
    return tg_max(v, TG_SHUFFLE(v, v, 0, 1, 2, 3, 0, 1, 2, 3));
}
TG_INLINE tg_v8 tg_scan_max_back8(tg_v8 v)
{
    v = tg_max(v, TG_SHUFFLE(v, v, 1, 2, 3, 4, 5, 6, 7, 7));
    v = tg_max(v, TG_SHUFFLE(v, v, 2, 3, 4, 5, 6, 7, 6, 7));
    return tg_max(v, TG_SHUFFLE(v, v, 4, 5, 6, 7, 4, 5, 6, 7));
}

/* Greatest up to each row of the block at x, which has n rows. */
TG_INLINE void tg_begin_block(const double *x, int64_t n, tg_m8 turn, double *out)
{
    tg_v8 before = tg_splat(-INFINITY);
    for (int64_t i = 0; i < n; i += 8) {
        tg_v8 v = tg_scan_max8(tg_load_turned(x + i, n - i, turn));
        v = tg_max(v, before);
        tg_store(out + i, v);
        before = tg_last8(v);
    }
}
TG_INLINE void tg_end_block(const double *x, int64_t n, tg_m8 turn, double *out)
{
    tg_v8 after = tg_splat(-INFINITY);
    for (int64_t i = (n - 1) / 8 * 8; i >= 0; i -= 8) {
        tg_v8 v = tg_scan_max_back8(tg_load_turned(x + i, n - i, turn));
        v = tg_max(v, after);
        tg_store(out + i, v);
        after = TG_SHUFFLE(v, v, 0, 0, 0, 0, 0, 0, 0, 0);
    }
}

TG_INLINE double tg_look_through(const double *x, int64_t n, tg_m8 turn)
{
    tg_v8 most = tg_splat(-INFINITY);
    for (int64_t i = 0; i < n; i += 8)
        most = tg_max(most, tg_load_turned(x + i, n - i, turn));
    return tg_greatest_of(most);
}

/* The greatest of the whole blocks from `first` to before `last`. */
TG_INLINE double tg_whole_blocks(tg_blocks *b, const double *x, tg_m8 turn, int64_t first,
                                 int64_t last)
{
    for (; b->has < last; b->has++) {
        double most = tg_look_through(x + b->has * TG_BLOCK, TG_BLOCK, turn);
        b->greatest[b->has] = most;
        while (b->tail > b->head && b->greatest[b->queue[b->tail - 1]] <= most)
            b->tail--;
        b->queue[b->tail++] = b->has;
    }
    while (b->head < b->tail && b->queue[b->head] < first)
        b->head++;
    return b->head < b->tail ? b->greatest[b->queue[b->head]] : -INFINITY;
}

/* The greatest values of n windows [l, r) of the n_rows at x; -inf of an empty one. */
TG_CLONES static void tg_greatest_many(tg_blocks *b, const double *x, int64_t n_rows,
                                       const int64_t *l, const int64_t *r, int64_t n,
                                       int is_steady, int least, double *out)
{
    const tg_m8 turn = tg_turning(least);
    int64_t i = 0;
    while (i < n) {
        int64_t from = l[i], to = r[i] - 1, first = from / TG_BLOCK, last = to / TG_BLOCK;
        int64_t more = 1, at = last * TG_BLOCK;
        double whole;
        if (to < from || first == last) {
            out[i] = to < from ? -INFINITY : tg_look_through(x + from, to + 1 - from, turn);
            i++;
            continue;
        }
        whole = tg_whole_blocks(b, x, turn, first + 1, last);
        if (b->end_of != first) {
            tg_end_block(x + first * TG_BLOCK, TG_BLOCK, turn, b->end);
            b->end_of = first;
        }
        if (b->begin_of != last) {
            tg_begin_block(x + at, n_rows - at < TG_BLOCK ? n_rows - at : TG_BLOCK, turn,
                           b->begin);
            b->begin_of = last;
        }
        if (is_steady) {
            int64_t to_end = (first + 1) * TG_BLOCK - from, to_next = at + TG_BLOCK - to;
            more = to_end < to_next ? to_end : to_next;
            more = more < n - i ? more : n - i;
            for (int64_t j = 0; j < more; j += 8) {
                tg_v8 v = tg_max(tg_load(b->end + from % TG_BLOCK + j),
                                 tg_load(b->begin + to % TG_BLOCK + j));
                tg_store(out + i + j, tg_max(v, tg_splat(whole)));
            }
        } else {
            for (; more < n - i && l[i + more] / TG_BLOCK == first &&
                   (r[i + more] - 1) / TG_BLOCK == last; more++)
                ;
            for (int64_t j = 0; j < more; j++) {
                double a = b->end[l[i + j] % TG_BLOCK], c = b->begin[(r[i + j] - 1) % TG_BLOCK];
                a = a > c ? a : c;
                out[i + j] = a > whole ? a : whole;
            }
        }
        i += more;
    }
    for (i = 0; i < n; i += 8)                       /* turned back, and no -0.0 among them */
        tg_store(out + i, (tg_v8)((tg_m8)tg_load(out + i) ^ turn) + 0.0);
}

#endif
