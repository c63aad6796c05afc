/* Base32. Pure; any thread. */
#include "auth/base32.h"

size_t nki_base32_encode(const void *data, size_t len, char *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const uint8_t *in = data;
    char *at = out;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < len; i++) {
        bits = (bits << 8 | in[i]) & 0xFFFF;
        have += 8;
        while (have >= 5) {
            have -= 5;
            *at++ = letters[bits >> have & 31];
        }
    }
    if (have > 0) {
        *at++ = letters[bits << (5 - have) & 31];
    }
    return (size_t)(at - out);
}

ptrdiff_t nki_base32_decode(struct nki_str text, void *out, size_t cap)
{
    uint8_t *at = out;
    size_t rest = text.len % 8;
    if (rest == 1 || rest == 3 || rest == 6 || text.len / 8 * 5 + rest * 5 / 8 > cap) {
        return -1;
    }
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < text.len; i++) {
        char letter = text.ptr[i];
        uint32_t value;
        if (letter >= 'A' && letter <= 'Z') {
            value = (uint32_t)(letter - 'A');
        } else if (letter >= '2' && letter <= '7') {
            value = (uint32_t)(letter - '2') + 26;
        } else {
            return -1;
        }
        bits = (bits << 5 | value) & 0xFFF;
        have += 5;
        if (have >= 8) {
            have -= 8;
            *at++ = (uint8_t)(bits >> have);
        }
    }
    if ((bits & ((1u << have) - 1)) != 0) {
        return -1;
    }
    return at - (uint8_t *)out;
}
