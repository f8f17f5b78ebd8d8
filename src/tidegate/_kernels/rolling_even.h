/* Sums and means over a look-back of a number of rows, where all values lie on one grid.
 *
 * Prices near one another, integers, measurements of few digits: all are whole multiples of one
 * power of two, and what a window changes by from row to row is small beside a float64's 53 bits.
 * Then the value that comes less the one that goes is exact, and so are the sums of these over
 * TG_EVEN_STEP rows. The sum of a window is a float64 from before plus such a sum: one addition,
 * hence rounded once. What is read is the exact sum, rounded once to (hi, lo), as everywhere; so
 * it cannot show that it was computed here.
 *
 * A value surely lies on the grid of 2**q where it is at least 2**(q + 52); or, for values that
 * have few digits, where it can be rounded to the grid and is what it was. Other values are cut in
 * two: see rolling_two.h.
 */
#ifndef TIDEGATE_ROLLING_EVEN_H
#define TIDEGATE_ROLLING_EVEN_H

#include "rolling_sum.h"

#define TG_EVEN_STEP 16
#define TG_EVEN_ROWS (INT64_C(1) << 22) /* of a window, at most */
#define TG_EVEN_PATIENCE (8 * TG_TILE)
#define TG_EVEN_SPAN 64.0        /* of magnitudes of many digits */

/* In units of the grid `apart` is 2**48, which what comes and what goes must not differ by more
 * than; 16 of it are 2**52, from which on all float64 lie on the grid; 8 are the largest that what
 * is left over of a sum, and a value of few digits, may be. */
TG_INLINE tg_m8 tg_bits8(double x) { return (tg_m8)tg_splat(x); }
TG_INLINE tg_m8 tg_size8(tg_v8 x) { return (tg_m8)x & INT64_MAX; }

typedef struct {
    tg_v8 hi, carry;             /* the sum before this step, and what has come since */
    tg_m8 odd, off;              /* a sign, a bit: something does not fit */
} tg_even8;

/* a + b without loss, where a is a whole multiple of the last place of b (Dekker's sum): here both
 * lie on the grid, and b holds fewer than 2**53 of it. */
TG_INLINE void tg_fast_sum8(tg_v8 a, tg_v8 b, tg_v8 *hi, tg_v8 *lo)
{
    tg_v8 s = a + b;
    *lo = b - (s - a);
    *hi = s;
}

/* Eight windows. Sizes are compared as integers, so that NaN is larger than anything. */
TG_INLINE void tg_even_slide8(int is_short, tg_even8 *s, tg_v8 x, tg_v8 y, double apart, tg_v8 *t)
{
    tg_v8 d = x - y, sums;
    if (is_short) {
        tg_v8 cut = tg_splat(24.0 * apart);
        s->off |= (tg_m8)(((x + cut) - cut) - x);
        s->odd |= tg_bits8(8.0 * apart) - tg_size8(x);
    } else {
        s->odd |= tg_size8(x) - tg_bits8(16.0 * apart);
    }
    s->odd |= tg_bits8(apart) - tg_size8(d);
    sums = tg_scan8(d);
    *t = sums + s->carry;
    s->carry += tg_last8(sums);
}

TG_INLINE void tg_even_write(const tg_even8 *s, tg_v8 t, tg_v8 inverse, tg_v8 rest, double *sums,
                             double *means)
{
    tg_v8 hi = s->hi + t, lo;
    if (sums != NULL)
        tg_store(sums, hi);
    if (means != NULL) {
        tg_fast_sum8(s->hi, t, &hi, &lo);
        tg_store(means, tg_mean_by8(hi, lo, inverse, rest));
    }
}

TG_INLINE int tg_even_in(int is_short, tg_even *e, const double *x, const double *y, int64_t n,
                         double count, double *sums, double *means)
{
    double apart = e->apart, pad = is_short ? 0.0 : 16.0 * apart;
    tg_v8 t, rest, inverse = tg_inverse8(tg_splat(count), &rest);
    tg_even8 s = {tg_splat(e->hi), tg_splat(e->lo), {0}, {0}};
    for (int64_t i = 0; i < n; i += TG_EVEN_STEP) {
        tg_v8 hi, lo;
        for (int64_t j = i; j < i + TG_EVEN_STEP; j += 8) {
            int64_t left = n - j;
            tg_prefetch(x + j);                      /* the CPU's own looks within a page only */
            if (left >= 8)
                tg_even_slide8(is_short, &s, tg_load(x + j), tg_load(y + j), apart, &t);
            else if (left > 0)
                tg_even_slide8(is_short, &s, tg_load_part(x + j, left, left, pad),
                               tg_load_part(y + j, left, left, pad), apart, &t);
            else
                break;
            tg_even_write(&s, t, inverse, rest, sums == NULL ? NULL : sums + j,
                          means == NULL ? NULL : means + j);
        }
        tg_fast_sum8(s.hi, s.carry, &hi, &lo);
        s.hi = hi;
        s.carry = lo;
        s.odd |= tg_bits8(8.0 * apart) - tg_size8(lo);
    }
    if (tg_sign8(s.odd) < 0 || tg_sign8(s.off) != 0)
        return 0;
    e->hi = s.hi[0];
    e->lo = s.carry[0];
    return 1;
}

/* The sums and means, where asked for, of n windows that take in a row of x and let go one of y;
 * false, and the state as it was, where a value does not fit. */
TG_CLONES static int tg_even_tile(tg_even *e, const double *x, const double *y, int64_t n,
                                  double count, double *sums, double *means)
{
    if (means == NULL)
        return e->is_short ? tg_even_in(1, e, x, y, n, count, sums, NULL)
                           : tg_even_in(0, e, x, y, n, count, sums, NULL);
    if (sums == NULL)
        return e->is_short ? tg_even_in(1, e, x, y, n, count, NULL, means)
                           : tg_even_in(0, e, x, y, n, count, NULL, means);
    return e->is_short ? tg_even_in(1, e, x, y, n, count, sums, means)
                       : tg_even_in(0, e, x, y, n, count, sums, means);
}

/* Least and greatest magnitude of n values; false where one is not finite. */
TG_CLONES static int tg_even_range(const double *x, int64_t n, double *least, double *most)
{
    tg_v8 low = tg_splat(INFINITY), high = tg_splat(0.0), seen = {0};
    int64_t i = 0;
    for (; i < n; i += 8) {
        tg_v8 v = tg_load_part(x + i, n - i, n - i, x[0]);
        seen = tg_see_odd(seen, v);
        v = (tg_v8)tg_size8(v);
        low = tg_min(low, v);
        high = tg_max(high, v);
    }
    *least = tg_least_of(low);
    *most = tg_greatest_of(high);
    return !tg_seen(seen);
}

/* Whether n values, none of which is larger than 8 * apart, lie on the grid. */
TG_CLONES static int tg_even_is_short(const double *x, int64_t n, double apart)
{
    tg_v8 cut = tg_splat(24.0 * apart);
    tg_m8 off = {0};
    for (int64_t i = 0; i < n; i += 8) {
        tg_v8 v = tg_load_part(x + i, n - i, n - i, 0.0);
        off |= (tg_m8)(((v + cut) - cut) - v);
    }
    return tg_sign8(off) == 0;
}

/* Sum up n values that lie on the grid: all that is rounded off does, too. */
TG_CLONES static void tg_even_sum(tg_even *e, const double *x, int64_t n)
{
    tg_v8 hi = {0}, lo = {0};
    double h = 0.0, l = 0.0;
    for (int64_t i = 0; i < n; i += 8)
        tg_add8(&hi, &lo, tg_load_part(x + i, n - i, n - i, 0.0));
    for (int j = 0; j < 8; j++) {
        double s = h + hi[j], b = s - h;
        l += ((h - (s - b)) + (hi[j] - b)) + lo[j];
        h = s;
    }
    e->hi = h + l;
    l += h - e->hi;                                  /* the sum of both is exact either way */
    e->lo = l;
}

/* Lay the grid that the values of a window of n rows and the next ones lie on, and sum it up;
 * false where there is none. */
static int tg_even_lay(tg_even *e, const double *x, int64_t n, int64_t next)
{
    double least, most;
    int exponent;
    if (n > TG_EVEN_ROWS || !tg_even_range(x, n + next, &least, &most) || !(most < TG_LARGEST) ||
        (most > 0.0 && most < 1.0 / TG_LARGEST))
        return 0;
    frexp(most, &exponent);
    e->apart = ldexp(1.0, exponent + 4);             /* so that a rise needs no new grid */
    e->is_short = tg_even_is_short(x, n + next, e->apart);
    if (!e->is_short) {
        if (!(most <= TG_EVEN_SPAN * least) || !(least > 1.0 / TG_LARGEST))
            return 0;
        frexp(least, &exponent);
        e->apart = ldexp(1.0, exponent - 5);         /* the power of two below it is 16 of these */
        if (least < 20.0 * e->apart)
            e->apart *= 0.5;                         /* nor does a fall */
    }
    tg_even_sum(e, x, n);
    return 1;
}

#endif
