/* Hashes of keys: seeded, so that nobody can choose keys that collide. */
#ifndef TG_HASHING_H
#define TG_HASHING_H

#include <stdint.h>
#include <string.h>

static inline uint64_t tg_mix(uint64_t a, uint64_t b) {
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t tg_word(const uint8_t *at, size_t n_bytes) {
    uint64_t word = 0;
    memcpy(&word, at, n_bytes);
    return word;
}

/* Reads words that overlap, so that no byte outside of the value is touched. */
static inline uint64_t tg_hash(const uint8_t *at, int64_t size, uint64_t seed, uint64_t odd) {
    uint64_t a, b, state = seed ^ (uint64_t)size;
    if (size >= 8) {
        int64_t i = 0;
        for (; i + 16 < size; i += 16)
            state = tg_mix(tg_word(at + i, 8) ^ odd, tg_word(at + i + 8, 8) ^ state);
        a = tg_word(at + (i + 8 <= size ? i : size - 8), 8);
        b = tg_word(at + size - 8, 8);
    } else if (size >= 4) {
        a = tg_word(at, 4);
        b = tg_word(at + size - 4, 4);
    } else if (size > 0) {
        a = at[0];
        b = ((uint64_t)at[size >> 1] << 8) | at[size - 1];
    } else {
        a = b = 0;
    }
    return tg_mix(odd, tg_mix(a ^ odd, b ^ state));
}

static inline int tg_equal(const uint8_t *a, const uint8_t *b, int64_t size) {
    if (size > 16)
        return memcmp(a, b, (size_t)size) == 0;
    if (size >= 8)
        return tg_word(a, 8) == tg_word(b, 8)
            && tg_word(a + size - 8, 8) == tg_word(b + size - 8, 8);
    if (size >= 4)
        return tg_word(a, 4) == tg_word(b, 4)
            && tg_word(a + size - 4, 4) == tg_word(b + size - 4, 4);
    for (int64_t i = 0; i < size; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

#endif
