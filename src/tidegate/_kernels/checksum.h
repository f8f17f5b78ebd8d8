/* CRC-32C (Castagnoli), by the instruction of SSE 4.2 where there is one, else by a table. */

#ifndef TIDEGATE_CHECKSUM_H
#define TIDEGATE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TG_CASTAGNOLI 0x82F63B78u /* the polynomial, lowest bit first */

static void tg_crc_table(uint32_t table[256])
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? TG_CASTAGNOLI : 0);
        table[byte] = crc;
    }
}

static uint32_t tg_crc_by_table(
    const uint32_t table[256], uint32_t crc, const uint8_t *at, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++)
        crc = table[(crc ^ at[i]) & 0xFF] ^ (crc >> 8);
    return ~crc;
}

#if defined(__x86_64__) && defined(__GNUC__)

static int tg_crc_has_instruction(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2")))
static uint32_t tg_crc_by_instruction(uint32_t crc, const uint8_t *at, size_t size)
{
    uint64_t sum = (uint32_t)~crc, word;
    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word, at, 8);
        sum = __builtin_ia32_crc32di(sum, word);
    }
    for (; size; size--, at++)
        sum = __builtin_ia32_crc32qi((uint32_t)sum, *at);
    return ~(uint32_t)sum;
}

#else

static int tg_crc_has_instruction(void)
{
    return 0;
}

static uint32_t tg_crc_by_instruction(uint32_t crc, const uint8_t *at, size_t size)
{
    (void)at;
    (void)size;
    return crc; /* never called */
}

#endif
#endif
