/* Sums of deviations over a look-back, in about 106 bits, with a bound on what they have lost.
 *
 * Deviations d are taken from a shift that was a value of the window when it was chosen; what is
 * kept is the sum of d and of d*d, each as hi + lo. A row comes and goes by adding and taking away.
 * Every step adds to `slip` what it may have rounded off. Where that could be seen in the result,
 * sums are made anew from the rows of the window, around its newest value: at that row and no
 * other, whichever batch it came in. A value that has left can make that happen once, and then
 * only as often as values fall by some 2**20 within one window: the cost of a row stays O(1).
 */
#ifndef TIDEGATE_ROLLING_VAR_H
#define TIDEGATE_ROLLING_VAR_H

#include "rolling_fixed.h"

#define TG_SLIP 0x1p-51          /* of the size of a sum: what a step may round off */
#define TG_TRUST 0.25            /* times the result: as much slip, in 2**-52, can't be seen */
#define TG_FAINT 0x1p-900        /* below it squares have lost bits to underflow */
#define TG_FIRST_STRIDE 16

TG_INLINE int tg_has(const tg_series *c, int64_t i)
{
    return (c->valid == NULL || c->valid[i]) && !(c->skip_nan && c->x[i].f != c->x[i].f);
}
TG_INLINE int tg_is_odd(const tg_series *c, int64_t i)
{
    return c->numeric == 0 && c->x[i].f - c->x[i].f != 0.0;
}
TG_INLINE int tg_is_calm(const tg_series *c, int64_t i)
{
    return tg_has(c, i) && !tg_is_odd(c, i);
}

typedef struct {
    tg_v2 hi, lo;                /* of the sums of d and of d*d */
} tg_sums2;

/* What sums may have lost: no more than the steps since they were made times the largest of
 * |lo| + TG_SLIP*|hi| after a row, in units of 2**-52. */
typedef struct {
    tg_v2 peak;
    int64_t steps;
} tg_slip;

typedef struct {
    tg_fixed fixed;              /* while it is on, what follows is of the past */
    tg_sums2 sums;
    tg_slip slip;
    tg_word shift;
    double scale;                /* d = scale*x - scale*shift */
    double unscale;              /* 1 / scale; 0: there is no shift yet */
    int64_t stride;              /* rows that are looked at together */
    int64_t same_from, same_to;  /* rows known to be of one value */
} tg_var;

TG_INLINE void tg_step2(tg_sums2 *s, tg_v2 v, tg_v2 rest)
{
    tg_v2 t = s->hi + v, b = t - s->hi;
    s->lo += ((s->hi - (t - b)) + (v - b)) + rest;
    s->hi = t;
}
TG_INLINE tg_v2 tg_size2(tg_v2 v) { return (tg_v2)((tg_m2)v & INT64_MAX); }
TG_INLINE void tg_see_peak(tg_slip *slip, tg_v2 hi, tg_v2 lo)
{
    tg_v2 at = tg_size2(lo) + tg_size2(hi) * TG_SLIP;
    TG_PICK(tg_m2, slip->peak, at > slip->peak, at, slip->peak);
}

/* The deviation of one value without loss: d + r. */
TG_INLINE void tg_deviation(const tg_var *v, int numeric, tg_word x, double *d, double *r)
{
    if (numeric == 0) {
        double a = x.f * v->scale, c = v->shift.f * v->scale, b;
        *d = a - c;
        b = *d - a;
        *r = (a - (*d - b)) - (c + b);
    } else {
        tg_i128 apart = numeric == 1 ? (tg_i128)x.i - v->shift.i : (tg_i128)x.u - v->shift.u;
        int64_t near = (int64_t)apart;
        *r = 0.0;
        *d = (double)near;
        if (apart == near && near >> 53 == near >> 63)
            return;                                  /* of 53 bits */
        *d = (double)apart;
        *r = (double)(apart - (tg_i128)*d);
    }
}

TG_INLINE void tg_var_take(tg_var *v, const tg_series *c, int64_t i, double sign)
{
    double d, r, p;
    if (!tg_is_calm(c, i))
        return;
    tg_deviation(v, c->numeric, c->x[i], &d, &r);
    p = d * d;
    tg_v2 value = {sign * d, sign * p};
    tg_v2 rest = {sign * r, sign * (__builtin_fma(d, d, -p) + 2.0 * (d * r))};
    tg_step2(&v->sums, value, rest);
}

/* The sum of squares around the mean of 1/inverse values, whose sum of deviations is h. */
TG_INLINE tg_v8 tg_around8(tg_v8 s, tg_v8 s_lo, tg_v8 q, tg_v8 q_lo, tg_v8 inverse, tg_v8 rest,
                           tg_v8 *h)
{
    tg_v8 l, t, e, m, me, a, b;
    *h = s + s_lo;
    l = s_lo - (*h - s);
    t = *h * *h;
    e = tg_fma8(*h, *h, -t) + 2.0 * (*h * l);
    m = t * inverse;
    me = tg_fma8(t, inverse, -m) + (t * rest + e * inverse);
    tg_two_sum8(q, -m, &a, &b);
    return a + (b + (q_lo - me));
}
TG_INLINE double tg_around1(const tg_sums2 *s, double n)
{
    tg_v8 h, rest, inverse = tg_inverse8(tg_splat(n), &rest);
    tg_v8 m = tg_around8(tg_splat(s->hi[0]), tg_splat(s->lo[0]), tg_splat(s->hi[1]),
                         tg_splat(s->lo[1]), inverse, rest, &h);
    return m[0] > 0.0 ? m[0] : 0.0;
}

/* Whether the values of rows [l, r) are one and the same. Rows are numbered from `base` on. */
static int tg_is_same(tg_var *v, const tg_series *c, int64_t l, int64_t r, int64_t base)
{
    int64_t i = r - 1, newest;
    while (i >= l && !tg_is_calm(c, i))
        i--;
    newest = i;
    while (i >= l) {
        if (tg_is_calm(c, i)) {
            if (c->numeric ? c->x[i].u != c->x[newest].u : c->x[i].f != c->x[newest].f)
                break;
            if (base + i < v->same_to && base + i >= v->same_from)
                i = v->same_from - base;             /* all of these are known to be alike */
        }
        i--;
    }
    v->same_from = base + i + 1;
    v->same_to = base + newest + 1;
    return i < l;
}

/* Make the sums anew from the rows of a window, around its newest value. */
static void tg_var_renew(tg_var *v, const tg_series *c, int64_t l, int64_t r)
{
    double most = 0.0;
    int64_t i = r - 1;
    memset(&v->sums, 0, sizeof v->sums);
    memset(&v->slip, 0, sizeof v->slip);
    while (i >= l && !tg_is_calm(c, i))
        i--;
    if (i < l)
        return;
    v->shift = c->x[i];
    v->scale = v->unscale = 1.0;
    if (c->numeric == 0) {
        int e = 0;
        for (i = l; i < r; i++)
            if (tg_is_calm(c, i)) {
                double d = fabs(0.25 * c->x[i].f - 0.25 * v->shift.f);
                most = d > most ? d : most;
            }
        frexp(most, &e);
        if (most > 0.0 && (e > 300 || e < -300)) {
            e = e + 2 < -1020 ? -1020 : e + 2 > 1023 ? 1023 : e + 2;
            v->scale = ldexp(1.0, -e);
            v->unscale = ldexp(1.0, e);
        }
    }
    for (i = l; i < r; i++) {
        tg_var_take(v, c, i, 1.0);
        tg_see_peak(&v->slip, v->sums.hi, v->sums.lo);
    }
    v->slip.steps = r - l;
}

/* ------------------------------------------------------------------------------- a tile at a time */

typedef struct {
    tg_v2 value;                 /* d and d*d of a row, or what changes with it */
    tg_v2 rest;                  /* and what they lack */
} tg_move;

typedef struct {
    tg_move row[TG_TILE + TG_PAD];
} tg_moves;

TG_INLINE void tg_store_moves(tg_move *out, tg_v8 d, tg_v8 p, tg_v8 r, tg_v8 e)
{
    tg_v8 a = TG_SHUFFLE(d, p, 0, 8, 1, 9, 2, 10, 3, 11);
    tg_v8 b = TG_SHUFFLE(d, p, 4, 12, 5, 13, 6, 14, 7, 15);
    tg_v8 x = TG_SHUFFLE(r, e, 0, 8, 1, 9, 2, 10, 3, 11);
    tg_v8 y = TG_SHUFFLE(r, e, 4, 12, 5, 13, 6, 14, 7, 15);
    double *to = (double *)out;
    tg_store(to, TG_SHUFFLE(a, x, 0, 1, 8, 9, 2, 3, 10, 11));
    tg_store(to + 8, TG_SHUFFLE(a, x, 4, 5, 12, 13, 6, 7, 14, 15));
    tg_store(to + 16, TG_SHUFFLE(b, y, 0, 1, 8, 9, 2, 3, 10, 11));
    tg_store(to + 24, TG_SHUFFLE(b, y, 4, 5, 12, 13, 6, 7, 14, 15));
}
TG_INLINE void tg_load_pairs(const tg_v2 *from, tg_v8 *a, tg_v8 *b)
{
    tg_v8 x = tg_load((const double *)from), y = tg_load((const double *)from + 8);
    *a = TG_SHUFFLE(x, y, 0, 2, 4, 6, 8, 10, 12, 14);
    *b = TG_SHUFFLE(x, y, 1, 3, 5, 7, 9, 11, 13, 15);
}

TG_INLINE void tg_deviate8(const double *x, int64_t n, double scale, tg_v8 shift, tg_v8 *d,
                           tg_v8 *r, tg_v8 *p, tg_v8 *e)
{
    tg_v8 a = tg_load_part(x, n, n, 0.0) * scale, b;
    *d = a - shift;
    b = *d - a;
    *r = (a - (*d - b)) - (shift + b);
    *p = *d * *d;
    *e = tg_fma8(*d, *d, -*p) + 2.0 * (*d * *r);
}

/* What n rows of calm floats add. */
TG_CLONES static void tg_moves_of(const tg_var *v, const double *x, int64_t n, tg_moves *out)
{
    tg_v8 shift = tg_splat(v->shift.f * v->scale), d, r, p, e;
    for (int64_t i = 0; i < n; i += 8) {
        tg_deviate8(x + i, n - i, v->scale, shift, &d, &r, &p, &e);
        tg_store_moves(out->row + i, d, p, r, e);
    }
}

/* What n rows of calm floats add, less what n others took along: of the squares
 * a*a - b*b = (a - b) * (a + b). */
TG_INLINE void tg_between8(tg_v8 x, tg_v8 y, double scale, tg_v8 twice, tg_move *out)
{
    tg_v8 a = x * scale, b = y * scale, d, r, m, m_lo, n, n_lo, p, e;
    tg_two_sum8(a, -b, &d, &r);
    tg_two_sum8(a, b, &m, &m_lo);
    tg_two_sum8(m, -twice, &n, &n_lo);
    p = d * n;
    e = tg_fma8(d, n, -p) + (d * (n_lo + m_lo) + r * n);
    tg_store_moves(out, d, p, r, e);
}
TG_CLONES static void tg_moves_between(const tg_var *v, const double *entering,
                                       const double *leaving, int64_t n, tg_moves *out)
{
    tg_v8 twice = tg_splat(2.0 * (v->shift.f * v->scale));
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        tg_between8(tg_load(entering + i), tg_load(leaving + i), v->scale, twice, out->row + i);
    if (i < n)
        tg_between8(tg_load_part(entering + i, n - i, n - i, 0.0),
                    tg_load_part(leaving + i, n - i, n - i, 0.0), v->scale, twice, out->row + i);
}

/* As tg_moves_of, of integers whose deviations are float64s; how many come before one that is not,
 * or before the last ones. Unsigned ones are moved to where the order of signed ones is theirs. */
TG_CLONES static int64_t tg_moves_of_near(const tg_var *v, const tg_series *c, int64_t from,
                                          int64_t n, tg_moves *out)
{
    const tg_w8 zero = {0}, most = zero + (UINT64_C(1) << 53);
    const tg_w8 middle = zero + (c->numeric == 2 ? UINT64_C(1) << 63 : 0);
    const tg_w8 shift = middle ^ (zero + v->shift.u);
    const tg_v8 no_rest = tg_splat(0.0);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        tg_w8 x = middle ^ *(const tg_w8u *)&c->x[from + i].u, apart = x - shift;
        tg_w8 size = (apart ^ (tg_w8)((tg_m8)apart >> 63)) - (tg_w8)((tg_m8)apart >> 63);
        tg_v8 d = __builtin_convertvector((tg_m8)apart, tg_v8), p = d * d;
        if (tg_sign8((tg_m8)(((x ^ shift) & (x ^ apart)) | size | (most - size))) < 0)
            break;
        tg_store_moves(out->row + i, d, p, no_rest, tg_fma8(d, d, -p) + 2.0 * (d * no_rest));
    }
    return i;
}

/* As tg_moves_of and tg_moves_between, of values of any kind, some of which may be missing. */
static void tg_moves_with_care(const tg_var *v, const tg_series *c, int is_calm, int64_t from,
                               int64_t n, tg_moves *out)
{
    int64_t first = is_calm && c->numeric ? tg_moves_of_near(v, c, from, n, out) : 0;
    for (int64_t i = first; i < n; i++) {
        double d = 0.0, r = 0.0, p;
        if (tg_is_calm(c, from + i))
            tg_deviation(v, c->numeric, c->x[from + i], &d, &r);
        p = d * d;
        out->row[i].value = (tg_v2){d, p};
        out->row[i].rest = (tg_v2){r, __builtin_fma(d, d, -p) + 2.0 * (d * r)};
    }
}
static void tg_moves_less(tg_moves *out, const tg_moves *leaving, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        tg_v2 a = out->row[i].value, c = -leaving->row[i].value, s = a + c, b = s - a;
        out->row[i].rest = ((a - (s - b)) + (c - b)) + (out->row[i].rest - leaving->row[i].rest);
        out->row[i].value = s;
    }
}

typedef struct {
    tg_v2 hi[TG_TILE + TG_PAD];
    tg_v2 lo[TG_TILE + TG_PAD];
    int64_t steps[TG_TILE + TG_PAD];
    int64_t places[2 * TG_TILE + TG_PAD];
} tg_trail;

TG_INLINE void tg_note(tg_trail *trail, int64_t i, const tg_sums2 *s)
{
    trail->hi[i] = s->hi;
    trail->lo[i] = s->lo;
}

/* The sums after each of n steps. */
TG_CLONES static void tg_walk(tg_sums2 sums, int64_t steps, const tg_moves *moves, int64_t n,
                              tg_trail *trail)
{
    for (int64_t i = 0; i < n; i++) {
        tg_step2(&sums, moves->row[i].value, moves->row[i].rest);
        tg_note(trail, i, &sums);
    }
    for (int64_t i = 0; i < n; i++)
        trail->steps[i] = steps + i + 1;
}

/* The sums of windows [first, first + n) of a tile, whose bounds move by any number of rows: rows
 * leave first. */
TG_CLONES static void tg_walk_any(tg_sums2 sums, int64_t steps, const tg_tile *tile, int64_t first,
                                  int64_t n, int64_t l, int64_t r, const tg_moves *in,
                                  const tg_moves *out, tg_trail *trail)
{
    int64_t from_l = l, from_r = r;
    for (int64_t i = 0; i < n; i++) {
        int64_t to_l = tile->l[first + i], to_r = tile->r[first + i];
        steps += (to_l - l) + (to_r - r);
        trail->steps[i] = steps;
        for (; l < to_l; l++)
            tg_step2(&sums, -out->row[l - from_l].value, -out->row[l - from_l].rest);
        for (; r < to_r; r++)
            tg_step2(&sums, in->row[r - from_r].value, in->row[r - from_r].rest);
        tg_note(trail, i, &sums);
    }
}

/* As tg_walk_any, where each window takes in one row: the rows that come and go are brought into
 * one order first, so that no step has to ask which it is. */
TG_CLONES static void tg_walk_by_one(tg_sums2 sums, int64_t steps, const tg_tile *tile,
                                     int64_t first, int64_t n, int64_t l, const tg_moves *in,
                                     const tg_moves *out, tg_trail *trail)
{
    tg_move move[2 * TG_TILE + TG_PAD];
    uint8_t comes[2 * TG_TILE + TG_PAD];
    const int64_t *left = tile->l + first;
    int64_t n_steps = n + left[n - 1] - l, j = 0;
    memset(comes, 0, n_steps);
    for (int64_t k = 0; k < n; k++) {
        int64_t at = k + left[k] - l;
        comes[at] = 1;
        move[at] = in->row[k];
        trail->steps[k] = steps + at + 1;
    }
    for (int64_t k = 0; k < n_steps; k++) {
        trail->places[j] = k;
        j += 1 - comes[k];
    }
    for (int64_t k = 0; k < j; k++) {
        move[trail->places[k]].value = -out->row[k].value;
        move[trail->places[k]].rest = -out->row[k].rest;
    }
    j = 0;
    for (int64_t k = 0; k < n_steps; k++) {
        tg_step2(&sums, move[k].value, move[k].rest);
        tg_note(trail, j, &sums);                    /* rewritten until the row has come */
        j += comes[k];
    }
}

/* Whether what has been lost could be seen in the squares m; also where they are faint or NaN. */
TG_INLINE int tg_is_in_doubt(double m, double h, double inverse, tg_v2 peak, double steps)
{
    double slip = steps * (peak[1] + 2.0 * (fabs(h) * inverse) * peak[0]);
    return !(slip <= TG_TRUST * m && m >= TG_FAINT && m - m == 0.0);
}

TG_INLINE tg_v8 tg_read_squares(const tg_trail *trail, int64_t i, tg_v8 inverse, tg_v8 rest,
                                tg_v8 *h)
{
    tg_v8 s, q, s_lo, q_lo;
    tg_load_pairs(trail->hi + i, &s, &q);
    tg_load_pairs(trail->lo + i, &s_lo, &q_lo);
    return tg_around8(s, s_lo, q, q_lo, inverse, rest, h);
}

/* Squares around the mean of n windows, and 1 if all are beyond doubt even if each had lost as
 * much as the last of them can have. */
TG_INLINE int tg_around_in(const tg_trail *trail, const double *counts, int is_one, int64_t n,
                           tg_v2 peak, double *out)
{
    tg_v8 rest, h, slip_s = tg_splat(2.0 * peak[0]), slip_q = tg_splat(peak[1]);
    tg_v8 steps = tg_splat((double)trail->steps[n - 1]);
    tg_v8 inverse = tg_inverse8(tg_splat(counts[0]), &rest);
    tg_m8 bad = {0};
    for (int64_t i = 0; i < n; i += 8) {
        tg_v8 m, doubt;
        if (!is_one)
            inverse = tg_inverse8(tg_load(counts + i), &rest);
        m = tg_read_squares(trail, i, inverse, rest, &h);
        doubt = steps * (slip_q + (tg_v8)((tg_m8)h & INT64_MAX) * inverse * slip_s);
        doubt = doubt - 0.999 * TG_TRUST * m;        /* to be below 0, and so is the next */
        bad |= ~((tg_m8)doubt & (tg_m8)(TG_FAINT - m)) | (tg_m8)(m - m) << 1;
        tg_store(out + i, m);
    }
    return tg_sign8(bad) >= 0;
}
TG_CLONES static int tg_around(const tg_trail *trail, const double *counts, int is_one, int64_t n,
                               tg_v2 peak, double *out)
{
    return is_one ? tg_around_in(trail, counts, 1, n, peak, out)
                  : tg_around_in(trail, counts, 0, n, peak, out);
}

/* The peak after n rows. */
TG_CLONES static tg_v2 tg_peak_of(const tg_trail *trail, int64_t n, tg_v2 peak)
{
    tg_slip slip = {peak, 0};
    tg_v8 most = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        tg_v8 hi = tg_load((const double *)(trail->hi + i));
        tg_v8 lo = tg_load((const double *)(trail->lo + i));
        most = tg_max(most, (tg_v8)((tg_m8)lo & INT64_MAX) +
                                (tg_v8)((tg_m8)hi & INT64_MAX) * TG_SLIP);
    }
    for (int j = 0; j < 8; j++)
        slip.peak[j & 1] = most[j] > slip.peak[j & 1] ? most[j] : slip.peak[j & 1];
    for (; i < n; i++)
        tg_see_peak(&slip, trail->hi[i], trail->lo[i]);
    return slip.peak;
}

/* ------------------------------------------------------------------------------ windows of a tile */

/* What one row of a steady window adds, less what another took along. */
TG_INLINE void tg_between1(const tg_var *v, double x, double y, tg_v2 *value, tg_v2 *rest)
{
    double a = x * v->scale, b = y * v->scale, twice = 2.0 * (v->shift.f * v->scale);
    double d = a - b, t = d - a, r = (a - (d - t)) + (-b - t);
    double m = a + b, u = m - a, m_lo = (a - (m - u)) + (b - u);
    double n = m - twice, w = n - m, n_lo = (m - (n - w)) + (-twice - w);
    double p = d * n, e = __builtin_fma(d, n, -p) + (d * (n_lo + m_lo) + r * n);
    *value = (tg_v2){d, p};
    *rest = (tg_v2){r, e};
}

/* Fill `in` with what n steady windows change, the first of which takes in row r and lets go l. */
static void tg_moves_steady(const tg_var *v, const tg_series *c, int is_calm, int64_t l, int64_t r,
                            int64_t n, tg_moves *in, tg_moves *out)
{
    if (is_calm && c->numeric == 0) {
        tg_moves_between(v, &c->x[r].f, &c->x[l].f, n, in);
        return;
    }
    tg_moves_with_care(v, c, is_calm, r, n, in);
    tg_moves_with_care(v, c, is_calm, l, n, out);
    tg_moves_less(in, out, n);
    for (int64_t i = 0; c->numeric == 0 && i < n; i++)
        if (tg_is_calm(c, r + i) && tg_is_calm(c, l + i))
            tg_between1(v, c->x[r + i].f, c->x[l + i].f, &in->row[i].value, &in->row[i].rest);
}

static void tg_moves_any(const tg_var *v, const tg_series *c, int is_calm, int64_t from, int64_t n,
                         tg_moves *out)
{
    if (is_calm && c->numeric == 0)
        tg_moves_of(v, &c->x[from].f, n, out);
    else
        tg_moves_with_care(v, c, is_calm, from, n, out);
}

/* The sums after windows [i, i + n) of a tile, from those of [l, r) on. */
static void tg_var_walk(const tg_var *v, const tg_series *c, const tg_tile *tile, int is_calm,
                        int64_t i, int64_t n, int64_t l, int64_t r, tg_moves *in, tg_moves *out,
                        tg_trail *trail)
{
    int64_t n_out = tile->l[i + n - 1] - l, n_in = tile->r[i + n - 1] - r;
    if (tile->is_steady) {
        tg_moves_steady(v, c, is_calm, l, r, n, in, out);
        tg_walk(v->sums, v->slip.steps, in, n, trail);
    } else if (n_in <= TG_TILE && n_out <= TG_TILE) {
        tg_moves_any(v, c, is_calm, r, n_in, in);
        tg_moves_any(v, c, is_calm, l, n_out, out);
        if (tile->is_by_one && n_in == n)
            tg_walk_by_one(v->sums, v->slip.steps, tile, i, n, l, in, out, trail);
        else
            tg_walk_any(v->sums, v->slip.steps, tile, i, n, l, r, in, out, trail);
    } else {                                         /* one window, far from the one before */
        tg_var moved = *v;
        trail->steps[0] = v->slip.steps + (tile->l[i] - l) + (tile->r[i] - r);
        for (; l < tile->l[i]; l++)
            tg_var_take(&moved, c, l, -1.0);
        for (; r < tile->r[i]; r++)
            tg_var_take(&moved, c, r, 1.0);
        tg_note(trail, 0, &moved.sums);
    }
}

/* Look at the windows of a trail one by one; the first that must be made anew, or n. A window
 * with a NaN or an infinity has no squares; one of a single value has none either. */
static int64_t tg_var_check(tg_var *v, const tg_series *c, const tg_tile *tile, int64_t first,
                            int64_t n, int64_t base, const double *counts, const double *special,
                            const tg_trail *trail, double *squares)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t l = tile->l[first + i], r = tile->r[first + i];
        double h = trail->hi[i][0] + trail->lo[i][0];
        tg_slip slip = v->slip;
        tg_see_peak(&slip, trail->hi[i], trail->lo[i]);
        if (special != NULL && special[first + i] != 0.0) {
            squares[first + i] = 0.0;
        } else if (tg_is_in_doubt(squares[first + i], h, 1.0 / counts[first + i], slip.peak,
                                  (double)trail->steps[i])) {
            if (counts[first + i] > 1.0 && !tg_is_same(v, c, l, r, base))
                return i;
            squares[first + i] = 0.0;
        }
        v->slip.peak = slip.peak;
    }
    return n;
}

/* Answer windows from i on in fixed point, as it is; return how many. */
static int64_t tg_var_fixed_on(tg_fixed *f, const tg_series *c, const tg_tile *tile, int64_t i,
                               int64_t l, int64_t r, const double *counts, double *squares)
{
    double come[TG_TILE + TG_PAD], gone[TG_TILE + TG_PAD];
    const double *in, *out;
    int64_t n = tile->n - i, done = 0;
    if (tile->l[i] - l > TG_TILE || tile->r[i] - r > TG_TILE) {
        done = tg_fixed_add(f, c, r, tile->r[i] - r, 1);
        tg_fixed_add(f, c, l, tile->l[i] - l, -1);
        squares[i] = done ? tg_fixed_one(f, counts[i]) : NAN;
        return squares[i] == squares[i];
    }
    if (tile->is_steady && !tg_may_lack(c))
        return tg_fixed_steady(f, &c->x[r].f, &c->x[l].f, n, counts[i], squares + i);
    in = tg_filled(c, r, tile->r[i + n - 1] - r, f->shift, come);
    out = tg_filled(c, l, tile->l[i + n - 1] - l, f->shift, gone);
    if (tile->is_steady)
        return tg_fixed_sparse(f, in, out, n, counts + i, squares + i);
    for (; n > 0 && !done; n /= 2)                   /* down to one, which then is the one */
        done = tg_fixed_any(f, in, out, tile->l + i, tile->r + i, n, l, r, counts + i,
                            squares + i);
    return done;
}

/* Begin anew with fixed point at window i; false, and it is off, where that cannot be. */
static int tg_var_fixed_begin(tg_fixed *f, const tg_series *c, int64_t l, int64_t r,
                              int64_t number, double count, double *squares)
{
    int64_t n = r - l, least = n / 16 > TG_FIXED_LEAST ? n / 16 : TG_FIXED_LEAST;
    int fits = !f->is_on || number - f->since >= least;
    fits = fits && tg_fixed_lay(f, c, l, n, count);
    if (fits) {
        *squares = tg_fixed_one(f, count);
        fits = *squares == *squares;
    }
    if (fits) {
        f->since = number;
        f->is_on = 1;
    } else {
        tg_fixed_rest(f, number, n);
    }
    return fits;
}

/* Answer up to n windows in fixed point, which is on or to be tried, each of which takes in a row
 * from r on and lets go one from l on; return how many, 0 where the first is not for it. */
static int64_t tg_var_steady(tg_var *v, const tg_series *c, int64_t l, int64_t r, int64_t n,
                             int64_t number, double *squares)
{
    const double *x = &c->x[0].f;
    double count = (double)(r - l);
    int64_t done = 0;
    if (v->fixed.is_on)
        done = tg_fixed_steady(&v->fixed, x + r, x + l, n, count, squares);
    if (done == 0)
        done = tg_var_fixed_begin(&v->fixed, c, l + 1, r + 1, number, count, squares);
    return done;
}

/* Answer windows from i on in fixed point; return how many, 0 where the first is not for it. */
static int64_t tg_var_fixed(tg_var *v, const tg_series *c, const tg_tile *tile, int is_calm,
                            int64_t base, int64_t i, int64_t l, int64_t r, const double *counts,
                            double *squares)
{
    const tg_series full = {c->x, NULL, c->numeric, 0};
    tg_fixed *f = &v->fixed;
    int64_t number = base + tile->first + i, done = 0, was_on = f->is_on;
    if (c->numeric != 0 || !(f->is_on || number == f->retry))
        return 0;
    if (is_calm)                                     /* nothing is missing in these windows */
        c = &full;
    if (was_on)
        done = tg_var_fixed_on(f, c, tile, i, l, r, counts, squares);
    if (done == 0)
        done = tg_var_fixed_begin(f, c, tile->l[i], tile->r[i], number, counts[i], squares + i);
    if (done == 0 && was_on)
        v->unscale = 0.0;                            /* what was before is of the past */
    return done;
}

/* Squares around the mean of the windows of a tile, in units of the square of `unscale`. */
TG_CLONES static void tg_var_tile(tg_var *v, const tg_series *c, const tg_tile *tile, int64_t base,
                        const double *counts, int is_one, int is_calm, const double *special,
                        tg_moves *in, tg_moves *out, tg_trail *trail, double *squares,
                        double *unscale, double *common, int *has_scale)
{
    int64_t i = 0, l = tile->was_l, r = tile->was_r;
    while (i < tile->n) {
        int64_t n = tile->n - i, done;
        tg_v2 peak;
        done = tg_var_fixed(v, c, tile, is_calm, base, i, l, r, counts, squares);
        if (done > 0) {
            for (int64_t j = 0; j < done; j++)
                unscale[i + j] = tg_fixed_scale(&v->fixed);
            i += done;
            l = tile->l[i - 1];
            r = tile->r[i - 1];
            continue;
        }
        if (v->unscale == 0.0) {
            tg_var_renew(v, c, tile->l[i], tile->r[i]);
            squares[i] = 0.0;                        /* more than one value come in one by one or */
            if (v->unscale != 0.0 && counts[i] > 1.0 && !(special != NULL && special[i] != 0.0))
                squares[i] = tg_around1(&v->sums, counts[i]); /* by a bound that jumps */
            unscale[i] = v->unscale;
            l = tile->l[i];
            r = tile->r[i++];
            continue;
        }
        n = n < v->stride ? n : v->stride;
        done = v->fixed.retry - (base + tile->first + i);
        n = done > 0 && done < n ? done : n;         /* the row at which fixed point is tried */
        tg_var_walk(v, c, tile, is_calm, i, n, l, r, in, out, trail);
        peak = tg_peak_of(trail, n, v->slip.peak);
        done = n;
        if (tg_around(trail, counts + i, is_one, n, peak, squares + i) && special == NULL)
            v->slip.peak = peak;
        else
            done = tg_var_check(v, c, tile, i, n, base, counts, special, trail, squares);
        for (int64_t j = 0; j <= done && j < n; j++)
            unscale[i + j] = v->unscale;
        if (done == n) {
            v->sums.hi = trail->hi[n - 1];
            v->sums.lo = trail->lo[n - 1];
            v->slip.steps = trail->steps[n - 1];
            v->stride = 2 * v->stride < TG_TILE ? 2 * v->stride : TG_TILE;
        } else {
            n = done + 1;
            tg_var_renew(v, c, tile->l[i + done], tile->r[i + done]);
            squares[i + done] = tg_around1(&v->sums, counts[i + done]);
            unscale[i + done] = v->unscale;
            v->stride = TG_FIRST_STRIDE;
        }
        i += n;
        l = tile->l[i - 1];
        r = tile->r[i - 1];
    }
    *has_scale = 0;
    *common = unscale[0];
    for (i = 0; i < tile->n; i++)
        *has_scale |= unscale[i] != *common;
}

/* What variances or deviations come to: squares over (n - ddof); null ones are left to others. */
TG_INLINE void tg_spread_in(const double *squares, const double *counts, int is_one, double ddof,
                            double unscale, int root, int64_t n, double *out)
{
    tg_v8 inverse = tg_splat(1.0) / (tg_splat(counts[0]) - ddof), v;
    for (int64_t i = 0; i < n; i += 8) {
        if (!is_one)
            inverse = tg_splat(1.0) / (tg_load(counts + i) - ddof);
        v = tg_load(squares + i) * inverse;
        if (root) {
            for (int j = 0; j < 8; j++)
                v[j] = __builtin_sqrt(v[j]);
            v *= unscale;
        } else {
            v = v * unscale * unscale;
        }
        tg_store(out + i, v);
    }
}
TG_CLONES static void tg_spread(const double *squares, const double *counts, int is_one,
                                double ddof, double unscale, int root, int64_t n, double *out)
{
    if (root)
        if (is_one)
            tg_spread_in(squares, counts, 1, ddof, unscale, 1, n, out);
        else
            tg_spread_in(squares, counts, 0, ddof, unscale, 1, n, out);
    else
        tg_spread_in(squares, counts, is_one, ddof, unscale, 0, n, out);
}

#endif
