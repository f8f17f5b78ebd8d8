/* Means and spreads of eight windows at a time.
 *
 * The arithmetic of exact.pxd, step by step, in eight lanes: the same IEEE operations in the same
 * order, and so the same bits. Divisions and roots, of which each waits for the one before, then
 * cost for eight windows what they cost for one.
 */
#ifndef TIDEGATE_EXACT8_H
#define TIDEGATE_EXACT8_H

#include "lanes.h"
#include "records.h"

typedef struct { tg_v8 hi, lo; } tg_exact8;

TG_INLINE tg_exact8 tg_exact8_of(tg_v8 hi, tg_v8 lo)
{
    tg_exact8 r;
    r.hi = hi + lo;
    tg_v8 b = r.hi - hi;
    r.lo = (hi - (r.hi - b)) + (lo - b);
    return r;
}
/* Whole numbers below 2**31: the upper half of exact_of_int is 0. */
TG_INLINE tg_exact8 tg_exact8_of_int(tg_m8 n)
{
    tg_v8 x;
    for (int j = 0; j < 8; j++)
        x[j] = (double)n[j];
    return (tg_exact8){x, tg_splat(0.0)};
}
TG_INLINE tg_exact8 tg_exact8_neg(tg_exact8 a) { return (tg_exact8){-a.hi, -a.lo}; }
TG_INLINE tg_exact8 tg_exact8_add(tg_exact8 a, tg_exact8 b)
{
    tg_v8 hi = a.hi, lo = a.lo + b.lo;
    tg_add8(&hi, &lo, b.hi);
    return tg_exact8_of(hi, lo);
}
TG_INLINE tg_exact8 tg_exact8_mul(tg_exact8 a, tg_exact8 b)
{
    tg_v8 p = a.hi * b.hi;
    tg_v8 e = tg_fma8(a.hi, b.hi, -p);
    return tg_exact8_of(p, e + (a.hi * b.lo + a.lo * b.hi));
}
/* What overflows comes out as no finite number. */
TG_INLINE tg_exact8 tg_exact8_div(tg_exact8 a, tg_exact8 b)
{
    tg_v8 first = a.hi / b.hi;
    tg_exact8 q = {-first, tg_splat(0.0)};
    tg_exact8 rest = tg_exact8_add(a, tg_exact8_mul(q, b));
    return tg_exact8_of(first, rest.hi / b.hi);
}

/* Word `at` of eight records of `width` words. */
TG_INLINE tg_v8 tg_words8(const tg_word *at, Py_ssize_t width)
{
    return (tg_v8){at[0].f,         at[width].f,     at[2 * width].f, at[3 * width].f,
                   at[4 * width].f, at[5 * width].f, at[6 * width].f, at[7 * width].f};
}
TG_INLINE tg_exact8 tg_pairs8(const tg_word *at, Py_ssize_t width)
{
    return tg_exact8_of(tg_words8(at, width), tg_words8(at + 1, width));
}

/* How many values eight records have: what `nulls` counts is no value. */
TG_INLINE tg_m8 tg_numbers8(const tg_word *records, Py_ssize_t nulls, Py_ssize_t width)
{
    return (tg_m8)tg_words8(records, width) - (tg_m8)tg_words8(records + nulls, width);
}

/* What is strange is found by bits, since GCC takes masks apart: 0 for 0.0 and -0.0. */
TG_INLINE tg_m8 tg_not_zero8(tg_v8 x) { return (tg_m8)x << 1; }
TG_INLINE tg_m8 tg_not_finite8(tg_v8 x) { return (tg_m8)(x - x); }
/* 0 where least <= n <= most, for numbers that are not near 2**63. */
TG_INLINE tg_m8 tg_not_within8(tg_m8 n, int64_t least, int64_t most)
{
    return ((n - least) | (most - n)) & INT64_MIN;
}
TG_INLINE int tg_no_bit(tg_m8 m)
{
    return (((m[0] | m[1]) | (m[2] | m[3])) | ((m[4] | m[5]) | (m[6] | m[7]))) == 0;
}

#define TG_FEW_VALUES INT64_C(0x7fffffff)

/* sum / n. */
TG_INLINE tg_v8 tg_mean8(tg_exact8 sum, tg_m8 n)
{
    return tg_exact8_div(sum, tg_exact8_of_int(n)).hi;
}

/* Variances of n values, their roots, or standard errors; `squares` are around `shift`. What is no
 * finite number is also told in `odd`. */
TG_INLINE tg_v8 tg_deviation8(tg_exact8 sum, tg_exact8 squares, tg_v8 shift, tg_m8 n, int64_t ddof,
                              int root, int of_mean, tg_m8 *odd)
{
    tg_exact8 number = tg_exact8_of_int(n), over = tg_exact8_of_int(n - ddof);
    if (of_mean)
        over = tg_exact8_mul(over, number);
    tg_exact8 drift = tg_exact8_add(
        sum, tg_exact8_neg(tg_exact8_mul(number, (tg_exact8){shift, tg_splat(0.0)})));
    tg_exact8 around = tg_exact8_add(
        squares, tg_exact8_neg(tg_exact8_div(tg_exact8_mul(drift, drift), number)));
    around = tg_exact8_div(around, over);
    *odd |= tg_not_finite8(around.hi);
    tg_v8 least = tg_select((tg_m8)(around.hi > tg_splat(0.0)), around.hi, tg_splat(0.0));
    if (root)
        for (int j = 0; j < 8; j++)
            least[j] = __builtin_sqrt(least[j]);
    return least;
}

/* Eight numbers of values, and `some` in place of 0: what is made of that is of no use, but finite. */
TG_INLINE tg_m8 tg_some8(const int64_t *numbers, int64_t some)
{
    tg_m8 n = *(const tg_m8u *)numbers;
    return n | ((n == 0) & some);
}
TG_INLINE tg_m8 tg_no_odd(void) { return (tg_m8){0}; }
TG_INLINE tg_v8 tg_words_of8(const int64_t *numbers) { return (tg_v8)*(const tg_m8u *)numbers; }

/* The same of sums that are not in records; what is no finite number is told in `odd`. */
TG_INLINE tg_v8 tg_means_of8(tg_v8 hi, tg_v8 lo, const int64_t *n, tg_m8 *odd)
{
    tg_v8 mean = tg_mean8(tg_exact8_of(hi, lo), tg_some8(n, 1));
    *odd |= tg_not_finite8(mean);
    return mean;
}
TG_INLINE tg_v8 tg_deviations_of8(tg_exact8 sum, tg_exact8 squares, tg_v8 shift, const int64_t *n,
                                  int64_t ddof, int root, int of_mean, tg_m8 *odd)
{
    return tg_deviation8(tg_exact8_of(sum.hi, sum.lo), tg_exact8_of(squares.hi, squares.lo), shift,
                         tg_some8(n, ddof + 1), ddof, root, of_mean, odd);
}

/* Means of eight folded records; 0, and nothing of use, where one of them needs care. */
TG_INLINE int tg_means8(const tg_word *records, Py_ssize_t width, Py_ssize_t sum, Py_ssize_t nulls,
                        tg_word *out)
{
    const tg_word *at = records + sum;
    tg_m8 n = tg_numbers8(records, nulls, width);
    tg_m8 odd = tg_not_within8(n, 1, TG_FEW_VALUES);
    odd |= tg_not_zero8(tg_words8(at + 2, width)) | tg_not_zero8(tg_words8(at + 3, width)) |
           tg_not_zero8(tg_words8(at + 4, width));
    tg_v8 mean = tg_mean8(tg_pairs8(at, width), n);
    odd |= tg_not_finite8(mean);
    tg_store(&out[0].f, mean);
    return tg_no_bit(odd);
}

/* Variances, their roots, or standard errors of eight folded records; 0, and nothing of use, where
 * one of them needs care. */
TG_INLINE int tg_spreads8(const tg_word *records, Py_ssize_t width, Py_ssize_t sum,
                          Py_ssize_t squares, Py_ssize_t nulls, int64_t ddof, int root,
                          int of_mean, tg_word *out)
{
    const tg_word *at = records + squares, *total = records + sum;
    tg_m8 n = tg_numbers8(records, nulls, width);
    tg_m8 odd = tg_not_within8(n, ddof + 1, TG_FEW_VALUES);
    odd |= tg_not_zero8(tg_words8(total + 2, width)) | (tg_m8)tg_words8(at + 3, width);
    tg_store(&out[0].f, tg_deviation8(tg_pairs8(total, width), tg_pairs8(at, width),
                                      tg_words8(at + 2, width), n, ddof, root, of_mean, &odd));
    return tg_no_bit(odd);
}

/* Whether one of n records has no more than ddof values. */
TG_INLINE int tg_lacks(const tg_word *records, Py_ssize_t width, Py_ssize_t nulls, int64_t ddof,
                       Py_ssize_t n)
{
    tg_m8 lack = {0};
    int64_t rest = 0;
    Py_ssize_t i = 0;
    for (; i + 8 <= n; i += 8)
        lack |= tg_numbers8(records + i * width, nulls, width) - (ddof + 1);
    for (; i < n; i++)
        rest |= records[i * width].i - records[i * width + nulls].i - (ddof + 1);
    return (tg_sign8(lack) | rest) < 0;
}

#endif
