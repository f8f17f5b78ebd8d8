/* Least and greatest values of a look-back.
 *
 * Rows are cut into blocks. A window is the end of one block, whole blocks, and the beginning of
 * one (van Herk, Gil and Werman): of the first and the last the extremes up to each row are there,
 * and those of whole blocks go through a queue that never falls (Lemire). Windows of one block
 * are looked through. The least is the greatest of the values with their bits turned, so that there
 * is one loop.
 *
 * M. van Herk, Pattern Recognition Letters 13, 1992; J. Gil, M. Werman, IEEE PAMI 15, 1993;
 * D. Lemire, Streaming maximum-minimum filter, Nordic J. Computing 13, 2006.
 */
#ifndef TIDEGATE_ROLLING_EXTREME_H
#define TIDEGATE_ROLLING_EXTREME_H

#include "rolling_var.h"

#define TG_BLOCK 64

/* How values are looked at: as they are, floats or integers, or turned, so that the greatest is the
 * least; and which rows have one. It is known where this is inlined, but for the turn. */
typedef struct {
    tg_m8 turn;                  /* bits that are flipped */
    const uint8_t *valid;        /* by row; NULL: all have a value */
    int is_int;
} tg_way;

typedef struct {
    int64_t *queue;              /* numbers of blocks whose greatest values fall */
    int64_t *greatest;           /* of each block, turned */
    int64_t head, tail;          /* of the queue */
    int64_t has;                 /* blocks that are in `greatest` */
    int64_t end_of, begin_of;    /* blocks of `end` and `begin`, -1: none */
    int64_t end[TG_BLOCK + 8];   /* greatest from each row of a block on to its end, turned */
    int64_t begin[TG_BLOCK + 8]; /* greatest up to each row of a block, turned */
} tg_blocks;

TG_INLINE tg_m8 tg_load_whole(const int64_t *x) { return *(const tg_m8u *)x; }
TG_INLINE void tg_store_whole(int64_t *to, tg_m8 v) { *(tg_m8u *)to = v; }
TG_INLINE tg_m8 tg_fill8(int64_t x) { return (tg_m8)((tg_w8){0} + (uint64_t)x); }

/* No value, which all others exceed or are: -inf. */
TG_INLINE int64_t tg_lowest(tg_way way)
{
    tg_m8 infinite = (tg_m8)tg_splat(-INFINITY);
    return way.is_int ? INT64_MIN : infinite[0];
}
TG_INLINE tg_m8 tg_more8(tg_m8 a, tg_m8 b, tg_way way)
{
    if (way.is_int)
        return (tg_m8)tg_select(b > a, (tg_v8)b, (tg_v8)a);
    return (tg_m8)tg_max((tg_v8)a, (tg_v8)b);
}
TG_INLINE int tg_exceeds(int64_t a, int64_t b, tg_way way)
{
    tg_word x = {.i = a}, y = {.i = b};
    return way.is_int ? a > b : x.f > y.f;
}
TG_INLINE int64_t tg_more(int64_t a, int64_t b, tg_way way)
{
    return tg_exceeds(b, a, way) ? b : a;
}

/* Up to eight values from a row on, turned; NaN, what is missing, and lanes beyond n, are none. */
TG_INLINE tg_m8 tg_load_turned(const double *x, int64_t row, int64_t n, tg_way way)
{
    const tg_word fill = {.i = tg_lowest(way) ^ way.turn[0]};
    const tg_v8 none = (tg_v8)tg_fill8(tg_lowest(way));
    tg_v8 v = (tg_v8)((tg_m8)tg_load_part(x + row, n, n, fill.f) ^ way.turn);
    if (!way.is_int)
        v = tg_max(none, v);
    if (way.valid != NULL) {
        const tg_w8 lanes = {0xff,         0xff00,         0xff0000,         0xff000000,
                             0xff00000000, 0xff0000000000, 0xff000000000000, 0xff00000000000000};
        uint64_t there = 0;
        if (n >= 8)
            memcpy(&there, way.valid + row, 8);
        else
            memcpy(&there, way.valid + row, n);
        v = tg_select((tg_m8)((lanes & there) | -(lanes & there)) >> 63, v, none);
    }
    return (tg_m8)v;
}

TG_INLINE tg_m8 tg_scan_more8(tg_m8 v, tg_way way)
{
    v = tg_more8(v, TG_SHUFFLE(v, v, 0, 0, 1, 2, 3, 4, 5, 6), way);
    v = tg_more8(v, TG_SHUFFLE(v, v, 0, 1, 0, 1, 2, 3, 4, 5), way);
    return tg_more8(v, TG_SHUFFLE(v, v, 0, 1, 2, 3, 0, 1, 2, 3), way);
}
TG_INLINE tg_m8 tg_scan_more_back8(tg_m8 v, tg_way way)
{
    v = tg_more8(v, TG_SHUFFLE(v, v, 1, 2, 3, 4, 5, 6, 7, 7), way);
    v = tg_more8(v, TG_SHUFFLE(v, v, 2, 3, 4, 5, 6, 7, 6, 7), way);
    return tg_more8(v, TG_SHUFFLE(v, v, 4, 5, 6, 7, 4, 5, 6, 7), way);
}

/* Greatest up to each row of the block that begins at a row, and has n rows. */
TG_INLINE void tg_begin_block(const double *x, int64_t row, int64_t n, tg_way way, int64_t *out)
{
    tg_m8 before = tg_fill8(tg_lowest(way));
    for (int64_t i = 0; i < n; i += 8) {
        tg_m8 v = tg_scan_more8(tg_load_turned(x, row + i, n - i, way), way);
        v = tg_more8(v, before, way);
        tg_store_whole(out + i, v);
        before = TG_SHUFFLE(v, v, 7, 7, 7, 7, 7, 7, 7, 7);
    }
}
TG_INLINE void tg_end_block(const double *x, int64_t row, int64_t n, tg_way way, int64_t *out)
{
    tg_m8 after = tg_fill8(tg_lowest(way));
    for (int64_t i = (n - 1) / 8 * 8; i >= 0; i -= 8) {
        tg_m8 v = tg_scan_more_back8(tg_load_turned(x, row + i, n - i, way), way);
        v = tg_more8(v, after, way);
        tg_store_whole(out + i, v);
        after = TG_SHUFFLE(v, v, 0, 0, 0, 0, 0, 0, 0, 0);
    }
}

TG_INLINE int64_t tg_look_through(const double *x, int64_t row, int64_t n, tg_way way)
{
    tg_m8 most = tg_fill8(tg_lowest(way));
    for (int64_t i = 0; i < n; i += 8)
        most = tg_more8(most, tg_load_turned(x, row + i, n - i, way), way);
    return tg_scan_more8(most, way)[7];
}

/* The greatest of the whole blocks from `first` to before `last`. */
TG_INLINE int64_t tg_whole_blocks(tg_blocks *b, const double *x, tg_way way, int64_t first,
                                  int64_t last)
{
    for (; b->has < last; b->has++) {
        int64_t most = tg_look_through(x, b->has * TG_BLOCK, TG_BLOCK, way);
        b->greatest[b->has] = most;
        while (b->tail > b->head && !tg_exceeds(b->greatest[b->queue[b->tail - 1]], most, way))
            b->tail--;
        b->queue[b->tail++] = b->has;
    }
    while (b->head < b->tail && b->queue[b->head] < first)
        b->head++;
    return b->head < b->tail ? b->greatest[b->queue[b->head]] : tg_lowest(way);
}

TG_INLINE void tg_greatest_in(tg_way way, tg_blocks *b, const double *x, int64_t n_rows,
                              const int64_t *l, const int64_t *r, int64_t n, int is_steady,
                              int64_t *out)
{
    int64_t i = 0;
    while (i < n) {
        int64_t from = l[i], to = r[i] - 1, first = from / TG_BLOCK, last = to / TG_BLOCK;
        int64_t more = 1, at = last * TG_BLOCK, whole;
        if (to < from || first == last) {
            out[i] = tg_look_through(x, from, to + 1 - from, way);
            i++;
            continue;
        }
        whole = tg_whole_blocks(b, x, way, first + 1, last);
        if (b->end_of != first) {
            tg_end_block(x, first * TG_BLOCK, TG_BLOCK, way, b->end);
            b->end_of = first;
        }
        if (b->begin_of != last) {
            tg_begin_block(x, at, n_rows - at < TG_BLOCK ? n_rows - at : TG_BLOCK, way, b->begin);
            b->begin_of = last;
        }
        if (is_steady) {
            int64_t to_end = (first + 1) * TG_BLOCK - from, to_next = at + TG_BLOCK - to;
            more = to_end < to_next ? to_end : to_next;
            more = more < n - i ? more : n - i;
            for (int64_t j = 0; j < more; j += 8) {
                tg_m8 v = tg_more8(tg_load_whole(b->end + from % TG_BLOCK + j),
                                   tg_load_whole(b->begin + to % TG_BLOCK + j), way);
                tg_store_whole(out + i + j, tg_more8(v, tg_fill8(whole), way));
            }
        } else {
            for (; more < n - i && l[i + more] / TG_BLOCK == first &&
                   (r[i + more] - 1) / TG_BLOCK == last; more++)
                ;
            for (int64_t j = 0; j < more; j++) {
                int64_t a = b->end[l[i + j] % TG_BLOCK], c = b->begin[(r[i + j] - 1) % TG_BLOCK];
                out[i + j] = tg_more(tg_more(a, c, way), whole, way);
            }
        }
        i += more;
    }
    for (i = 0; i < n; i += 8) {                     /* turned back, and no -0.0 among them */
        tg_m8 v = tg_load_whole(out + i) ^ way.turn;
        tg_store_whole(out + i, way.is_int ? v : (tg_m8)((tg_v8)v + 0.0));
    }
}

/* The greatest values, or the least, of n windows [l, r) of the n_rows of a column, all of whose
 * rows are there; of one without values it is of no meaning. */
TG_CLONES static void tg_greatest_many(tg_blocks *b, const tg_series *c, int64_t n_rows,
                                       const int64_t *l, const int64_t *r, int64_t n,
                                       int is_steady, int least, int64_t *out)
{
    const double *x = &c->x[0].f;
    tg_way way = {tg_fill8(least ? INT64_MIN : 0), c->valid, 0};
    if (c->numeric != 0) {
        int64_t order = c->numeric == 2 ? INT64_MIN : 0;
        way = (tg_way){tg_fill8(least ? ~order : order), c->valid, 1};
    }
    if (way.is_int && way.valid != NULL)
        tg_greatest_in((tg_way){way.turn, way.valid, 1}, b, x, n_rows, l, r, n, is_steady, out);
    else if (way.is_int)
        tg_greatest_in((tg_way){way.turn, NULL, 1}, b, x, n_rows, l, r, n, is_steady, out);
    else if (way.valid != NULL)
        tg_greatest_in((tg_way){way.turn, way.valid, 0}, b, x, n_rows, l, r, n, is_steady, out);
    else
        tg_greatest_in((tg_way){way.turn, NULL, 0}, b, x, n_rows, l, r, n, is_steady, out);
}

#endif
