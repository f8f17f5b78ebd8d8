/* Numbers of many messages at once: where they end, and their bits drawn together.
 *
 * Drawing together is left to loops over arrays, which the compiler makes vectors of.
 */
#ifndef TIDEGATE_PROTO_BLOCK_H
#define TIDEGATE_PROTO_BLOCK_H

#include <stdint.h>
#include <string.h>

#include "clones.h"
#include "cursor.h"

/* Clang, which compiles this for the fuzzer, makes no clones of functions of these types. */
#if defined(__clang__)
#define TG_SPREADS
#else
#define TG_SPREADS TG_CLONES
#endif

#define tg_rare(x) __builtin_expect(!!(x), 0)

/* Ask for n bytes that are needed soon; they needn't be there. */
static inline void tg_ask_for(const uint8_t *at, uint64_t n)
{
    uintptr_t line = (uintptr_t)at, end = line + n;
    for (; line < end; line += 64)
        __builtin_prefetch((const void *)line);
}

/* What comes behind a length of up to two bytes; NULL: it has more.
 *
 * A branch: messages are mostly of one kind, and the next one is found while this one is guessed.
 */
static inline const uint8_t *tg_short_length(const uint8_t *at, uint64_t *n)
{
    if (at[0] < 0x80) {
        *n = at[0];
        return at + 1;
    }
    *n = (uint64_t)(at[0] & 0x7f) | (uint64_t)at[1] << 7;
    return at[1] < 0x80 ? at + 2 : NULL;
}

/* Sixteen bytes of ones and as many of zeros: a mask of n bytes, 16 at most, begins n back. */
static const uint8_t tg_ones[32] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

/* The top bits of 16 bytes, for the first n of them, in two words. */
static inline void tg_high(const uint8_t *at, uint64_t n, uint64_t *a, uint64_t *b)
{
    *a = tg_load64(at) & tg_load64(tg_ones + 16 - n) & TG_CONTINUES;
    *b = tg_load64(at + 8) & tg_load64(tg_ones + 24 - n) & TG_CONTINUES;
}

/* How many of the first n bytes, 16 at most, are 0x80 and above. */
static inline int tg_count_high(const uint8_t *at, uint64_t n)
{
    uint64_t a, b;
    tg_high(at, n, &a, &b);
    return (int)(((a >> 7) + (b >> 7)) * 0x0101010101010101ULL >> 56);
}

/* Whether any of them is. */
static inline int tg_any_high(const uint8_t *at, uint64_t n)
{
    uint64_t a, b;
    tg_high(at, n, &a, &b);
    return (a | b) != 0;
}

static inline void tg_copy16(uint8_t *to, const uint8_t *at)
{
    uint64_t a, b;
    memcpy(&a, at, 8);
    memcpy(&b, at + 8, 8);
    memcpy(to, &a, 8);
    memcpy(to + 8, &b, 8);
}

/* The bytes of a varint that begins a word; `stops` are the top bits of the bytes that end one. */
static inline uint64_t tg_first_varint(uint64_t word, uint64_t stops)
{
    return word & (stops ^ (stops - 1));
}

/* How many bytes it has; 8 where none ends one. */
static inline uint64_t tg_varint_size(uint64_t stops)
{
    return (uint64_t)(__builtin_ctzll(stops | (uint64_t)1 << 63) + 1) / 8;
}

/* A bit for each of 64 bytes that ends a varint. */
static inline uint64_t tg_ends_of(const uint8_t *at)
{
    uint64_t bits = 0;
    int i;
    for (i = 0; i < 8; i++) {
        uint64_t word = (~tg_load64(at + 8 * i) & TG_CONTINUES) >> 7;
        bits |= (word * 0x0102040810204080ULL >> 56) << 8 * i;
    }
    return bits;
}

/* Up to eight bytes of varints (n,), and what their ninth and tenth bytes add, into numbers. */
TG_SPREADS static void tg_put_longs(
    const uint64_t *words, const uint64_t *tops, int n, uint8_t *values)
{
    int i;
    for (i = 0; i < n; i++)
        tg_store64(values + 8 * i, tg_draw_together(words[i] & ~TG_CONTINUES) | tops[i]);
}

TG_SPREADS static void tg_put_zigzag_longs(
    const uint64_t *words, const uint64_t *tops, int n, uint8_t *values)
{
    int i;
    for (i = 0; i < n; i++) {
        uint64_t word = tg_draw_together(words[i] & ~TG_CONTINUES) | tops[i];
        tg_store64(values + 8 * i, (uint64_t)tg_unzigzag(word));
    }
}

TG_SPREADS static void tg_put_ints(const uint64_t *words, int n, uint8_t *values)
{
    int i;
    for (i = 0; i < n; i++)
        tg_store32(values + 4 * i, (uint32_t)tg_draw_together(words[i] & ~TG_CONTINUES));
}

TG_SPREADS static void tg_put_zigzag_ints(const uint64_t *words, int n, uint8_t *values)
{
    int i;
    for (i = 0; i < n; i++) {
        uint32_t word = (uint32_t)tg_draw_together(words[i] & ~TG_CONTINUES);
        tg_store32(values + 4 * i, word >> 1 ^ (0 - (word & 1)));
    }
}

TG_SPREADS static void tg_put_bools(
    const uint64_t *words, const uint64_t *tops, int n, uint8_t *values)
{
    int i;
    for (i = 0; i < n; i++)
        values[i] = ((words[i] & ~TG_CONTINUES) | tops[i]) != 0;
}

#endif
