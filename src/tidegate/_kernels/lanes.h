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

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(TIDEGATE_DEBUG)
#define TG_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define TG_CLONES
#endif

/* For the body of a cloned kernel: what it calls must become part of every clone. */
#define TG_ALWAYS_INLINE inline __attribute__((always_inline, unused))

#define TG_INLINE static inline __attribute__((always_inline, unused))

typedef __int128 tg_i128;
typedef double tg_v8 __attribute__((vector_size(64)));
typedef double tg_v8u __attribute__((vector_size(64), aligned(8)));
typedef double tg_v4 __attribute__((vector_size(32)));
typedef double tg_v2 __attribute__((vector_size(16)));
typedef int64_t tg_m8 __attribute__((vector_size(64)));
typedef uint64_t tg_w8 __attribute__((vector_size(64)));
typedef uint64_t tg_w8u __attribute__((vector_size(64), aligned(8)));

TG_INLINE tg_v8 tg_splat(double x) { return (tg_v8){x, x, x, x, x, x, x, x}; }
TG_INLINE tg_v8 tg_load(const double *p) { return *(const tg_v8u *)p; }
TG_INLINE void tg_store(double *p, tg_v8 v) { *(tg_v8u *)p = v; }

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
TG_INLINE tg_v8 tg_min(tg_v8 kept, tg_v8 x) { return tg_select(x < kept, x, kept); }
TG_INLINE tg_v8 tg_max(tg_v8 kept, tg_v8 x) { return tg_select(x > kept, x, kept); }

TG_INLINE double tg_least_of(tg_v8 v)
{
    for (int half = 4; half; half /= 2)
        for (int j = 0; j < half; j++)
            v[j] = v[j + half] < v[j] ? v[j + half] : v[j];
    return v[0];
}
TG_INLINE double tg_greatest_of(tg_v8 v)
{
    for (int half = 4; half; half /= 2)
        for (int j = 0; j < half; j++)
            v[j] = v[j + half] > v[j] ? v[j + half] : v[j];
    return v[0];
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

/* Eight (hi, lo) pairs to one, in a fixed tree: 0+4, 1+5, ..., then 0+2, 1+3, then 0+1. */
TG_INLINE void tg_fold_step(double *hi, double *lo, int half)
{
    for (int j = 0; j < half; j++) {
        double a = hi[j], x = hi[j + half];
        double s = a + x, b = s - a;
        double e = (a - (s - b)) + (x - b);
        hi[j] = s;
        lo[j] = (lo[j] + lo[j + half]) + e;
    }
}
TG_INLINE void tg_fold(const double *hi, const double *lo, double *out_hi, double *out_lo)
{
    double h[8], l[8];
    memcpy(h, hi, sizeof h);
    memcpy(l, lo, sizeof l);
    tg_fold_step(h, l, 4);
    tg_fold_step(h, l, 2);
    tg_fold_step(h, l, 1);
    *out_hi = h[0];
    *out_lo = l[0];
}

/* The memory bus keeps busy only when it is told early what comes next. */
#define TG_AHEAD 1024 /* values */
TG_INLINE void tg_prefetch(const void *p) { __builtin_prefetch((const double *)p + TG_AHEAD, 0, 1); }

/* How many of the n times at p, in steps of 32, lie in [first, last]; `ordered` is cleared where
 * one of them is smaller than the one before it. p[-1] is there. Differences may wrap: where one
 * of (t - first) and (last - t) wraps to a wrong sign, the other wraps to the right one. */
TG_INLINE int64_t tg_sign8(tg_m8 m)
{
    return ((m[0] | m[1]) | (m[2] | m[3])) | ((m[4] | m[5]) | (m[6] | m[7]));
}
TG_INLINE int64_t tg_run_within(const int64_t *p, int64_t n, int64_t first, int64_t last,
                                int *ordered)
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
            tg_prefetch(p + k + j);
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
TG_INLINE tg_i128 tg_i128_of(uint64_t lo, int64_t hi) { return ((tg_i128)hi << 64) | lo; }
TG_INLINE uint64_t tg_i128_lo(tg_i128 x) { return (uint64_t)x; }
TG_INLINE int64_t tg_i128_hi(tg_i128 x) { return (int64_t)(x >> 64); }

#endif
