/* Base64, both alphabets. Pure; any thread. */
#include "base/base64.h"

static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
static const char tails[2][2] = {[NKI_BASE64_PADDED] = {'+', '/'}, [NKI_BASE64_URL] = {'-', '_'}};

static char letter(enum nki_base64 kind, uint32_t value)
{
    value &= 63;
    return value < 62 ? common[value] : tails[kind][value - 62];
}

size_t nki_base64_encode(enum nki_base64 kind, const void *data, size_t len, char *out)
{
    const uint8_t *in = data;
    char *at = out;
    while (len >= 3) {
        uint32_t group = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *at++ = letter(kind, group >> 18);
        *at++ = letter(kind, group >> 12);
        *at++ = letter(kind, group >> 6);
        *at++ = letter(kind, group);
        in += 3;
        len -= 3;
    }
    if (len > 0) {
        uint32_t group = (uint32_t)in[0] << 16 | (len > 1 ? (uint32_t)in[1] << 8 : 0);
        *at++ = letter(kind, group >> 18);
        *at++ = letter(kind, group >> 12);
        if (len > 1) {
            *at++ = letter(kind, group >> 6);
        }
        for (size_t i = len; kind == NKI_BASE64_PADDED && i < 3; i++) {
            *at++ = '=';
        }
    }
    return (size_t)(at - out);
}

/* The value of a character, or -1. */
static int32_t value_of(enum nki_base64 kind, char letter)
{
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    return letter == tails[kind][0] ? 62 : letter == tails[kind][1] ? 63 : -1;
}

ptrdiff_t nki_base64_decode(enum nki_base64 kind, struct nki_str text, void *out, size_t cap)
{
    if (kind == NKI_BASE64_PADDED) {
        if (text.len % 4 != 0) {
            return -1;
        }
        for (int i = 0; i < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; i++) {
            text.len--;
        }
    }
    if (text.len % 4 == 1 || text.len / 4 * 3 + text.len % 4 * 3 / 4 > cap) {
        return -1;
    }
    uint8_t *at = out;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < text.len; i++) {
        int32_t value = value_of(kind, text.ptr[i]);
        if (value < 0) {
            return -1;
        }
        bits = (bits << 6 | (uint32_t)value) & 0xFFF;
        have += 6;
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
