/* Exact sums over a look-back, however long its history.
 *
 * A value is cut into two or three levels: whole multiples of a power of two each, so small that a
 * float64 holds every sum of them without rounding. Such sums may be added and taken away in any
 * order and in any vector: they depend on the rows of the window alone. Where values do not fit
 * the levels, a row of 32-bit limbs holds their sum (Kulisch's accumulator). Either way what is
 * read is the exact sum, rounded once to (hi, lo); so it cannot show which way it was computed.
 *
 * S. M. Rump, T. Ogita, S. Oishi, Accurate floating-point summation, SIAM J. Sci. Comput. 31, 2008
 * (the extraction of levels); U. Kulisch, Computer Arithmetic and Validity, 2008.
 */
#ifndef TIDEGATE_ROLLING_SUM_H
#define TIDEGATE_ROLLING_SUM_H

#include "lanes.h"
#include <stdlib.h>

/* The kernels of look-backs share these headers, and none uses all of them. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define TG_TILE 512              /* rows answered at a time; their columns stay in the cache */
#define TG_PAD 32                /* a vector more may be written */
#define TG_LIMBS 76
#define TG_NO_LIMIT (1 << 30)
#define TG_LARGEST 0x1p900       /* of the values in levels */
#define TG_HUGE 1000             /* from this exponent on a sum is read at the scale 2**-64 */

typedef struct {
    int64_t limb[TG_LIMBS];      /* of 2**(32*k - 1074), with a sign each */
    int32_t low, high;           /* those in use */
    int32_t room;                /* additions before carries must be taken */
} tg_big;

typedef struct {
    double hi, lo;               /* the sum of the window, exactly */
    double apart;                /* 2**48 times the grid */
    double cut, fine;            /* of values in two parts: lays bare the multiples of a grid */
    double least, limit;         /* and magnitudes */
    int64_t since;               /* the row from which on there has been one */
    int64_t laid;                /* the row at which it was laid */
    int64_t retry, wait;         /* the row from which it is tried again, after so many */
    int64_t next;                /* the row whose window comes next; 0: no grid is laid */
    int32_t is_short;            /* values of few digits */
    int32_t is_two;              /* values in two parts */
} tg_even;                       /* see rolling_even.h, rolling_two.h */

typedef struct {
    tg_even even;
    int32_t levels;              /* 0: no grid yet */
    int32_t is_slow;             /* the sum is in `big` */
    double cut[3];               /* adding it and taking it away leaves the multiples of a level */
    double limit;                /* of magnitudes */
    int64_t most;                /* rows that a level may hold */
    double sum[3];
    int64_t retry;               /* the row from which levels are tried again */
    tg_big *big;
} tg_sum;

/* ------------------------------------------------------------------------------------ the limbs */

TG_INLINE void tg_big_clear(tg_big *b)
{
    memset(b, 0, sizeof *b);
    b->low = TG_LIMBS;
    b->room = TG_NO_LIMIT;
}

/* Bring all limbs but the last into [0, 2**32); the last one has the sign. */
static void tg_big_carry(int64_t *limb, int32_t low, int32_t *high)
{
    for (int32_t k = low; k < *high; k++) {
        limb[k + 1] += limb[k] >> 32;
        limb[k] &= 0xFFFFFFFF;
    }
    *high += limb[*high] != 0;
}

/* Leave out the limbs above and below that are 0. */
static void tg_big_trim(tg_big *b)
{
    while (b->high > b->low && b->limb[b->high - 1] == 0)
        b->high--;
    while (b->low < b->high && b->limb[b->low] == 0)
        b->low++;
}

/* b += sign * m * 2**(at - 1074) */
TG_INLINE void tg_big_put(tg_big *b, uint64_t m, int64_t at, int64_t sign)
{
    int32_t k = (int32_t)(at >> 5);
    unsigned __int128 wide = (unsigned __int128)m << (at & 31);
    b->limb[k] += sign * (int64_t)(uint32_t)wide;
    b->limb[k + 1] += sign * (int64_t)(uint32_t)(wide >> 32);
    b->limb[k + 2] += sign * (int64_t)(uint64_t)(wide >> 64);
    b->low = k < b->low ? k : b->low;
    b->high = k + 3 > b->high ? k + 3 : b->high;
    if (--b->room == 0) {
        tg_big_carry(b->limb, b->low, &b->high);
        b->room = TG_NO_LIMIT;
    }
}

/* b += sign * x, which must be finite */
TG_INLINE void tg_big_add(tg_big *b, double x, int64_t sign)
{
    uint64_t bits, m;
    int64_t at;
    memcpy(&bits, &x, 8);
    m = bits & ((UINT64_C(1) << 52) - 1);
    at = (int64_t)(bits >> 52 & 0x7FF);
    if (at)
        m |= UINT64_C(1) << 52, at--;
    if (m)
        tg_big_put(b, m, at, (int64_t)bits < 0 ? -sign : sign);
}

/* The nearest float64 of carried limbs that are not negative, times 2**-down; 0 where all are 0.
 * (m, at) is what it stands for: m * 2**(at - 1074). */
static double tg_big_nearest(const int64_t *limb, int32_t low, int32_t high, int down,
                             uint64_t *m, int64_t *at)
{
    int32_t k = high - 1;
    unsigned __int128 top;
    int64_t base, drop;
    int sticky = 0, n_bits;
    while (k >= low && limb[k] == 0)
        k--;
    *m = 0;
    *at = 0;
    if (k < low)
        return 0.0;
    top = 0;
    for (int j = 0; j < 3; j++)
        top = top << 32 | (uint64_t)(k - j >= low ? limb[k - j] : 0);
    base = 32 * ((int64_t)k - 2);
    for (int32_t j = low; j < k - 2; j++)
        sticky |= limb[j] != 0;
    n_bits = (uint64_t)(top >> 64) ? 128 - __builtin_clzll((uint64_t)(top >> 64))
                                   : 64 - __builtin_clzll((uint64_t)top);
    drop = n_bits - 53;
    if (base + drop < 0)
        drop = -base;                                /* nothing is below 2**-1074 */
    if (drop > 0) {
        unsigned __int128 rest = top & (((unsigned __int128)1 << drop) - 1);
        unsigned __int128 half = (unsigned __int128)1 << (drop - 1);
        *m = (uint64_t)(top >> drop);
        if (rest > half || (rest == half && (sticky || (*m & 1))))
            *m += 1;
    } else {
        drop = drop < 0 ? 0 : drop;
        *m = (uint64_t)top;
    }
    *at = base + drop;
    return ldexp((double)*m, (int)(*at - 1074 - down));
}

/* Take the sign off, and return it. */
static double tg_big_make_positive(tg_big *b)
{
    if (b->low >= b->high)
        return 1.0;
    tg_big_carry(b->limb, b->low, &b->high);
    tg_big_trim(b);
    if (b->low >= b->high || b->limb[b->high - 1] > 0)
        return 1.0;
    for (int32_t k = b->low; k < b->high; k++)
        b->limb[k] = -b->limb[k];
    tg_big_carry(b->limb, b->low, &b->high);
    tg_big_trim(b);
    return -1.0;
}

/* The sum as hi + lo, hi the nearest float64 of it and lo that of the rest; both times 2**-64
 * where true is returned. */
static int tg_big_read(const tg_big *b, double *hi, double *lo)
{
    tg_big t = *b;
    uint64_t m;
    int64_t at;
    double sign = tg_big_make_positive(&t);
    int down = 32 * (t.high - 1) - 1074 > TG_HUGE - 64 ? 64 : 0;
    *lo = 0.0;
    *hi = sign * tg_big_nearest(t.limb, t.low, t.high, down, &m, &at);
    if (m == 0)
        return 0;
    tg_big_put(&t, m, at, -1);
    sign *= tg_big_make_positive(&t);
    *lo = sign * tg_big_nearest(t.limb, t.low, t.high, down, &m, &at);
    return down != 0;
}

/* ------------------------------------------------------------------------------------- the levels */

/* Lay levels for values up to `largest`, of which up to `most` are in a sum. */
static int tg_lay_levels(tg_sum *s, double largest, int64_t most, int levels)
{
    int e, rows = 1, width, q;
    if (!(largest < TG_LARGEST))
        return 0;
    frexp(largest, &e);
    if (largest == 0.0)
        e = 0;
    e += 2;                                          /* so that a slow rise needs no new ones */
    while (rows < 40 && INT64_C(1) << rows < 4 * most)
        rows++;
    width = 51 - rows;
    if (width < 12)
        return 0;
    s->levels = levels;
    s->is_slow = 0;
    s->most = INT64_C(1) << rows;
    s->limit = ldexp(1.0, e);
    q = e - width;
    for (int k = 0; k < 3; k++) {
        q = q < -1074 ? -1074 : q;
        s->cut[k] = ldexp(1.5, q + 52);
        s->sum[k] = 0.0;
        q -= width + 1;
    }
    return 1;
}

/* Cut x into levels; what is left of it, and what is too large, is noted in `odd`. */
TG_INLINE tg_v8 tg_cut8(tg_v8 *x, double cut)
{
    tg_v8 c = tg_splat(cut), top = (*x + c) - c;
    *x -= top;
    return top;
}
TG_INLINE tg_m8 tg_too_large(tg_v8 x, double limit)
{
    tg_v8 size = (tg_v8)((tg_m8)x & INT64_MAX);
    return (tg_m8)(tg_splat(limit) - size) & INT64_MIN;
}

/* Sums of the lanes up to each. */
TG_INLINE tg_v8 tg_scan8(tg_v8 v)
{
    const tg_v8 zero = {0};
    v += TG_SHUFFLE(zero, v, 0, 8, 9, 10, 11, 12, 13, 14);
    v += TG_SHUFFLE(zero, v, 0, 1, 8, 9, 10, 11, 12, 13);
    v += TG_SHUFFLE(zero, v, 0, 1, 2, 3, 8, 9, 10, 11);
    return v;
}
TG_INLINE tg_v8 tg_last8(tg_v8 v) { return TG_SHUFFLE(v, v, 7, 7, 7, 7, 7, 7, 7, 7); }

/* Sums of the first j of n values, j = 0 to n, in every level; false where a value does not fit. */
TG_INLINE void tg_prefix8(int levels, tg_v8 v, const tg_sum *s, int64_t i, tg_v8 *carry,
                          double (*out)[TG_TILE + TG_PAD], tg_m8 *odd)
{
    *odd |= tg_too_large(v, s->limit);
    for (int k = 0; k < levels; k++) {
        tg_v8 sums = tg_scan8(tg_cut8(&v, s->cut[k]));
        tg_store(out[k] + i + 1, sums + carry[k]);
        carry[k] += tg_last8(sums);
    }
    *odd |= (tg_m8)(v + 0.0);                        /* not the sign of a zero */
}
TG_INLINE int tg_prefix_in(int levels, const double *x, int64_t n, const tg_sum *s,
                           double (*out)[TG_TILE + TG_PAD])
{
    tg_m8 odd = {0};
    tg_v8 carry[3] = {{0}};
    int64_t i = 0;
    for (int k = 0; k < levels; k++)
        out[k][0] = 0.0;
    for (; i + 8 <= n; i += 8)
        tg_prefix8(levels, tg_load(x + i), s, i, carry, out, &odd);
    if (i < n)
        tg_prefix8(levels, tg_load_part(x + i, n - i, n - i, 0.0), s, i, carry, out, &odd);
    return tg_sign8(odd) == 0;
}
TG_CLONES static int tg_prefix(const double *x, int64_t n, const tg_sum *s,
                               double (*out)[TG_TILE + TG_PAD])
{
    return s->levels == 2 ? tg_prefix_in(2, x, n, s, out) : tg_prefix_in(3, x, n, s, out);
}

/* The largest magnitude of n values; NaN counts as infinite. */
TG_CLONES static double tg_largest(const double *x, int64_t n)
{
    tg_v8 most = {0};
    tg_m8 odd = {0};
    double out = 0.0;
    for (int64_t i = 0; i < n; i += 8) {
        tg_v8 v = tg_load_part(x + i, n - i, n - i, 0.0);
        tg_v8 size = (tg_v8)((tg_m8)v & INT64_MAX), rest = v - v;
        odd |= (tg_m8)rest;
        most = tg_max(most, size);
    }
    out = tg_greatest_of(most);
    return tg_sign8(odd) == 0 ? out : INFINITY;
}

TG_CLONES static int tg_all_finite(const double *x, int64_t n)
{
    tg_v8 seen = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        seen = tg_see_odd(seen, tg_load(x + i));
    if (i < n)
        seen = tg_see_odd(seen, tg_load_part(x + i, n - i, n - i, 0.0));
    return !tg_seen(seen);
}

/* ------------------------------------------------------------------------------- reading of levels */

TG_INLINE void tg_two_sum8(tg_v8 a, tg_v8 b, tg_v8 *hi, tg_v8 *lo)
{
    tg_v8 s = a + b, t = s - a;
    *lo = (a - (s - t)) + (b - t);
    *hi = s;
}

/* The sign bit of lanes that are not 0; by arithmetic, as a comparison is taken apart. */
TG_INLINE tg_m8 tg_not_zero(tg_v8 x)
{
    tg_w8 bits = (tg_w8)x;
    return (tg_m8)(bits | -bits);
}

/* Exact levels to (hi, lo). With three of them the rounding of hi may rest on a tie that the third
 * breaks: that is noted in `ties`. */
TG_INLINE void tg_join8(int levels, const tg_v8 *sum, tg_v8 *hi, tg_v8 *lo, tg_m8 *ties)
{
    tg_v8 h, e, m, r, l, more;
    tg_two_sum8(sum[0], sum[1], &h, &e);
    *hi = h;
    *lo = e;
    if (levels == 2)
        return;
    tg_two_sum8(e, sum[2], &m, &r);
    tg_two_sum8(h, m, &h, &l);
    more = (h + l * (1.0 + 0x1p-51)) - h;             /* 0 where l is less than half a place */
    *ties |= tg_not_zero(more) & tg_not_zero(r) & INT64_MIN;
    *hi = h;
    *lo = l + r;
}

/* 1 / n, and what it was rounded by. */
TG_INLINE tg_v8 tg_inverse8(tg_v8 n, tg_v8 *rest)
{
    tg_v8 one = tg_splat(1.0), inverse = one / n;
    *rest = tg_fma8(-inverse, n, one) * inverse;
    return inverse;
}

/* (hi + lo) / n, rounded once but for 2**-100. */
TG_INLINE tg_v8 tg_mean_by8(tg_v8 hi, tg_v8 lo, tg_v8 inverse, tg_v8 rest)
{
    return tg_fma8(hi, inverse, hi * rest + lo * inverse);
}
TG_INLINE tg_v8 tg_mean8(tg_v8 hi, tg_v8 lo, tg_v8 n)
{
    tg_v8 rest, inverse = tg_inverse8(n, &rest);
    return tg_mean_by8(hi, lo, inverse, rest);
}
TG_INLINE double tg_mean1(double hi, double lo, double n)
{
    double inverse = 1.0 / n, rest = __builtin_fma(-inverse, n, 1.0) * inverse;
    return __builtin_fma(hi, inverse, hi * rest + lo * inverse);
}

/* Where the windows of a tile lie: rows [l, r) of a view, both never falling. */
typedef struct {
    int64_t l[TG_TILE + TG_PAD];
    int64_t r[TG_TILE + TG_PAD];
    int64_t n;                   /* windows */
    int64_t first;               /* the row that the first of them answers */
    int64_t was_l, was_r;        /* the window before */
    int is_steady;               /* each takes one row in and lets one go */
    int is_by_one;               /* each takes one row in */
} tg_tile;

/* Bounds that move by one row from window to window. */
TG_CLONES static void tg_lay_steady(tg_tile *tile, int64_t l, int64_t r, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        tile->l[i] = l + i;
        tile->r[i] = r + i;
    }
}

TG_CLONES static int tg_times_rise(const int64_t *times, int64_t n)
{
    return tg_all_rise(times + 1, n - 1);
}

/* How many rows each window has. */
TG_CLONES static void tg_count_rows(const tg_tile *tile, double *out)
{
    for (int64_t i = 0; i < tile->n; i++)
        out[i] = (double)(tile->r[i] - tile->l[i]);
}

/* The fewest of n counts. */
TG_CLONES static double tg_fewest(const double *counts, int64_t n)
{
    tg_v8 few = tg_splat(counts[0]);
    int64_t i = 0;
    double out;
    for (; i + 8 <= n; i += 8)
        few = tg_min(few, tg_load(counts + i));
    out = tg_least_of(few);
    for (; i < n; i++)
        out = counts[i] < out ? counts[i] : out;
    return out;
}

/* Left bounds of the windows of n rows from `first` on, by time: how many of the times from row l
 * on are at most time - size. Quarters are merged side by side, since every step waits for the
 * one before it, and none of them branches, since which way they go can't be guessed. */
TG_INLINE int64_t tg_left_of(const int64_t *times, int64_t l, int64_t end, int64_t last)
{
    while (l < end) {
        int64_t middle = l + (end - l) / 2;
        if (times[middle] <= last)
            l = middle + 1;
        else
            end = middle;
    }
    return l;
}
#define TG_MERGE_STEP(i, at)                                                                        \
    do {                                                                                            \
        int64_t last = mine[i] - size;                                                              \
        int64_t left = (times[at] <= last) + (times[at + 1] <= last) + (times[at + 2] <= last);     \
        at += left;                                                                                 \
        out[i] = at;                                                                                \
        i += left < 3;                                                                              \
    } while (0)

static void tg_left_bounds(const int64_t *times, int64_t l, int64_t first, int64_t n, int64_t size,
                           int64_t *out)
{
    const int64_t *mine = times + first;
    int64_t fast = n > 2 ? n - 2 : 0;                /* two times beyond a row are looked at */
    int64_t quarter = fast / 4, a = 0, b = quarter, c = 2 * quarter, d = 3 * quarter;
    int64_t to_a = b, to_b = c, to_c = d, at_a = l;
    int64_t at_b = tg_left_of(times, at_a, first + b, mine[b] - size);
    int64_t at_c = tg_left_of(times, at_b, first + c, mine[c] - size);
    int64_t at_d = tg_left_of(times, at_c, first + d, mine[d] - size);
    while (((a - to_a) & (b - to_b) & (c - to_c) & (d - fast)) < 0) {
        TG_MERGE_STEP(a, at_a);
        TG_MERGE_STEP(b, at_b);
        TG_MERGE_STEP(c, at_c);
        TG_MERGE_STEP(d, at_d);
    }
    while (a < to_a)
        TG_MERGE_STEP(a, at_a);
    while (b < to_b)
        TG_MERGE_STEP(b, at_b);
    while (c < to_c)
        TG_MERGE_STEP(c, at_c);
    while (d < fast)
        TG_MERGE_STEP(d, at_d);
    for (; d < n; d++) {
        while (times[at_d] <= mine[d] - size)
            at_d++;
        out[d] = at_d;
    }
}

/* The sums of windows from those of rows that came and went, up to each. */
TG_INLINE int tg_read_levels(int levels, const tg_sum *s, const tg_tile *tile,
                             double (*in)[TG_TILE + TG_PAD], double (*out)[TG_TILE + TG_PAD],
                             double *his, double *los)
{
    int by_one = tile->is_by_one && tile->r[tile->n - 1] - tile->was_r == tile->n;
    double came[3][TG_TILE + TG_PAD], went[3][TG_TILE + TG_PAD];
    tg_m8 ties = {0};
    for (int64_t i = 0; i < tile->n; i++)
        for (int k = 0; k < levels; k++)
            went[k][i] = out[k][tile->l[i] - tile->was_l];
    for (int64_t i = 0; !by_one && i < tile->n; i++)
        for (int k = 0; k < levels; k++)
            came[k][i] = in[k][tile->r[i] - tile->was_r];
    for (int64_t i = tile->n; i < tile->n + 8; i++)
        for (int k = 0; k < levels; k++) {
            went[k][i] = came[k][i] = 0.0;
            if (by_one)
                in[k][i + 1] = 0.0;
        }
    for (int64_t i = 0; i < tile->n; i += 8) {
        tg_v8 sum[3], hi, lo;
        for (int k = 0; k < levels; k++) {
            tg_v8 a = tg_load(by_one ? in[k] + i + 1 : came[k] + i);
            sum[k] = tg_splat(s->sum[k]) + (a - tg_load(went[k] + i));
        }
        tg_join8(levels, sum, &hi, &lo, &ties);
        tg_store(his + i, hi);
        tg_store(los + i, lo);
    }
    return tg_sign8(ties) == 0;
}

/* Eight windows that each take one row in and let one go, whose levels fitted when it came. */
TG_INLINE void tg_slide8(int levels, const tg_sum *s, tg_v8 x, tg_v8 y, tg_v8 *carry, double *his,
                         double *los, tg_m8 *odd)
{
    tg_v8 sum[3], hi, lo;
    *odd |= tg_too_large(x, s->limit);
    for (int k = 0; k < levels; k++) {
        tg_v8 in = tg_cut8(&x, s->cut[k]), moved;
        moved = tg_scan8(in - (k == levels - 1 ? y : tg_cut8(&y, s->cut[k])));
        sum[k] = carry[k] + moved;
        carry[k] += tg_last8(moved);
    }
    *odd |= (tg_m8)(x + 0.0);
    tg_join8(levels, sum, &hi, &lo, odd);
    tg_store(his, hi);
    tg_store(los, lo);
}

/* As tg_sum_any, in one pass. */
TG_INLINE int tg_sum_steady(int levels, tg_sum *s, int64_t n, const double *entering,
                            const double *leaving, double *his, double *los)
{
    tg_m8 odd = {0};
    tg_v8 carry[3];
    int64_t i = 0;
    for (int k = 0; k < levels; k++)
        carry[k] = tg_splat(s->sum[k]);
    for (; i + 8 <= n; i += 8)
        tg_slide8(levels, s, tg_load(entering + i), tg_load(leaving + i), carry, his + i, los + i,
                  &odd);
    if (i < n)
        tg_slide8(levels, s, tg_load_part(entering + i, n - i, n - i, 0.0),
                  tg_load_part(leaving + i, n - i, n - i, 0.0), carry, his + i, los + i, &odd);
    if (tg_sign8(odd) != 0)
        return 0;
    for (int k = 0; k < levels; k++)
        s->sum[k] = carry[k][0];
    return 1;
}

TG_INLINE int tg_sum_any(int levels, tg_sum *s, const tg_tile *tile, const double *entering,
                         const double *leaving, double *hi, double *lo)
{
    double in[3][TG_TILE + TG_PAD], out[3][TG_TILE + TG_PAD];
    int64_t n_in = tile->r[tile->n - 1] - tile->was_r;
    int64_t n_out = tile->l[tile->n - 1] - tile->was_l;
    if (!tg_prefix_in(levels, entering, n_in, s, in) ||
        !tg_prefix_in(levels, leaving, n_out, s, out) ||
        !tg_read_levels(levels, s, tile, in, out, hi, lo))
        return 0;
    for (int k = 0; k < levels; k++)
        s->sum[k] += in[k][n_in] - out[k][n_out];
    return 1;
}

/* The sums of a tile's windows; false, and nothing changed, where a value does not fit. */
TG_CLONES static int tg_sum_tile(tg_sum *s, const tg_tile *tile, const double *entering,
                                 const double *leaving, double *hi, double *lo)
{
    if (tile->is_steady)
        return s->levels == 2 ? tg_sum_steady(2, s, tile->n, entering, leaving, hi, lo)
                              : tg_sum_steady(3, s, tile->n, entering, leaving, hi, lo);
    return s->levels == 2 ? tg_sum_any(2, s, tile, entering, leaving, hi, lo)
                          : tg_sum_any(3, s, tile, entering, leaving, hi, lo);
}

/* Add n values, or take them away; false, and nothing changed, where one does not fit. */
static int tg_sum_many_in(tg_sum *s, const double *x, int64_t n, double sign)
{
    double sums[3][TG_TILE + TG_PAD];
    if (!tg_prefix(x, n, s, sums))
        return 0;
    for (int k = 0; k < s->levels; k++)
        s->sum[k] += sign * sums[k][n];
    return 1;
}

TG_CLONES static void tg_means(const double *hi, const double *lo, const double *counts, int64_t n,
                               double *out)
{
    for (int64_t i = 0; i < n; i += 8)
        tg_store(out + i, tg_mean8(tg_load(hi + i), tg_load(lo + i), tg_load(counts + i)));
}

/* As tg_means, where all counts are one: no division but the first. */
TG_CLONES static void tg_means_of(const double *hi, const double *lo, double count, int64_t n,
                                  double *out)
{
    tg_v8 counts = tg_splat(count);
    for (int64_t i = 0; i < n; i += 8)
        tg_store(out + i, tg_mean8(tg_load(hi + i), tg_load(lo + i), counts));
}

#endif
