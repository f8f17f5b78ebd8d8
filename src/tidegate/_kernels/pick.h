/* The rows of some keys out of a chunk, close together: by masks of 64 rows, and with AVX-512 by
 * instructions that close the gaps, eight words or sixteen codes at a time. */
#ifndef TIDEGATE_PICK_H
#define TIDEGATE_PICK_H

#include <stddef.h>
#include <stdint.h>

#define TG_BINS 256 /* of codes */

typedef struct {
    uint32_t own[TG_BINS / 32]; /* bit b: bin b is of the part */
    int32_t place[TG_BINS];     /* of a bin among those of the part */
    int32_t size;               /* how many bins are */
} tg_part;

static inline int tg_is_own(const tg_part *part, int32_t code) {
    return (part->own[(code >> 5) & 7] >> (code & 31)) & 1;
}

/* Which rows are of the part, 64 a mask, their numbers, and their codes as the part has them. */
static ptrdiff_t tg_pick_plain(
    const tg_part *part, const int32_t *codes, ptrdiff_t n, uint64_t *masks, int32_t *rows,
    int32_t *own) {
    ptrdiff_t k = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        uint64_t bit = (uint64_t)tg_is_own(part, codes[i]);
        masks[i / 64] = (i % 64 ? masks[i / 64] : 0) | bit << (i % 64);
        rows[k] = (int32_t)i; /* no branch: what is not of the part is written over */
        own[k] = codes[i];
        k += (ptrdiff_t)bit;
    }
    return k;
}

static void tg_words_plain(const uint64_t *masks, const int64_t *values, ptrdiff_t n, int64_t *out) {
    for (ptrdiff_t i = 0; i < n; i += 64) {
        for (uint64_t mask = masks[i / 64]; mask; mask &= mask - 1) {
            *out++ = values[i + __builtin_ctzll(mask)];
        }
    }
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(TIDEGATE_DEBUG)
#include <immintrin.h>

#define TG_WIDE __attribute__((target("avx512f")))

TG_WIDE static ptrdiff_t tg_pick_wide(
    const tg_part *part, const int32_t *codes, ptrdiff_t n, uint64_t *masks, int32_t *rows,
    int32_t *own) {
    const __m512i bits = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)part->own));
    const __m512i one = _mm512_set1_epi32(1), low = _mm512_set1_epi32(31);
    __m512i number = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ptrdiff_t k = 0;
    for (ptrdiff_t i = 0; i < n; i += 16) {
        __mmask16 there = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : (__mmask16)0xffff;
        __m512i code = _mm512_maskz_loadu_epi32(there, codes + i);
        __m512i at = _mm512_and_epi32(_mm512_srli_epi32(code, 5), _mm512_set1_epi32(7));
        __m512i word = _mm512_permutexvar_epi32(at, bits);
        __m512i bit = _mm512_sllv_epi32(one, _mm512_and_epi32(code, low));
        __mmask16 is_own = _mm512_mask_test_epi32_mask(there, word, bit);
        masks[i / 64] = (i % 64 ? masks[i / 64] : 0) | (uint64_t)is_own << (i % 64);
        _mm512_storeu_si512(rows + k, _mm512_maskz_compress_epi32(is_own, number));
        _mm512_storeu_si512(own + k, _mm512_maskz_compress_epi32(is_own, code));
        number = _mm512_add_epi32(number, _mm512_set1_epi32(16));
        k += __builtin_popcount(is_own);
    }
    return k;
}

TG_WIDE static void tg_words_wide(
    const uint64_t *masks, const int64_t *values, ptrdiff_t n, int64_t *out) {
    for (ptrdiff_t i = 0; i < n; i += 8) {
        __mmask8 mask = (__mmask8)(masks[i / 64] >> (i % 64));
        __mmask8 there = n - i < 8 ? (__mmask8)((1u << (n - i)) - 1) : (__mmask8)0xff;
        __m512i some = _mm512_maskz_loadu_epi64(there, values + i);
        /* to a register first: compressing to memory is slow on Zen 4 */
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi64(mask, some));
        out += __builtin_popcount(mask);
    }
}

static int tg_is_wide(void) {
    return __builtin_cpu_supports("avx512f") != 0;
}
#else
#define tg_pick_wide tg_pick_plain
#define tg_words_wide tg_words_plain
static int tg_is_wide(void) {
    return 0;
}
#endif

#define TG_SPARE 16 /* what is written beyond the last row that is picked */

static inline ptrdiff_t tg_pick(
    const tg_part *part, const int32_t *codes, ptrdiff_t n, uint64_t *masks, int32_t *rows,
    int32_t *own) {
    ptrdiff_t k = (tg_is_wide() ? tg_pick_wide : tg_pick_plain)(part, codes, n, masks, rows, own);
    for (ptrdiff_t i = 0; i < k; i++) {
        own[i] = (own[i] / TG_BINS) * part->size + part->place[own[i] % TG_BINS];
    }
    return k;
}

static inline void tg_words(
    const uint64_t *masks, const int64_t *values, ptrdiff_t n, int64_t *out) {
    (tg_is_wide() ? tg_words_wide : tg_words_plain)(masks, values, n, out);
}

#endif
