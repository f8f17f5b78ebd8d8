/* Sums of deviations and of their squares over a look-back, in fixed point.
 *
 * Deviations are taken from a shift, the mean of the window when it was chosen, and rounded to
 * whole multiples of a unit, 52 bits below the largest that is let in; so are their squares. Whole
 * numbers may be added and taken away in any order and in any vector: what is read depends on the
 * rows of the window, the shift and the unit alone, and those change at a row that the values
 * choose, whichever batch it came in. A missing value lies at the shift, and so adds nothing.
 *
 * Bounds, in the unit of squares: each is off by 0.75 at most. Windows are read whose squares
 * around the mean are at least 2**41 a row (TG_FIXED_FLOOR), and at least 2**-9 of those around
 * the shift: the first costs 2**-41.4 of the result, the second, as sums are rounded to 53 bits,
 * 2**-41.7; all else is below 2**-43. Other windows get a new shift, or are left to others.
 */
#ifndef TIDEGATE_ROLLING_FIXED_H
#define TIDEGATE_ROLLING_FIXED_H

#include "records.h"
#include "rolling_sum.h"

/* A column of a view, and which of its values are there. */
typedef struct {
    const tg_word *x;
    const uint8_t *valid;        /* NULL: all */
    int numeric;                 /* 0 float64, 1 int64, 2 uint64 */
    int skip_nan;
} tg_series;

#define TG_FIXED_LIMIT (0x1p51 - 1.0)  /* of deviations, in units */
#define TG_FIXED_SQUARE 0x1p-50        /* of a unit, in units of squares */
#define TG_FIXED_FLOOR 0x1p41          /* squares around the mean, a row */
#define TG_FIXED_APART 0x1p9           /* squares around the shift, of those */
#define TG_FIXED_WIDEST 300            /* exponents of limits, so that squares need no scale */
#define TG_FIXED_FIRST 64              /* the row at which it is tried first */
#define TG_FIXED_PATIENCE (8 * TG_TILE)
#define TG_FIXED_LEAST 16              /* rows between two shifts */
#define TG_FIXED_BLOCK 64              /* rows after which doubts are looked at */

typedef struct {
    tg_i128 sum;                 /* of deviations, in units */
    tg_i128 squares;
    double shift;
    double unit;                 /* units in 1, a power of two */
    int64_t most;                /* rows of a window, a power of two */
    int64_t down;                /* bits that are dropped from sums when they are read */
    int64_t is_on;
    int64_t since;               /* the row at which the shift was chosen */
    int64_t retry, wait;         /* the row at which it is tried, and how long it was left alone */
} tg_fixed;

typedef struct {
    tg_w8 sum, squares;          /* of two's complement: what does not fit may wrap around */
} tg_fixed8;

TG_INLINE int tg_may_lack(const tg_series *c) { return c->valid != NULL || c->skip_nan; }

TG_CLONES static void tg_fill_in(const tg_series *c, int64_t from, int64_t n, double fill,
                                 double *out)
{
    const double *x = &c->x[from].f;
    for (int64_t i = 0; i < n; i++)
        out[i] = c->skip_nan && x[i] != x[i] ? fill : x[i];
    for (int64_t i = 0; c->valid != NULL && i < n; i++)
        out[i] = c->valid[from + i] ? out[i] : fill;
}
/* Floats of n rows; where some may be missing, in `room`, with `fill` for these. */
TG_INLINE const double *tg_filled(const tg_series *c, int64_t from, int64_t n, double fill,
                                  double *room)
{
    if (!tg_may_lack(c))
        return &c->x[from].f;
    tg_fill_in(c, from, n, fill, room);
    return room;
}

/* Eight values, rounded; a sign in `odd` where one is too far away, infinite or NaN. Adding a
 * constant and taking the bits for an integer rounds to the nearest, ties to even. */
TG_INLINE tg_fixed8 tg_fix8(const tg_fixed *f, tg_v8 x, tg_m8 *odd)
{
    const tg_v8 middle = tg_splat(0x1.8p52), zero = tg_splat(0x1p52);
    tg_v8 a = (x - tg_splat(f->shift)) * f->unit, b = a + middle, d = b - middle;
    tg_v8 p = d * (d * TG_FIXED_SQUARE) + zero;
    *odd |= (tg_m8)tg_splat(TG_FIXED_LIMIT) - ((tg_m8)a & INT64_MAX);
    return (tg_fixed8){(tg_w8)b - (tg_w8)middle, (tg_w8)p - (tg_w8)zero};
}

TG_INLINE tg_w8 tg_scan_whole8(tg_w8 v)
{
    const tg_w8 zero = {0};
    v += TG_SHUFFLE(zero, v, 0, 8, 9, 10, 11, 12, 13, 14);
    v += TG_SHUFFLE(zero, v, 0, 1, 8, 9, 10, 11, 12, 13);
    v += TG_SHUFFLE(zero, v, 0, 1, 2, 3, 8, 9, 10, 11);
    return v;
}
TG_INLINE tg_w8 tg_last_whole8(tg_w8 v)
{
    return TG_SHUFFLE(v, v, 7, 7, 7, 7, 7, 7, 7, 7);
}

/* How sums are read: what is in them now, and what has come since. */
typedef struct {
    tg_w8 sum, squares;          /* without the bits that are dropped */
    tg_v8 to_sum, to_squares;    /* what a unit of these is */
    tg_m8 down;
    tg_fixed8 rest;              /* the bits that are dropped */
    double floor;                /* of squares, below which dropped bits could be seen */
} tg_fixed_base;

TG_INLINE tg_w8 tg_whole8(int64_t x) { return (tg_w8){0} + (uint64_t)x; }

TG_INLINE tg_fixed_base tg_fixed_begin(const tg_fixed *f)
{
    int64_t mask = (INT64_C(1) << f->down) - 1;
    double one = (double)(INT64_C(1) << f->down);
    tg_fixed_base b = {
        tg_whole8((int64_t)(f->sum >> f->down)), tg_whole8((int64_t)(f->squares >> f->down)),
        tg_splat(one * 0x1p-25), tg_splat(one), (tg_m8)tg_whole8(f->down),
        {tg_whole8((int64_t)f->sum & mask), tg_whole8((int64_t)f->squares & mask)},
        f->down ? one * 0x1p46 : 0.0};
    return b;
}

/* Squares around the mean; a sign in `odd` where they are in doubt. */
TG_INLINE tg_v8 tg_fixed_around8(const tg_fixed_base *b, tg_fixed8 since, tg_v8 count,
                                 tg_v8 inverse, tg_m8 *odd)
{
    tg_w8 sum = b->sum + (tg_w8)((tg_m8)since.sum >> b->down);
    tg_w8 squares = b->squares + (tg_w8)((tg_m8)since.squares >> b->down);
    tg_v8 s = __builtin_convertvector((tg_m8)sum, tg_v8) * b->to_sum;
    tg_v8 q = __builtin_convertvector((tg_m8)squares, tg_v8) * b->to_squares;
    tg_v8 m = tg_fma8(-s, s * inverse, q);
    *odd |= (tg_m8)(m - (TG_FIXED_FLOOR * count + b->floor)) | (tg_m8)(m * TG_FIXED_APART - q);
    return m;
}

TG_INLINE void tg_fixed_move(tg_fixed *f, const tg_fixed_base *b, tg_fixed8 since)
{
    f->sum += (int64_t)(since.sum[0] - b->rest.sum[0]);
    f->squares += (int64_t)(since.squares[0] - b->rest.squares[0]);
}

/* ---------------------------------------------------------------------------- a tile at a time */

/* How many of eight windows come before the first that is in doubt. */
TG_INLINE int64_t tg_fixed_sound(tg_m8 odd)
{
    int64_t n = 0;
    while (n < 8 && odd[n] >= 0)
        n++;
    return n;
}

/* Rows that come and go, eight at a time. */
typedef struct {
    const double *x, *y;
    int64_t n;
    const double *counts;        /* of each window; NULL: all have `count` */
    tg_v8 count, inverse;
} tg_fixed_rows;

/* Let windows of fewer than two values, or more than there is room for, be in doubt. */
TG_INLINE tg_m8 tg_fixed_few(const tg_fixed *f, tg_v8 count)
{
    return (tg_m8)(count - tg_splat(2.0)) | (tg_m8)(tg_splat((double)f->most) - count);
}

TG_INLINE tg_fixed8 tg_fixed_slide8(const tg_fixed *f, const tg_fixed_base *b,
                                    const tg_fixed_rows *rows, int64_t i, tg_fixed8 *since,
                                    double *out, tg_m8 *odd)
{
    int64_t left = rows->n - i;                      /* lanes beyond n are as the last one */
    tg_v8 count = rows->count, inverse = rows->inverse;
    tg_m8 never = {0};
    tg_fixed8 in = tg_fix8(f, tg_load_part(rows->x + i, left, left, f->shift), odd);
    tg_fixed8 gone = tg_fix8(f, tg_load_part(rows->y + i, left, left, f->shift), &never), now;
    in.sum = tg_scan_whole8(in.sum - gone.sum);
    in.squares = tg_scan_whole8(in.squares - gone.squares);
    now.sum = since->sum + in.sum;
    now.squares = since->squares + in.squares;
    since->sum += tg_last_whole8(in.sum);
    since->squares += tg_last_whole8(in.squares);
    if (rows->counts != NULL) {
        count = tg_load_part(rows->counts + i, left, left, 2.0);
        inverse = tg_splat(1.0) / count;
        *odd |= tg_fixed_few(f, count);
    }
    tg_store(out + i, tg_fixed_around8(b, now, count, inverse, odd));
    return now;
}

TG_INLINE int64_t tg_fixed_steady_in(tg_fixed *f, tg_fixed_rows rows, double *out)
{
    const double *x = rows.x;
    int64_t n = rows.n;
    tg_fixed_base b = tg_fixed_begin(f);
    tg_fixed8 since = b.rest, before = since, now = since;
    int64_t at = 0, sound = 8;
    while (at < n) {
        int64_t end = n - at < TG_FIXED_BLOCK ? n : at + TG_FIXED_BLOCK;
        tg_m8 odd = {0};
        before = since;
        for (int64_t i = at; i < end; i += 8) {
            tg_prefetch(x + i);
            tg_fixed_slide8(f, &b, &rows, i, &since, out, &odd);
        }
        if (tg_sign8(odd) < 0)
            break;
        at = end;
    }
    if (at < n)
        since = before;
    for (; at < n && sound == 8; at += sound) {      /* the block that has one in doubt */
        tg_m8 odd = {0};
        before = since;
        now = tg_fixed_slide8(f, &b, &rows, at, &since, out, &odd);
        sound = tg_fixed_sound(odd);
    }
    if (sound < 8)
        since = before;
    for (int j = 0; sound < 8 && j < sound; j++) {
        since.sum = tg_whole8((int64_t)now.sum[j]);
        since.squares = tg_whole8((int64_t)now.squares[j]);
    }
    tg_fixed_move(f, &b, since);
    return at < n ? at : n;
}

/* Squares around the mean of up to TG_TILE windows of `count` rows that each take in a row of x and
 * let go one of y; how many were answered: those before the first that is in doubt. */
TG_CLONES static int64_t tg_fixed_steady(tg_fixed *f, const double *x, const double *y, int64_t n,
                                         double count, double *out)
{
    tg_fixed_rows rows = {x, y, n, NULL, tg_splat(count), tg_splat(1.0) / tg_splat(count)};
    return tg_fixed_steady_in(f, rows, out);
}
/* As that, of windows some rows of which are missing. */
TG_CLONES static int64_t tg_fixed_sparse(tg_fixed *f, const double *x, const double *y, int64_t n,
                                         const double *counts, double *out)
{
    tg_fixed_rows rows = {x, y, n, counts, {0}, {0}};
    return tg_fixed_steady_in(f, rows, out);
}

/* What the square root of a unit of squares is. */
TG_INLINE double tg_fixed_scale(const tg_fixed *f) { return 0x1p25 / f->unit; }

/* Sums of the first j of n values, j = 0 to n; false where one is too far away. */
TG_INLINE int tg_fixed_prefix(const tg_fixed *f, const double *x, int64_t n, int64_t *sum,
                              int64_t *squares)
{
    tg_m8 odd = {0};
    tg_fixed8 before = {{0}, {0}};
    sum[0] = squares[0] = 0;
    for (int64_t i = 0; i < n; i += 8) {
        tg_fixed8 v = tg_fix8(f, tg_load_part(x + i, n - i, n - i, f->shift), &odd);
        v.sum = tg_scan_whole8(v.sum);
        v.squares = tg_scan_whole8(v.squares);
        *(tg_w8u *)(sum + i + 1) = before.sum + v.sum;
        *(tg_w8u *)(squares + i + 1) = before.squares + v.squares;
        before.sum += tg_last_whole8(v.sum);
        before.squares += tg_last_whole8(v.squares);
    }
    return tg_sign8(odd) >= 0;
}

/* As tg_fixed_steady, of windows [l, r), the one before being [was_l, was_r); 0 also where a row
 * that comes in is too far away. */
TG_CLONES static int64_t tg_fixed_any(tg_fixed *f, const double *x, const double *y,
                                      const int64_t *l, const int64_t *r, int64_t n, int64_t was_l,
                                      int64_t was_r, const double *counts, double *out)
{
    int64_t in[2][TG_TILE + TG_PAD], gone[2][TG_TILE + TG_PAD], at[2][TG_TILE + TG_PAD];
    tg_fixed_base b = tg_fixed_begin(f);
    int64_t sound = 8, done = 0;
    if (!tg_fixed_prefix(f, x, r[n - 1] - was_r, in[0], in[1]))
        return 0;
    tg_fixed_prefix(f, y, l[n - 1] - was_l, gone[0], gone[1]);
    for (int64_t i = 0; i < n; i++) {
        at[0][i] = in[0][r[i] - was_r] - gone[0][l[i] - was_l];
        at[1][i] = in[1][r[i] - was_r] - gone[1][l[i] - was_l];
    }
    for (int64_t i = n; i < n + 7; i++) {            /* lanes beyond n are as the last one */
        at[0][i] = at[0][n - 1];
        at[1][i] = at[1][n - 1];
    }
    for (; done < n && sound == 8; done += sound) {
        tg_v8 count = tg_load_part(counts + done, n - done, n - done, counts[n - 1]);
        tg_m8 odd = tg_fixed_few(f, count);
        tg_fixed8 now;
        now.sum = b.rest.sum + *(const tg_w8u *)(at[0] + done);
        now.squares = b.rest.squares + *(const tg_w8u *)(at[1] + done);
        tg_store(out + done, tg_fixed_around8(&b, now, count, tg_splat(1.0) / count, &odd));
        sound = tg_sign8(odd) < 0 ? tg_fixed_sound(odd) : 8;
    }
    done = done < n ? done : n;
    if (done > 0) {
        f->sum += at[0][done - 1];
        f->squares += at[1][done - 1];
    }
    return done;
}

/* ------------------------------------------------------------------------------------- the shift */

/* Add n rows from l on, or take them away; false where one is too far away. */
TG_CLONES static int tg_fixed_add(tg_fixed *f, const tg_series *c, int64_t l, int64_t n, int sign)
{
    double room[TG_TILE + TG_PAD];
    tg_m8 odd = {0};
    for (int64_t from = 0; from < n; from += TG_TILE) {
        int64_t end = n - from < TG_TILE ? n - from : TG_TILE;
        const double *x = tg_filled(c, l + from, end, f->shift, room);
        tg_fixed8 all = {{0}, {0}};
        for (int64_t i = 0; i < end; i += 8) {
            tg_fixed8 v = tg_fix8(f, tg_load_part(x + i, end - i, end - i, f->shift), &odd);
            all.sum += v.sum;
            all.squares += v.squares;
        }
        for (int j = 0; j < 8; j++) {
            f->sum += sign * (tg_i128)(int64_t)all.sum[j];
            f->squares += sign * (tg_i128)(int64_t)all.squares[j];
        }
    }
    return tg_sign8(odd) >= 0;
}

/* Squares around the mean of the window whose sums are there; NaN where they are in doubt. */
static double tg_fixed_one(const tg_fixed *f, double count)
{
    tg_fixed_base b = tg_fixed_begin(f);
    tg_m8 odd = {0};
    tg_v8 m;
    if (!(count >= 2.0 && count <= (double)f->most))
        return NAN;
    m = tg_fixed_around8(&b, b.rest, tg_splat(count), tg_splat(1.0) / tg_splat(count), &odd);
    return tg_sign8(odd) < 0 ? NAN : m[0];
}

/* The sum of the deviations of n rows from the newest value; not finite where a value is not. */
TG_CLONES static double tg_deviations(const tg_series *c, int64_t l, int64_t n, double newest)
{
    double room[TG_TILE + TG_PAD], all = 0.0;
    tg_v8 sum = {0}, last = tg_splat(newest);
    for (int64_t from = 0; from < n; from += TG_TILE) {
        int64_t end = n - from < TG_TILE ? n - from : TG_TILE;
        const double *x = tg_filled(c, l + from, end, newest, room);
        for (int64_t i = 0; i < end; i += 8)
            sum += tg_load_part(x + i, end - i, end - i, newest) - last;
    }
    for (int j = 0; j < 8; j++)
        all += sum[j];
    return all;
}
/* The largest deviation from a value. */
TG_CLONES static double tg_farthest(const tg_series *c, int64_t l, int64_t n, double middle)
{
    double room[TG_TILE + TG_PAD];
    tg_v8 most = {0}, around = tg_splat(middle);
    for (int64_t from = 0; from < n; from += TG_TILE) {
        int64_t end = n - from < TG_TILE ? n - from : TG_TILE;
        const double *x = tg_filled(c, l + from, end, middle, room);
        for (int64_t i = 0; i < end; i += 8) {
            tg_v8 d = tg_load_part(x + i, end - i, end - i, middle) - around;
            most = tg_max(most, (tg_v8)((tg_m8)d & INT64_MAX));
        }
    }
    return tg_greatest_of(most);
}

/* Choose shift and unit for a window of n rows from l on, `count` of which have values, and sum it
 * up; false where that cannot be. */
static int tg_fixed_lay(tg_fixed *f, const tg_series *c, int64_t l, int64_t n, double count)
{
    double farthest, newest;
    int exponent;
    int64_t last = l + n - 1;
    if (count < 2.0 || n >= INT64_C(1) << 30)
        return 0;
    while ((c->valid != NULL && !c->valid[last]) ||
           (c->skip_nan && c->x[last].f != c->x[last].f))
        last--;
    newest = c->x[last].f;
    f->shift = newest + tg_deviations(c, l, n, newest) / count;
    if (f->shift - f->shift != 0.0)
        return 0;
    farthest = tg_farthest(c, l, n, f->shift);
    frexp(farthest, &exponent);                      /* let in what is up to four times as far */
    if (farthest == 0.0 || farthest - farthest != 0.0 || exponent > TG_FIXED_WIDEST ||
        exponent < -TG_FIXED_WIDEST)
        return 0;
    f->unit = ldexp(1.0, 50 - exponent);
    f->most = 1024;
    f->down = 0;
    while (f->most < 2 * n) {
        f->most *= 2;
        f->down++;
    }
    f->sum = f->squares = 0;
    return tg_fixed_add(f, c, l, n, 1);
}

/* Whether it is as tg_fixed_lay leaves it, of whatever sums: a snapshot is not trusted. */
static int tg_fixed_can_be(const tg_fixed *f)
{
    return f->down >= 0 && f->down <= 30 &&
           (!f->is_on || (f->most == INT64_C(1024) << f->down && f->unit > 0.0 &&
                          f->unit - f->unit == 0.0 && f->shift - f->shift == 0.0));
}

/* How long to leave a column alone: twice as long each time, unless it did for long. */
static void tg_fixed_rest(tg_fixed *f, int64_t number, int64_t count)
{
    int64_t least = count > TG_FIXED_PATIENCE ? count : TG_FIXED_PATIENCE;
    int64_t wait = 2 * f->wait < least || number - f->retry > 4 * f->wait ? least : 2 * f->wait;
    f->wait = wait < INT64_C(1) << 40 ? wait : INT64_C(1) << 40;
    f->retry = number + f->wait;
    f->is_on = 0;
}

#endif
