/* The stream of the paced tests: message i has a size and a content that every language computes alike. Sizes
 * are log-uniform from 16 bytes to 64 KiB: a power of two, and evenly up to the next. The content is the
 * number of the message (8 bytes, little-endian) and a piece of a fixed block. */
#ifndef TESTS_INTEGRATION_PACED_H
#define TESTS_INTEGRATION_PACED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PACED_BLOCK ((size_t)131072)
#define PACED_HALF ((size_t)65536)
#define PACED_MAX ((size_t)65536)
#define PACED_CREDIT 256 /* messages that one credit message allows */
#define PACED_WINDOW 4   /* credits that a receiver gives in advance */

static inline void paced_fill_block(uint8_t *block)
{
    for (size_t i = 0; i < PACED_BLOCK; i++) {
        block[i] = (uint8_t)(i * 131 + (i >> 8) * 17);
    }
}

static inline size_t paced_size(uint64_t index)
{
    uint32_t mixed = (uint32_t)(index * 2654435761u);
    uint32_t base = 16u << ((mixed >> 24) % 12);
    return base + (mixed & 0xffffff) % base;
}

static inline size_t paced_offset(uint64_t index)
{
    return (size_t)(index * 8191 % PACED_HALF);
}

/* Writes message `index` to `out` (PACED_MAX bytes); its size. */
static inline size_t paced_make(const uint8_t *block, uint64_t index, uint8_t *out)
{
    size_t size = paced_size(index);
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(index >> (8 * i));
    }
    memcpy(out + 8, block + paced_offset(index), size - 8);
    return size;
}

#endif
