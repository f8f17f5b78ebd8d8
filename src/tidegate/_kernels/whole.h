/* Sums of integers that tell whether they can be trusted. */
#ifndef TIDEGATE_WHOLE_H
#define TIDEGATE_WHOLE_H

#include "lanes.h"

/* Sums of fewer than 2**16 integers fit in 64 bits where each lies in [-2**46, 2**46). Of others
 * bits of `large` above 2**47 are set, and the sum is of no use. */
TG_INLINE tg_w8 tg_none_large(void) { return (tg_w8){0}; }
TG_INLINE tg_w8 tg_look_large(tg_w8 large, tg_m8 v)
{
    return large | ((tg_w8)v + (UINT64_C(1) << 46));
}
TG_INLINE int tg_is_large(tg_w8 v)
{
    uint64_t any = ((v[0] | v[1]) | (v[2] | v[3])) | ((v[4] | v[5]) | (v[6] | v[7]));
    return any >> 47 != 0;
}

/* Up to 16 integers; 16 can be read at p. */
TG_INLINE int64_t tg_sum_few(const int64_t *p, int64_t n, int tells, tg_w8 *large)
{
    tg_m8 lane = {0, 1, 2, 3, 4, 5, 6, 7};
    tg_m8 a = *(const tg_m8u *)p & (lane < n), b = *(const tg_m8u *)(p + 8) & (lane < n - 8);
    if (tells)
        *large = tg_look_large(tg_look_large(*large, a), b);
    return tg_sum_of(a + b);
}
TG_INLINE int64_t tg_sum_many(const int64_t *p, int64_t n, int tells, tg_w8 *large)
{
    tg_m8 v = {0}, w = {0};
    tg_w8 seen = {0}, rest = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        tg_m8 a = *(const tg_m8u *)(p + i), b = *(const tg_m8u *)(p + i + 8);
        v += a;
        w += b;
        if (tells) {
            tg_prefetch(p + i);
            tg_prefetch(p + i + 8);
            seen = tg_look_large(tg_look_large(seen, a), b);
        }
    }
    int64_t total = tg_sum_of(v + w);
    for (; i < n; i++) {
        total += p[i];
        rest[0] |= (uint64_t)p[i] + (UINT64_C(1) << 46);
    }
    if (tells)
        *large |= seen | rest;
    return total;
}

#endif
