/* Sums of powers and of products over a look-back, in about 106 bits, without taking anything away.
 *
 * The rows of a window are cut in two at `middle`: of the older ones there is a sum from each row
 * up to there, made backwards; the newer ones are added as they come. A window is one of the first
 * and all of the second, so that what has left it was never in its sums (two stacks make a queue).
 * Once the older ones have gone, the newer ones become the older ones: two additions a row.
 *
 * Distances are taken from one row of the window, the anchor. When it leaves, sums are made anew.
 * As it is the last of the older rows that has a number, that happens just as often.
 */
#ifndef TIDEGATE_ROLLING_MOMENTS_H
#define TIDEGATE_ROLLING_MOMENTS_H

#include "rolling_extreme.h"
#include <stdlib.h>

enum { TG_NO_PAIR, TG_IS_TAME, TG_IS_APART, TG_IS_ODD };

#define TG_N_SUMS 5              /* of pairs: dx dy dx*dy dx**2 dy**2; of one column d**1 to d**4 */

typedef struct {
    double hi[TG_N_SUMS];
    double lo[TG_N_SUMS];
} tg_sums5;

/* What rows are taken from: y, and x, or the time where x is NULL. */
typedef struct {
    const tg_series *x;
    const tg_series *y;
    const int64_t *times;
    int is_pair;
    int times_are_float;
    double low, high;            /* of magnitudes whose powers keep all their bits */
} tg_source;

/* Numbers of rows are counted since the key began; -1 is none. */
typedef struct {
    int64_t middle;
    int64_t anchor;
    int64_t apart;               /* the last row that powers cannot be summed of */
    int64_t odd;                 /* the last with a NaN or an infinity */
    int64_t from;                /* the row that `older` begins with */
    int64_t room;
    tg_word shift[2];
    tg_sums5 newer;
    tg_sums5 *older;
} tg_moments;

/* The sums of a tile's windows, and the shift of each. */
typedef struct {
    double hi[TG_N_SUMS][TG_TILE + TG_PAD];
    double lo[TG_N_SUMS][TG_TILE + TG_PAD];
    tg_word shift[TG_TILE + TG_PAD];
    uint8_t care[TG_TILE + TG_PAD];  /* TG_IS_APART, TG_IS_ODD where such a row is in it */
    int has_care;
} tg_totals;

TG_INLINE int tg_care(const tg_source *of, int numeric, tg_word x)
{
    double size = fabs(x.f);
    if (numeric != 0 || size == 0.0 || (of->low <= size && size < of->high))
        return TG_IS_TAME;
    return x.f - x.f == 0.0 ? TG_IS_APART : TG_IS_ODD;
}
TG_INLINE int tg_x_kind(const tg_source *of)
{
    return of->x != NULL ? of->x->numeric : of->times_are_float ? 0 : 1;
}

/* The values of a row, and what they need. */
TG_INLINE int tg_fetch(const tg_source *of, int64_t i, tg_word *x, tg_word *y)
{
    int care, other;
    if (!tg_has(of->y, i) || (of->x != NULL && !tg_has(of->x, i)))
        return TG_NO_PAIR;
    *y = of->y->x[i];
    care = tg_care(of, of->y->numeric, *y);
    if (!of->is_pair)
        return care;
    if (of->x != NULL)
        *x = of->x->x[i];
    else
        x->i = of->times[i];
    if (of->x == NULL && of->times_are_float)
        x->i ^= (x->i >> 63) & INT64_MAX;
    other = tg_care(of, tg_x_kind(of), *x);
    return care > other ? care : other;
}

TG_INLINE void tg_distance(int numeric, tg_word x, tg_word shift, double *d, double *r)
{
    if (numeric == 0) {
        double b;
        *d = x.f - shift.f;
        b = *d - x.f;
        *r = (x.f - (*d - b)) - (shift.f + b);
    } else {
        tg_i128 apart = numeric == 1 ? (tg_i128)x.i - shift.i : (tg_i128)x.u - shift.u;
        *d = (double)apart;
        *r = (double)(apart - (tg_i128)*d);
    }
}

TG_INLINE void tg_add1(tg_sums5 *s, int k, double p, double e)
{
    double t = s->hi[k] + p, b = t - s->hi[k];
    s->lo[k] += ((s->hi[k] - (t - b)) + (p - b)) + e;
    s->hi[k] = t;
}
TG_INLINE void tg_add_product1(tg_sums5 *s, int k, double a, double ra, double b, double rb)
{
    double p = a * b;
    tg_add1(s, k, p, __builtin_fma(a, b, -p) + (a * rb + ra * b));
}

/* Add a row that is tame. */
TG_INLINE void tg_add_row(const tg_source *of, const tg_word *shift, tg_word x, tg_word y,
                          tg_sums5 *s)
{
    double d, r;
    tg_distance(of->y->numeric, y, shift[1], &d, &r);
    if (of->is_pair) {
        double dx, rx;
        tg_distance(tg_x_kind(of), x, shift[0], &dx, &rx);
        tg_add1(s, 0, dx, rx);
        tg_add1(s, 1, d, r);
        tg_add_product1(s, 2, dx, rx, d, r);
        tg_add_product1(s, 3, dx, rx, dx, rx);
        tg_add_product1(s, 4, d, r, d, r);
    } else {
        double p2 = d * d, e2 = __builtin_fma(d, d, -p2) + 2.0 * (d * r);
        double p3 = p2 * d, e3 = __builtin_fma(p2, d, -p3) + (p2 * r + e2 * d);
        double p4 = p2 * p2, e4 = __builtin_fma(p2, p2, -p4) + 2.0 * (p2 * e2);
        tg_add1(s, 0, d, r);
        tg_add1(s, 1, p2, e2);
        tg_add1(s, 2, p3, e3);
        tg_add1(s, 3, p4, e4);
    }
}

/* Take a row into the newer ones. */
TG_INLINE void tg_moments_take(tg_moments *m, const tg_source *of, int64_t i, int64_t base)
{
    tg_word x = {0}, y;
    int care = tg_fetch(of, i, &x, &y);
    if (care == TG_IS_TAME) {
        if (m->anchor < 0) {
            m->anchor = base + i;
            m->shift[0] = x;
            m->shift[1] = y;
        }
        tg_add_row(of, m->shift, x, y, &m->newer);
    } else if (care == TG_IS_APART) {
        m->apart = base + i;
    } else if (care == TG_IS_ODD) {
        m->odd = base + i;
    }
}

/* Make the sums from each of rows [l, r) on to r, around the anchor; 0 where there is no memory. */
TG_INLINE int tg_moments_stack(tg_moments *m, const tg_source *of, int64_t l, int64_t r,
                               int64_t base)
{
    tg_sums5 s;
    tg_word x = {0}, y;
    memset(&s, 0, sizeof s);
    if (r - l > m->room) {
        int64_t room = r - l > 2 * m->room ? r - l : 2 * m->room;
        free(m->older);
        m->older = malloc(room * sizeof s);
        m->room = m->older == NULL ? 0 : room;
        if (m->older == NULL)
            return 0;
    }
    m->from = base + l;
    m->middle = base + r;
    for (int64_t i = r - 1; i >= l; i--) {
        if (tg_fetch(of, i, &x, &y) == TG_IS_TAME)
            tg_add_row(of, m->shift, x, y, &s);
        m->older[i - l] = s;
    }
    return 1;
}

/* Make rows [l, r) the older ones, around the last of them that has a number. */
TG_INLINE int tg_moments_turn(tg_moments *m, const tg_source *of, int64_t l, int64_t r,
                              int64_t base)
{
    tg_word x = {0}, y;
    int64_t i = r - 1;
    while (i >= l && tg_fetch(of, i, &x, &y) != TG_IS_TAME)
        i--;
    m->anchor = -1;
    if (i >= l) {
        m->anchor = base + i;
        m->shift[0] = x;
        m->shift[1] = y;
    }
    memset(&m->newer, 0, sizeof m->newer);
    return tg_moments_stack(m, of, l, r, base);
}

/* As if rows [l, r) were all that has been seen; 0 where there is no memory. */
static int tg_moments_anew(tg_moments *m, const tg_source *of, int64_t l, int64_t r, int64_t base)
{
    tg_word x = {0}, y;
    m->apart = m->odd = -1;
    for (int64_t i = l; i < r; i++) {
        int care = tg_fetch(of, i, &x, &y);
        if (care == TG_IS_APART)
            m->apart = base + i;
        if (care == TG_IS_ODD)
            m->odd = base + i;
    }
    return tg_moments_turn(m, of, l, r, base);
}

/* The sums of the windows of a tile; 0 where there is no memory. */
TG_INLINE int tg_moments_in(tg_moments *m, const tg_source *of, const tg_tile *tile, int64_t base,
                            tg_totals *out)
{
    const int n_sums = of->is_pair ? 5 : 4;
    int64_t r = tile->was_r;
    out->has_care = 0;
    for (int64_t i = 0; i < tile->n; i++) {
        int64_t l = tile->l[i], left = base + l;
        for (; r < tile->r[i]; r++)
            tg_moments_take(m, of, r, base);
        if ((left > m->middle || (m->anchor >= 0 && m->anchor < left)) &&
            !tg_moments_turn(m, of, l, r, base))
            return 0;
        out->shift[i] = m->shift[1];
        out->care[i] = m->odd >= left ? TG_IS_ODD : m->apart >= left ? TG_IS_APART : 0;
        out->has_care |= out->care[i];
        for (int k = 0; k < n_sums; k++) {
            double a = m->newer.hi[k], a_lo = m->newer.lo[k];
            if (left < m->middle) {
                const tg_sums5 *s = &m->older[left - m->from];
                double t = a + s->hi[k], b = t - a;
                a_lo += s->lo[k] + ((a - (t - b)) + (s->hi[k] - b));
                a = t;
            }
            out->hi[k][i] = a;
            out->lo[k][i] = a_lo;
        }
    }
    return 1;
}
TG_CLONES static int tg_moments_tile(tg_moments *m, const tg_source *of, const tg_tile *tile,
                                     int64_t base, tg_totals *out)
{
    tg_source pair = *of, single = *of;
    pair.is_pair = 1;
    single.is_pair = 0;
    single.x = NULL;
    return of->is_pair ? tg_moments_in(m, &pair, tile, base, out)
                       : tg_moments_in(m, &single, tile, base, out);
}

/* Go on from a snapshot: rows [l, r) are those of the last window. 0 where there is no memory, -1
 * where the middle and the anchor cannot be theirs. */
static int tg_moments_take_up(tg_moments *m, const tg_source *of, int64_t l, int64_t r,
                              int64_t base)
{
    tg_word x = {0}, y;
    int64_t middle = m->middle - base, anchor = m->anchor;
    if (anchor >= 0) {
        if (anchor - base < l || anchor - base >= r ||
            tg_fetch(of, anchor - base, &x, &y) != TG_IS_TAME)
            return -1;
        m->shift[0] = x;
        m->shift[1] = y;
    }
    middle = middle < l ? l : middle;                /* of rows before the window nothing is left */
    if (middle > r)
        return -1;
    for (int64_t i = l; i < middle; i++) {
        int care = tg_fetch(of, i, &x, &y);
        if (care == TG_IS_TAME && anchor < 0)
            return -1;
        if (care == TG_IS_APART)
            m->apart = base + i;
        if (care == TG_IS_ODD)
            m->odd = base + i;
    }
    if (!tg_moments_stack(m, of, l, middle, base))
        return 0;
    for (int64_t i = middle; i < r; i++)
        tg_moments_take(m, of, i, base);
    return m->anchor == anchor ? 1 : -1;
}

/* ------------------------------------------------------------------------ what sums come to, by 8 */

typedef struct {
    tg_v8 hi, lo;
} tg_dd;

TG_INLINE tg_dd tg_dd_of(tg_v8 x) { return (tg_dd){x, tg_splat(0.0)}; }
TG_INLINE tg_dd tg_norm8(tg_v8 a, tg_v8 b)
{
    tg_dd r;
    tg_two_sum8(a, b, &r.hi, &r.lo);
    return r;
}
TG_INLINE tg_dd tg_plus8(tg_dd a, tg_dd b)
{
    tg_v8 s, e;
    tg_two_sum8(a.hi, b.hi, &s, &e);
    return tg_norm8(s, e + (a.lo + b.lo));
}
TG_INLINE tg_dd tg_minus8(tg_dd a, tg_dd b) { return tg_plus8(a, (tg_dd){-b.hi, -b.lo}); }
TG_INLINE tg_dd tg_times8(tg_dd a, tg_dd b)
{
    tg_v8 p = a.hi * b.hi, e = tg_fma8(a.hi, b.hi, -p);
    return tg_norm8(p, e + (a.hi * b.lo + a.lo * b.hi));
}
TG_INLINE tg_dd tg_by8(tg_dd a, double x) { return tg_times8(a, tg_dd_of(tg_splat(x))); }
TG_INLINE tg_dd tg_over8(tg_dd a, tg_dd b)
{
    tg_v8 q = a.hi / b.hi;
    return tg_norm8(q, tg_minus8(a, tg_times8(tg_dd_of(q), b)).hi / b.hi);
}
TG_INLINE tg_v8 tg_root8(tg_v8 x)
{
    for (int j = 0; j < 8; j++)
        x[j] = __builtin_sqrt(x[j]);
    return x;
}
TG_INLINE tg_dd tg_total8(const tg_totals *t, int k, int64_t i)
{
    return tg_norm8(tg_load(t->hi[k] + i), tg_load(t->lo[k] + i));
}

enum { TG_COV, TG_CORR, TG_SLOPE, TG_ZSCORE, TG_SKEW, TG_KURT };

/* sum((x - mean x) * (y - mean y)) */
TG_INLINE tg_dd tg_around_means8(tg_dd product, tg_dd x, tg_dd y, tg_dd n)
{
    return tg_minus8(product, tg_times8(x, tg_over8(y, n)));
}

TG_INLINE tg_v8 tg_read_pairs8(const tg_totals *t, int op, int64_t i, tg_v8 n, double ddof,
                               double by)
{
    tg_dd count = tg_dd_of(n), x = tg_total8(t, 0, i), y = tg_total8(t, 1, i), xx, yy, square;
    tg_dd xy = tg_around_means8(tg_total8(t, 2, i), x, y, count);
    tg_v8 r;
    if (op == TG_COV)
        return tg_over8(xy, tg_dd_of(n - ddof)).hi;
    xx = tg_around_means8(tg_total8(t, 3, i), x, x, count);
    if (op == TG_SLOPE)
        return tg_by8(tg_over8(xy, xx), by).hi;
    yy = tg_around_means8(tg_total8(t, 4, i), y, y, count);
    square = tg_times8(tg_over8(xy, xx), tg_over8(xy, yy));
    r = tg_root8(square.hi);
    r = tg_select(r > 1.0, tg_splat(1.0), r);        /* and a NaN stays one */
    return tg_select(xy.hi < 0.0, -r, r);
}

/* Skewness and excess kurtosis; `how`: corrected for bias. */
TG_INLINE tg_v8 tg_read_powers8(const tg_totals *t, int op, int64_t i, tg_v8 n, int how)
{
    tg_dd count = tg_dd_of(n), s1 = tg_total8(t, 0, i), s2 = tg_total8(t, 1, i);
    tg_dd s3 = tg_total8(t, 2, i), m = tg_over8(s1, count), g;
    tg_dd c2 = tg_minus8(s2, tg_times8(s1, m)), v = tg_over8(c2, count);
    if (op == TG_SKEW) {
        tg_dd inner = tg_minus8(tg_by8(s2, 3.0), tg_by8(tg_times8(m, s1), 2.0));
        tg_dd c3 = tg_minus8(s3, tg_times8(m, inner));
        tg_v8 skew = tg_over8(tg_over8(c3, count), v).hi / tg_root8(v.hi);
        return how ? skew * tg_root8(n * (n - 1.0)) / (n - 2.0) : skew;
    }
    g = tg_minus8(tg_by8(s2, 6.0), tg_by8(tg_times8(m, s1), 3.0));
    g = tg_minus8(tg_by8(s3, 4.0), tg_times8(m, g));
    g = tg_minus8(tg_total8(t, 3, i), tg_times8(m, g));
    g = tg_over8(tg_over8(tg_over8(g, count), v), v);
    g = tg_minus8(g, tg_dd_of(tg_splat(3.0)));
    if (how) {
        g = tg_plus8(tg_times8(g, tg_dd_of(n + 1.0)), tg_dd_of(tg_splat(6.0)));
        g = tg_over8(tg_times8(g, tg_dd_of(n - 1.0)), tg_times8(tg_dd_of(n - 2.0),
                                                                tg_dd_of(n - 3.0)));
    }
    return g.hi;
}

/* Far is how far the last value is from the shift. */
TG_INLINE tg_v8 tg_read_zscore8(const tg_totals *t, int64_t i, tg_v8 n, double ddof, tg_dd far)
{
    tg_dd count = tg_dd_of(n), s1 = tg_total8(t, 0, i), m = tg_over8(s1, count);
    tg_dd c2 = tg_minus8(tg_total8(t, 1, i), tg_times8(s1, m));
    tg_v8 spread = tg_root8(tg_over8(c2, tg_dd_of(n - ddof)).hi);
    return tg_minus8(far, m).hi / spread;
}

/* One output of a tile of n windows; never -0.0, and one NaN only: which of two a sum has is left
 * to the compiler. `last` is what Z-scores are taken of. */
TG_CLONES static void tg_read_totals(const tg_totals *t, int op, const double *counts, double ddof,
                                     int how, double by, int numeric, const tg_word *last,
                                     int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i += 8) {
        tg_v8 count = tg_load(counts + i), r;
        if (op == TG_SKEW || op == TG_KURT) {
            r = tg_read_powers8(t, op, i, count, how);
        } else if (op == TG_ZSCORE) {
            double d[8], e[8];
            for (int j = 0; j < 8; j++)
                tg_distance(numeric, last[i + j], t->shift[i + j], d + j, e + j);
            r = tg_read_zscore8(t, i, count, ddof, (tg_dd){tg_load(d), tg_load(e)});
        } else {
            r = tg_read_pairs8(t, op, i, count, ddof, by);
        }
        r += 0.0;
        tg_store(out + i, tg_select(r == r, r, tg_splat((double)NAN)));
    }
}

#endif
