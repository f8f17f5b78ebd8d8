/* Eight lanes of float64, and the few operations that C spells better than Cython.
 *
 * A lane vector is GCC's and Clang's vector extension: the compiler lowers it to whatever the CPU
 * has, and every operation is IEEE, so that all versions of a kernel agree to the last bit.
 * The fused multiply-add is called by name: it is exact on every CPU, in hardware or in software.
 */
#ifndef TIDEGATE_LANES_H
#define TIDEGATE_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "clones.h"

/* Lanes of two vectors by number; GCC has it since 12. */
#if defined(__clang__) || __GNUC__ >= 12
#define TG_SHUFFLE __builtin_shufflevector
#else
#define TG_SHUFFLE(a, b, ...)                                                                      \
    __extension__({                                                                                \
        const int lanes_[] = {__VA_ARGS__};                                                        \
        enum { n_ = sizeof(a) / sizeof((a)[0]), m_ = sizeof(lanes_) / sizeof(int) };               \
        __typeof__((a)[0]) __attribute__((vector_size(m_ * sizeof((a)[0])))) mixed_;               \
        for (int i_ = 0; i_ < m_; i_++)                                                            \
            mixed_[i_] = lanes_[i_] < n_ ? (a)[lanes_[i_]] : (b)[lanes_[i_] - n_];                 \
        mixed_;                                                                                    \
    })
#endif

/* For the body of a cloned kernel: what it calls must become part of every clone. */
#define TG_ALWAYS_INLINE inline __attribute__((always_inline, unused))

#define TG_INLINE static inline __attribute__((always_inline, unused))

typedef __int128 tg_i128;
typedef double tg_v8 __attribute__((vector_size(64)));
typedef double tg_v8u __attribute__((vector_size(64), aligned(8)));
typedef double tg_v4 __attribute__((vector_size(32)));
typedef double tg_v2 __attribute__((vector_size(16)));
typedef double tg_v2u __attribute__((vector_size(16), aligned(8)));
typedef int64_t tg_m8 __attribute__((vector_size(64)));
typedef int64_t tg_m4 __attribute__((vector_size(32)));
typedef int64_t tg_m2 __attribute__((vector_size(16)));
typedef int64_t tg_m8u __attribute__((vector_size(64), aligned(8)));
typedef uint64_t tg_w8 __attribute__((vector_size(64)));
typedef uint64_t tg_w8u __attribute__((vector_size(64), aligned(8)));

/* By a shuffle: inside clones GCC 12 builds {x, x, ...} lane by lane. */
TG_INLINE tg_v8 tg_splat(double x)
{
    tg_v8 v = {x};
    return TG_SHUFFLE(v, v, 0, 0, 0, 0, 0, 0, 0, 0);
}
TG_INLINE tg_v8 tg_load(const double *p) { return *(const tg_v8u *)p; }
TG_INLINE void tg_store(double *p, tg_v8 v) { *(tg_v8u *)p = v; }

TG_INLINE int64_t tg_sign8(tg_m8 m)
{
    return ((m[0] | m[1]) | (m[2] | m[3])) | ((m[4] | m[5]) | (m[6] | m[7]));
}
TG_INLINE tg_v8 tg_select(tg_m8 where, tg_v8 yes, tg_v8 no)
{
    return (tg_v8)((where & (tg_m8)yes) | (~where & (tg_m8)no));
}

/* All lanes below n come from p, the others are fill; `room` values may be read at p. */
TG_INLINE tg_v8 tg_load_part(const double *p, int64_t n, int64_t room, double fill)
{
    tg_v8 v = tg_splat(fill);
    if (room >= 8) {
        tg_m8 lane = {0, 1, 2, 3, 4, 5, 6, 7};
        v = tg_select(lane < n, tg_load(p), v);
    } else {
        for (int64_t j = 0; j < n; j++)
            v[j] = p[j];
    }
    return v;
}

/* Masks are never kept in vectors: GCC takes them apart, lane by lane. What is strange is found by
 * arithmetic instead. */
TG_INLINE tg_v8 tg_fma8(tg_v8 a, tg_v8 b, tg_v8 c)
{
    tg_v8 r;
    for (int j = 0; j < 8; j++)
        r[j] = __builtin_fma(a[j], b[j], c[j]);
    return r;
}

/* seen + 0 where |x| < 2**480, and NaN for ever where x is larger, infinite or NaN. */
TG_INLINE tg_v8 tg_see_wild(tg_v8 seen, tg_v8 x)
{
    return tg_fma8(x * 0x1p544, tg_splat(0.0), seen);
}
/* seen + 0 where x is finite, and NaN for ever where it is not. */
TG_INLINE tg_v8 tg_see_odd(tg_v8 seen, tg_v8 x) { return tg_fma8(x, tg_splat(0.0), seen); }
TG_INLINE int tg_seen(tg_v8 seen)
{
    double s = ((seen[0] + seen[1]) + (seen[2] + seen[3])) +
               ((seen[4] + seen[5]) + (seen[6] + seen[7]));
    return s != s;
}
/* Chosen by bits: what is chosen lane by lane GCC now and then takes apart into scalars. */
TG_INLINE tg_v8 tg_min(tg_v8 kept, tg_v8 x) { return tg_select(x < kept, x, kept); }
TG_INLINE tg_v8 tg_max(tg_v8 kept, tg_v8 x) { return tg_select(x > kept, x, kept); }

/* The memory bus keeps busy only when it is told early what comes next. */
#define TG_AHEAD 8192
TG_INLINE void tg_prefetch_here(const void *p) { __builtin_prefetch(p, 1, 3); }
TG_INLINE void tg_prefetch(const void *p) { __builtin_prefetch((const double *)p + TG_AHEAD, 0, 2); }
/* A small batch is over before anything from so far ahead comes into use. Where batches are slices
 * of one table, what follows this one is the next: it is asked for straight into the first cache
 * (10 % of a push of a thousand rows). Behind other batches nothing is lost but the asking. */
#define TG_NEAR 1024
TG_INLINE void tg_prefetch_of(const void *p, int near)
{
    if (near)
        __builtin_prefetch((const double *)p + TG_NEAR, 0, 0);
    else
        tg_prefetch(p);
}

/* Halves of a vector, to come down to one number in a fixed tree: 0+4, 1+5, ..., then 0+2, 1+3,
 * then 0+1. */
TG_INLINE tg_v4 tg_low4(tg_v8 v) { return TG_SHUFFLE(v, v, 0, 1, 2, 3); }
TG_INLINE tg_v4 tg_high4(tg_v8 v) { return TG_SHUFFLE(v, v, 4, 5, 6, 7); }
TG_INLINE tg_v2 tg_low2(tg_v4 v) { return TG_SHUFFLE(v, v, 0, 1); }
TG_INLINE tg_v2 tg_high2(tg_v4 v) { return TG_SHUFFLE(v, v, 2, 3); }

#define TG_PICK(m, v, where, yes, no)                                                               \
    v = (__typeof__(v))(((m)(where) & (m)(yes)) | (~(m)(where) & (m)(no)))

TG_INLINE double tg_least_of(tg_v8 v)
{
    tg_v4 a = tg_low4(v), b = tg_high4(v);
    TG_PICK(tg_m4, a, b < a, b, a);
    tg_v2 c = tg_low2(a), d = tg_high2(a);
    TG_PICK(tg_m2, c, d < c, d, c);
    return c[1] < c[0] ? c[1] : c[0];
}
TG_INLINE double tg_greatest_of(tg_v8 v)
{
    tg_v4 a = tg_low4(v), b = tg_high4(v);
    TG_PICK(tg_m4, a, b > a, b, a);
    tg_v2 c = tg_low2(a), d = tg_high2(a);
    TG_PICK(tg_m2, c, d > c, d, c);
    return c[1] > c[0] ? c[1] : c[0];
}

/* hi + lo += x, without loss: Knuth's TwoSum, the error kept in lo. */
TG_INLINE void tg_add8(tg_v8 *hi, tg_v8 *lo, tg_v8 x)
{
    tg_v8 s = *hi + x;
    tg_v8 b = s - *hi;
    *lo += (*hi - (s - b)) + (x - b);
    *hi = s;
}

/* hi + lo += a * b, without loss. */
TG_INLINE void tg_add_product8(tg_v8 *hi, tg_v8 *lo, tg_v8 a, tg_v8 b)
{
    tg_v8 p = a * b;
    tg_v8 e = tg_fma8(a, b, -p);
    tg_add8(hi, lo, p);
    *lo += e;
}

/* hi + lo += (x - shift)^2, the difference taken without loss. */
TG_INLINE void tg_add_square8(tg_v8 *hi, tg_v8 *lo, tg_v8 x, tg_v8 shift)
{
    tg_v8 d = x - shift;
    tg_v8 b = d - x;
    tg_v8 r = (x - (d - b)) - (shift + b);
    tg_v8 p = d * d;
    tg_v8 e = tg_fma8(d, d, -p);
    tg_add8(hi, lo, p);
    *lo += e + 2.0 * (d * r);
}

/* `yes` in the lanes whose n is above k, `no` in the others. */
TG_INLINE tg_v8 tg_where_above(const int64_t *n, int64_t k, tg_v8 yes, tg_v8 no)
{
    return tg_select(k < *(const tg_m8u *)n, yes, no);
}

/* Word `at` of eight records, to and fro. */
TG_INLINE tg_v8 tg_collect8(double *const *records, int64_t at)
{
    double words[8];
    for (int j = 0; j < 8; j++)
        words[j] = records[j][at];
    return tg_load(words);
}
TG_INLINE void tg_spread8(double *const *records, int64_t at, tg_v8 v)
{
    double words[8];
    tg_store(words, v);
    for (int j = 0; j < 8; j++)
        records[j][at] = words[j];
}

/* Eight (hi, lo) pairs to one, in the fixed tree. */
#define TG_FOLD_STEP(hi, lo, a, x, b, y)                                                            \
    hi = (a) + (x);                                                                                 \
    lo = hi - (a);                                                                                  \
    lo = ((b) + (y)) + (((a) - (hi - lo)) + ((x) - lo))

TG_INLINE void tg_fold(const double *hi, const double *lo, double *out_hi, double *out_lo)
{
    tg_v8 h8 = tg_load(hi), l8 = tg_load(lo);
    tg_v4 h4, l4;
    tg_v2 h2, l2;
    TG_FOLD_STEP(h4, l4, tg_low4(h8), tg_high4(h8), tg_low4(l8), tg_high4(l8));
    TG_FOLD_STEP(h2, l2, tg_low2(h4), tg_high2(h4), tg_low2(l4), tg_high2(l4));
    TG_FOLD_STEP(*out_hi, *out_lo, h2[0], h2[1], l2[0], l2[1]);
}

/* Up to 16 values in two vectors, all others `fill`; 16 can be read at p. */
TG_INLINE void tg_load_pair(const double *p, int64_t n, double fill, tg_v8 *a, tg_v8 *b)
{
    tg_m8 lane = {0, 1, 2, 3, 4, 5, 6, 7};
    *a = tg_select(lane < n, tg_load(p), tg_splat(fill));
    *b = tg_select(lane < n - 8, tg_load(p + 8), tg_splat(fill));
}

/* Whether all of n floats are tame, |x| < 2**480: sums and squares of them need no care. */
TG_INLINE int tg_all_tame(const double *p, int64_t n)
{
    tg_v8 a = tg_splat(0.0), b = a, c = a, d = a;
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        a = tg_see_wild(a, tg_load(p + i));
        b = tg_see_wild(b, tg_load(p + i + 8));
        c = tg_see_wild(c, tg_load(p + i + 16));
        d = tg_see_wild(d, tg_load(p + i + 24));
    }
    for (; i < n; i++)
        a = tg_see_wild(a, tg_splat(p[i]));
    return !tg_seen((a + b) + (c + d));
}

/* Whether all of n integers lie in [-2**46, 2**46): sums of fewer than 2**16 fit in 64 bits. */
TG_INLINE int tg_all_small(const uint64_t *p, int64_t n)
{
    tg_w8 large = {0};
    uint64_t rest = 0;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        tg_prefetch(p + i);
        large |= *(const tg_w8u *)(p + i) + (UINT64_C(1) << 46);
    }
    for (; i < n; i++)
        rest |= p[i] + (UINT64_C(1) << 46);
    for (int j = 0; j < 8; j++)
        rest |= large[j];
    return rest >> 47 == 0;
}

/* Whether the times at p never fall, p[-1] being one of them. */
TG_INLINE int tg_all_rise(const int64_t *p, int64_t n)
{
    tg_m8 falls = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        tg_prefetch(p + i);
        falls |= *(const tg_m8u *)(p + i) < *(const tg_m8u *)(p + i - 1);
    }
    int fell = tg_sign8(falls) < 0;
    for (; i < n; i++)
        fell |= p[i] < p[i - 1];
    return !fell;
}

TG_INLINE int64_t tg_sum_of(tg_m8 v)
{
    tg_m4 w = TG_SHUFFLE(v, v, 0, 1, 2, 3) + TG_SHUFFLE(v, v, 4, 5, 6, 7);
    tg_m2 u = TG_SHUFFLE(w, w, 0, 1) + TG_SHUFFLE(w, w, 2, 3);
    return u[0] + u[1];
}
/* Add the halves of 32 bits of the n integers at p, the lower ones without a sign, each with the
 * bits of `bias` turned over. 2**31 of them cannot overflow. */
TG_INLINE void tg_add_halves(const int64_t *p, int64_t n, int64_t bias, int near, int64_t *high,
                             int64_t *low)
{
    tg_m8 above = {0}, below = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        tg_m8 v = *(const tg_m8u *)(p + i) ^ bias;
        tg_prefetch_of(p + i, near);
        below += v & INT64_C(0xFFFFFFFF);
        above += v >> 32;
    }
    *high += tg_sum_of(above);
    *low += tg_sum_of(below);
    for (; i < n; i++) {
        *low += (p[i] ^ bias) & INT64_C(0xFFFFFFFF);
        *high += (p[i] ^ bias) >> 32;
    }
}
/* How many of the 16 values at p are not above `last`. */
TG_INLINE int64_t tg_count_16(const int64_t *p, int64_t last)
{
    return -tg_sum_of((*(const tg_m8u *)p <= last) + (*(const tg_m8u *)(p + 8) <= last));
}

/* One value x of a key into its sum (hi, lo) and its squares (hi, lo, shift): the same steps as
 * tg_add8 and tg_add_square8, both sums in one vector. -0.0 adds nothing, not even to -0.0. */
TG_INLINE void tg_add_both(double *sum, double *squares, double x)
{
    double shift = squares[2], d = x - shift, p = d * d, e = __builtin_fma(d, d, -p);
    if (__builtin_expect(!(fabs(d) <= 0.5 * fabs(shift)), 0)) { /* else d is exact (Sterbenz) */
        double b = d - x, r = (x - (d - b)) - (shift + b);
        e += 2.0 * (d * r);
    }
    tg_v2 one = *(const tg_v2u *)sum, two = *(const tg_v2u *)squares;
    tg_v2 hi = TG_SHUFFLE(one, two, 0, 2), lo = TG_SHUFFLE(one, two, 1, 3);
    tg_v2 v = {x, p}, rest = {-0.0, e};
    tg_v2 s = hi + v, back = s - hi;
    lo += (hi - (s - back)) + (v - back);
    lo += rest;
    *(tg_v2u *)sum = TG_SHUFFLE(s, lo, 0, 2);
    *(tg_v2u *)squares = TG_SHUFFLE(s, lo, 1, 3);
}

/* The windows of 8 times, counted from the one that begins at `first`, in the upper halves, and the
 * number after each time's own, from `row` on, in the lower ones; `per_unit` is 1 / width. Exact
 * where (time - first) lies in [0, 2**48) and the windows below 2**31: half a unit keeps every
 * quotient further from the next integer than both roundings can take it. */
TG_INLINE void tg_windows_of8(const int64_t *p, int64_t first, double per_unit, int64_t row,
                              int64_t *out)
{
    const tg_w8 exponent = (tg_w8){0} + (uint64_t)0x4330000000000000; /* of 2**52 */
    const tg_w8 magic = (tg_w8)tg_splat(0x1.8p52), next = {1, 2, 3, 4, 5, 6, 7, 8};
    tg_v8 from = (tg_v8)((*(const tg_w8u *)p - (uint64_t)first) | exponent) - 0x1p52;
    tg_v8 place = (from + 0.5) * per_unit - 0.5;
    tg_w8 window = (tg_w8)(place + tg_splat(0x1.8p52)) - magic;
    *(tg_w8u *)out = window << 32 | (next + (uint64_t)row);
}

/* How many of the n times at p, in steps of 32, lie in [first, last]; `ordered` is cleared where
 * one of them is smaller than the one before it. p[-1] is there. Differences may wrap: where one
 * of (t - first) and (last - t) wraps to a wrong sign, the other wraps to the right one. */
TG_INLINE int64_t tg_run_within(const int64_t *p, int64_t n, int64_t first, int64_t last,
                                int near, int *ordered)
{
    tg_w8 low = (tg_w8){0} + (uint64_t)first, high = (tg_w8){0} + (uint64_t)last;
    tg_w8 falls = {0}, before = {0};
    tg_m8 one_on = {7, 8, 9, 10, 11, 12, 13, 14};
    int64_t k = 0;
    before[7] = (uint64_t)p[-1];
    for (; k + 32 <= n; k += 32) {
        tg_w8 out = {0}, fall = {0};
        for (int j = 0; j < 32; j += 8) {
            tg_w8 t = *(const tg_w8u *)(p + k + j);
            tg_prefetch_of(p + k + j, near);
            out |= (t - low) | (high - t);
            fall |= t - __builtin_shuffle(before, t, one_on);
            before = t;
        }
        if (tg_sign8((tg_m8)out) < 0)
            break;
        falls |= fall;
    }
    if (tg_sign8((tg_m8)falls) < 0)
        *ordered = 0;
    return k;
}

/* Unsigned arithmetic that is meant to wrap. */
TG_INLINE uint64_t tg_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0x9E3779B97F4A7C15);
    return x ^ (x >> 29);
}
TG_INLINE uint64_t tg_slot_hash(int64_t pane, int32_t code)
{
    return tg_mix((uint64_t)pane * UINT64_C(0xD6E8FEB86659FD93) + (uint32_t)code);
}

TG_INLINE int tg_sub_overflows(int64_t a, int64_t b, int64_t *out)
{
    return __builtin_sub_overflow(a, b, out);
}
TG_INLINE int tg_add_overflows(int64_t a, int64_t b, int64_t *out)
{
    return __builtin_add_overflow(a, b, out);
}
TG_INLINE tg_i128 tg_i128_of(uint64_t lo, int64_t hi)
{
    return (tg_i128)(((unsigned __int128)(uint64_t)hi << 64) | lo);
}
TG_INLINE uint64_t tg_i128_lo(tg_i128 x) { return (uint64_t)x; }
TG_INLINE int64_t tg_i128_hi(tg_i128 x) { return (int64_t)(x >> 64); }

#endif
