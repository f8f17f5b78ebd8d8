/* Sums and means over a look-back of a number of rows, where values lie on no common grid.
 *
 * A value is cut in two: a whole multiple of one power of two, the grid, so coarse that a float64
 * holds the sum of these over a window; and a rest, at most half the grid. Rests lie on a grid of
 * their own, 47 bits below, but for values that are tiny beside the largest: nearly all random
 * numbers do. What a window changes by is exact in each part, and so are the sums of these over
 * TG_TWO_STEP rows: 32.5 times 2**47 is less than 2**53. Then what is whole in the rest moves
 * over. The sum of a window is that of both parts, one addition, hence rounded once.
 *
 * Values of some size surely lie on the fine grid; of others it is seen by rounding them to it.
 *
 * The work of the levels of rolling_sum.h, of which two or three are needed, is twice this: they
 * hold sums of more rows than a window has, and do not let rests add up to more than their grid.
 */
#ifndef TIDEGATE_ROLLING_TWO_H
#define TIDEGATE_ROLLING_TWO_H

#include "rolling_even.h"

#define TG_TWO_ROWS (INT64_C(1) << 20) /* of a window, at most */
#define TG_TWO_FINE 0x1p-47
#define TG_TWO_STEP 32
#define TG_TWO_TERM 16           /* patiences after which one grid is tried again */

typedef struct {
    tg_v8 whole, rest;           /* the sum before these rows */
    tg_m8 odd, off;              /* a sign, a bit: something does not fit */
} tg_two8;

/* Whether a rest lies on its grid: no bit but the sign is set where it does. */
TG_INLINE tg_m8 tg_two_off8(tg_v8 rest, double fine)
{
    tg_v8 f = tg_splat(fine);
    return (tg_m8)((rest + f) - f) ^ (tg_m8)rest;
}
TG_INLINE int tg_two_is_off(tg_m8 off) { return (uint64_t)tg_sign8(off) << 1 != 0; }

/* The sums of eight windows, in two parts. */
TG_INLINE void tg_two_slide8(int is_short, tg_two8 *s, const tg_even *e, tg_v8 x, tg_v8 y,
                             tg_v8 *w, tg_v8 *t)
{
    tg_v8 c = tg_splat(e->cut), a = (x + c) - c, b = (y + c) - c, rest = x - a, wholes, rests;
    s->odd |= tg_bits8(e->limit) - tg_size8(x);
    if (is_short)
        s->off |= tg_two_off8(rest, e->fine);
    else
        s->odd |= tg_size8(x) - tg_bits8(e->least);
    wholes = tg_scan8(a - b);
    rests = tg_scan8(rest - (y - b));
    *w = s->whole + wholes;
    *t = s->rest + rests;
    s->whole = tg_last8(*w);
    s->rest = tg_last8(*t);
}

TG_INLINE void tg_two_write(tg_v8 w, tg_v8 t, tg_v8 inverse, tg_v8 rest, double *sums,
                            double *means)
{
    tg_v8 hi, lo;
    tg_fast_sum8(w, t, &hi, &lo);
    if (sums != NULL)
        tg_store(sums, hi);
    if (means != NULL)
        tg_store(means, tg_mean_by8(hi, lo, inverse, rest));
}

TG_INLINE int tg_two_in(int is_short, tg_even *state, const double *x, const double *y, int64_t n,
                        double count, double *sums, double *means)
{
    const tg_even e = *state;
    tg_v8 w, t, c = tg_splat(e.cut), rest, inverse = tg_inverse8(tg_splat(count), &rest);
    tg_two8 s = {tg_splat(e.hi), tg_splat(e.lo), {0}, {0}};
    for (int64_t i = 0; i < n; i += TG_TWO_STEP) {
        for (int64_t j = i; j < i + TG_TWO_STEP; j += 8) {
            int64_t left = n - j;
            tg_prefetch(x + j);
            if (left >= 8)
                tg_two_slide8(is_short, &s, &e, tg_load(x + j), tg_load(y + j), &w, &t);
            else if (left > 0)
                tg_two_slide8(is_short, &s, &e, tg_load_part(x + j, left, left, e.limit),
                              tg_load_part(y + j, left, left, e.limit), &w, &t);
            else
                break;
            tg_two_write(w, t, inverse, rest, sums == NULL ? NULL : sums + j,
                         means == NULL ? NULL : means + j);
        }
        w = (s.rest + c) - c;
        s.whole += w;
        s.rest -= w;
    }
    if (tg_sign8(s.odd) < 0 || tg_two_is_off(s.off))
        return 0;
    state->hi = s.whole[0];
    state->lo = s.rest[0];
    return 1;
}

/* As tg_even_tile, of values in two parts. */
TG_CLONES static int tg_two_tile(tg_even *e, const double *x, const double *y, int64_t n,
                                 double count, double *sums, double *means)
{
    if (means == NULL)
        return e->is_short ? tg_two_in(1, e, x, y, n, count, sums, NULL)
                           : tg_two_in(0, e, x, y, n, count, sums, NULL);
    if (sums == NULL)
        return e->is_short ? tg_two_in(1, e, x, y, n, count, NULL, means)
                           : tg_two_in(0, e, x, y, n, count, NULL, means);
    return e->is_short ? tg_two_in(1, e, x, y, n, count, sums, means)
                       : tg_two_in(0, e, x, y, n, count, sums, means);
}

/* Sum up n values; false where the rest of one does not lie on its grid. */
TG_CLONES static int tg_two_sum(tg_even *e, const double *x, int64_t n)
{
    tg_v8 c = tg_splat(e->cut), whole = {0}, rest = {0};
    tg_m8 off = {0};
    double hi = 0.0, lo = 0.0;
    for (int64_t i = 0; i < n; i += 8) {
        tg_v8 v = tg_load_part(x + i, n - i, n - i, 0.0), a = (v + c) - c, r = v - a;
        off |= tg_two_off8(r, e->fine);
        rest += r;
        r = (rest + c) - c;
        whole += a + r;
        rest -= r;
    }
    for (int j = 0; j < 8; j++) {
        double more;
        lo += rest[j];
        more = (lo + e->cut) - e->cut;
        hi += whole[j] + more;
        lo -= more;
    }
    e->hi = hi;
    e->lo = lo;
    return !tg_two_is_off(off);
}

/* Lay the grids for a window of n rows and the next ones, and sum it up; false where there are
 * none. */
static int tg_two_lay(tg_even *e, const double *x, int64_t n, int64_t next)
{
    double least, most;
    int exponent, rows = 1;
    if (n > TG_TWO_ROWS || !tg_even_range(x, n + next, &least, &most) || !(most < TG_LARGEST) ||
        !(most > 1.0 / TG_LARGEST))
        return 0;
    frexp(most, &exponent);
    exponent++;                                      /* so that a rise needs no new ones */
    while (INT64_C(1) << rows < n + 8)               /* windows, and what eight rows change */
        rows++;
    e->limit = ldexp(1.0, exponent);
    e->cut = ldexp(1.5, exponent + rows);            /* the grid is 2**-52 of the power of two */
    e->fine = e->cut * TG_TWO_FINE;
    e->least = e->fine / 1.5;                        /* 2**52 of the fine grid */
    e->is_short = least < 4.0 * e->least;            /* else a fall needs no new ones */
    return tg_two_sum(e, x, n);
}

/* ---------------------------------------------------------------------- one grid, or two, or none */

TG_INLINE int64_t tg_even_patience(int64_t count)
{
    return count > TG_EVEN_PATIENCE ? count : TG_EVEN_PATIENCE;
}

/* How long to leave a column alone that did not fit: twice as long each time, unless it did for
 * long. */
TG_INLINE void tg_even_rest(tg_even *e, int64_t number, int64_t count)
{
    int64_t least = tg_even_patience(count);
    int64_t wait = 2 * e->wait < least || number - e->since > 16 * e->wait ? least : 2 * e->wait;
    e->wait = wait < INT64_C(1) << 40 ? wait : INT64_C(1) << 40;
    e->retry = number + e->wait;
    e->next = 0;
}

/* Whether windows from that of row `number` on may be tried. */
static int tg_even_is_ready(const tg_even *e, int64_t number)
{
    return e->next == number || number >= e->retry;
}

static int tg_even_lay_any(tg_even *e, const double *x, int64_t n, int64_t next)
{
    e->is_two = !tg_even_lay(e, x, n, next);
    return !e->is_two || tg_two_lay(e, x, n, next);
}
static int tg_even_tile_any(tg_even *e, const double *x, int64_t n, int64_t count, double *sums,
                            double *means)
{
    return e->is_two ? tg_two_tile(e, x, x - count, n, (double)count, sums, means)
                     : tg_even_tile(e, x, x - count, n, (double)count, sums, means);
}

/* As tg_even_tile, of windows of `count` rows each, the first of which is that of row `number` and
 * takes in the row at x; lays a grid first where there is none, or where it does not fit any more
 * and was not laid just now. */
static int tg_even_windows(tg_even *e, const double *x, int64_t n, int64_t count, int64_t number,
                           double *sums, double *means)
{
    int is_on = e->next == number, fits;
    int64_t age = number - e->laid, least = tg_even_patience(count);
    fits = is_on && !(e->is_two && age >= TG_TWO_TERM * least);
    fits = fits && tg_even_tile_any(e, x, n, count, sums, means);
    if (!fits && (!is_on || age >= least)) {
        e->since = is_on ? e->since : number;
        e->laid = number;
        fits = tg_even_lay_any(e, x - count, count, n) &&
               tg_even_tile_any(e, x, n, count, sums, means);
    }
    if (!fits) {
        tg_even_rest(e, number, count);
        return 0;
    }
    e->next = number + n;
    return 1;
}

#endif
