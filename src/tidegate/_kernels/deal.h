/* What deal.pyx does with eight hands of eight values. */
#ifndef TIDEGATE_DEAL_H
#define TIDEGATE_DEAL_H

#include "lanes.h"

TG_INLINE void tg_prefetch_soon(const void *p)
{
    __builtin_prefetch((const double *)p + 512, 0, 2);
}

/* Ask for n words that are wanted soon after. */
TG_INLINE void tg_prefetch_words(const int64_t *p, int64_t n)
{
    for (int64_t i = 0; i < n; i += 8)
        __builtin_prefetch(p + i, 0, 2);
}

/* Eight vectors, each with values of one key, become eight with a value of each key. */
TG_INLINE void tg_turn8(tg_v8 *v)
{
    tg_v8 a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = TG_SHUFFLE(v[i], v[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        a[i + 1] = TG_SHUFFLE(v[i], v[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = i; j < i + 2; j++) {
            b[j] = TG_SHUFFLE(a[j], a[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            b[j + 2] = TG_SHUFFLE(a[j], a[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int j = 0; j < 4; j++) {
        v[j] = TG_SHUFFLE(b[j], b[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        v[j + 4] = TG_SHUFFLE(b[j], b[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

TG_INLINE tg_v8 tg_abs8(tg_v8 x) { return (tg_v8)((tg_m8)x & INT64_MAX); }

/* hi + lo += (x - shift)^2 where |x - shift| <= |shift| / 2: the difference is exact (Sterbenz). */
TG_INLINE void tg_add_near8(tg_v8 *hi, tg_v8 *lo, tg_v8 x, tg_v8 shift)
{
    tg_v8 d = x - shift;
    tg_v8 p = d * d;
    tg_v8 e = tg_fma8(d, d, -p);
    tg_add8(hi, lo, p);
    *lo += e;
}
/* Whether that holds for all values between two. */
TG_INLINE int tg_are_near8(tg_v8 least, tg_v8 greatest, tg_v8 shift)
{
    tg_v8 half = 0.5 * tg_abs8(shift);
    tg_v8 down = half - tg_abs8(least - shift), up = half - tg_abs8(greatest - shift);
    return tg_sign8((tg_m8)down | (tg_m8)up) >= 0;
}

/* The shifts of eight records; of one that has none, which is NaN, its first value. */
TG_INLINE tg_v8 tg_shifts8(tg_v8 kept, tg_v8 first)
{
    return tg_select((tg_m8)(kept == kept), kept, first);
}

#endif
