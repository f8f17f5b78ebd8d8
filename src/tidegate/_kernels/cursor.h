/* Numbers in hostile bytes: variable-length integers, a word at a time; cursor.pxd tells the rest. */
#ifndef TIDEGATE_CURSOR_H
#define TIDEGATE_CURSOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TG_CONTINUES 0x8080808080808080ULL

static inline uint64_t tg_load64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint32_t tg_load32(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, 4);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

static inline void tg_store64(uint8_t *at, uint64_t word)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(at, &word, 8);
}

static inline void tg_store32(uint8_t *at, uint32_t word)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    memcpy(at, &word, 4);
}

/* Seven bits of each byte, drawn together; the top bit of each byte is 0. */
static inline uint64_t tg_draw_together(uint64_t x)
{
    x = ((x & 0x7f007f007f007f00ULL) >> 1) | (x & 0x007f007f007f007fULL);
    x = ((x & 0x3fff00003fff0000ULL) >> 2) | (x & 0x00003fff00003fffULL);
    return ((x & 0x0fffffff00000000ULL) >> 4) | (x & 0x000000000fffffffULL);
}

/* The inverse: 56 bits, seven to a byte. */
static inline uint64_t tg_draw_apart(uint64_t x)
{
    x = ((x & 0x00fffffff0000000ULL) << 4) | (x & 0x000000000fffffffULL);
    x = ((x & 0x0fffc0000fffc000ULL) << 2) | (x & 0x00003fff00003fffULL);
    return ((x & 0x3f803f803f803f80ULL) << 1) | (x & 0x007f007f007f007fULL);
}

/* A varint byte by byte, for the last bytes of a buffer; NULL where it is cut or too long. */
static inline const uint8_t *tg_slow_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t sum = 0;
    int shift;
    for (shift = 0; at < end && shift < 64; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return NULL;
        sum |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = sum;
            return at;
        }
    }
    return NULL;
}

/* A varint of at most 10 bytes and 64 bits; what comes after it, or NULL. */
static inline const uint8_t *tg_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t word, stop;
    if (end - at < 10)
        return tg_slow_varint(at, end, value);
    word = tg_load64(at);
    if (!(word & 0x80)) {
        *value = word & 0x7f;
        return at + 1;
    }
    stop = ~word & TG_CONTINUES;
    if (stop) {
        word &= stop ^ (stop - 1);
        *value = tg_draw_together(word & ~TG_CONTINUES);
        return at + (__builtin_ctzll(stop) + 1) / 8;
    }
    word = tg_draw_together(word & ~TG_CONTINUES) | (uint64_t)(at[8] & 0x7f) << 56;
    if (at[8] < 0x80) {
        *value = word;
        return at + 9;
    }
    if (at[9] > 1)
        return NULL;
    *value = word | (uint64_t)at[9] << 63;
    return at + 10;
}

/* Write a varint; up to 10 bytes are written to, whatever its length. */
static inline uint8_t *tg_put_varint(uint8_t *at, uint64_t value)
{
    int n;
    uint64_t low;
    if (value < 0x80) {
        *at = (uint8_t)value;
        return at + 1;
    }
    low = tg_draw_apart(value & 0x00ffffffffffffffULL);
    if (value >> 56 == 0) {
        n = (70 - __builtin_clzll(value)) / 7; /* bytes: ceil(bits / 7) */
        tg_store64(at, low | (TG_CONTINUES & (((uint64_t)1 << (8 * (n - 1))) - 1)));
        return at + n;
    }
    tg_store64(at, low | TG_CONTINUES);
    value >>= 56;
    at[8] = (uint8_t)(value & 0x7f) | (uint8_t)(value > 0x7f) << 7;
    at[9] = (uint8_t)(value >> 7);
    return at + 9 + (value > 0x7f);
}

static inline uint64_t tg_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t tg_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* Whether n bytes are UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
static inline int tg_is_utf8(const uint8_t *at, size_t n)
{
    const uint8_t *end = at + n;
    while (at < end) {
        uint8_t a = *at;
        if (a < 0x80) {
            while (end - at >= 8 && !(tg_load64(at) & TG_CONTINUES))
                at += 8;
            while (at < end && *at < 0x80)
                at++;
            continue;
        }
        if (a < 0xc2 || a > 0xf4)
            return 0;
        if (a < 0xe0) {
            if (end - at < 2 || (at[1] & 0xc0) != 0x80)
                return 0;
            at += 2;
        } else if (a < 0xf0) {
            if (end - at < 3 || (at[1] & 0xc0) != 0x80 || (at[2] & 0xc0) != 0x80)
                return 0;
            if ((a == 0xe0 && at[1] < 0xa0) || (a == 0xed && at[1] > 0x9f))
                return 0;
            at += 3;
        } else {
            if (end - at < 4 || (at[1] & 0xc0) != 0x80 || (at[2] & 0xc0) != 0x80
                || (at[3] & 0xc0) != 0x80)
                return 0;
            if ((a == 0xf0 && at[1] < 0x90) || (a == 0xf4 && at[1] > 0x8f))
                return 0;
            at += 4;
        }
    }
    return 1;
}

#endif
