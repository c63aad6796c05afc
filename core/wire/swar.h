/* Eight bytes at a time: the tests of bytes that the parser and the subject rules share. Pure, hot. */
#ifndef NKI_WIRE_SWAR_H
#define NKI_WIRE_SWAR_H

#include "base/defs.h"

#include <string.h>

#define NKI_SWAR_ONES UINT64_C(0x0101010101010101)
#define NKI_SWAR_TOPS UINT64_C(0x8080808080808080)
#define NKI_SWAR_LOWS UINT64_C(0x7f7f7f7f7f7f7f7f)

/* The byte at the lowest address becomes the lowest byte of the word on every machine. */
static inline uint64_t nki_swar_load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Each of the following sets the top bit of a byte that passes the test. A borrow can also set the bits of
 * bytes *above* one that passes, never below: so the lowest set bit, and whether any is set, are right. */

/* Blanks, control characters and DEL. Bytes from 0x80 on do not pass. */
static inline uint64_t nki_swar_breaks(uint64_t word)
{
    uint64_t below_21 = (word - NKI_SWAR_ONES * 0x21) & ~word;
    uint64_t del = word ^ (NKI_SWAR_ONES * 0x7f);
    return (below_21 | ((del - NKI_SWAR_ONES) & ~del)) & NKI_SWAR_TOPS;
}

static inline uint64_t nki_swar_equals(uint64_t word, uint8_t byte)
{
    uint64_t differs = word ^ (NKI_SWAR_ONES * byte);
    return (differs - NKI_SWAR_ONES) & ~differs & NKI_SWAR_TOPS;
}

/* The same without the restriction: right for every byte of the word. */
static inline uint64_t nki_swar_equals_each(uint64_t word, uint8_t byte)
{
    uint64_t differs = word ^ (NKI_SWAR_ONES * byte);
    return ~(((differs & NKI_SWAR_LOWS) + NKI_SWAR_LOWS) | differs | NKI_SWAR_LOWS);
}

/* Index of the byte that the lowest set bit of a mask (not 0) belongs to. */
static inline size_t nki_swar_first(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask) / 8;
}

#endif
