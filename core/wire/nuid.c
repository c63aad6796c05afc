/* Unique names for inboxes, and numbers in base 62. Each generator belongs to one thread at a time. */
#include "wire/nuid.h"

#include <string.h>

#define BASE 62
#define SEQ_LEN (NKI_NUID_LEN - 12)
#define SEQ_MAX UINT64_C(839299365868340224) /* 62 to the power of 10 */
#define STEP_MIN 33
#define STEP_RANGE 300
#define BASE62_MAX 11 /* digits of 2^64 - 1 */

static const char digits[BASE] = {
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K',
    'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z'};

/* Characters from the system's generator, each of the 62 with the same probability: bytes from the greatest
 * multiple of 62 on are drawn again. */
static void fill_random(char *out, size_t len)
{
    uint8_t bytes[32];
    size_t at = sizeof bytes;
    while (len > 0) {
        if (at == sizeof bytes) {
            nki_rand_system(bytes, sizeof bytes);
            at = 0;
        }
        uint8_t byte = bytes[at++];
        if (byte < 256 / BASE * BASE) {
            *out++ = digits[byte % BASE];
            len--;
        }
    }
}

static void renew(struct nki_nuid *nuid)
{
    fill_random(nuid->prefix, sizeof nuid->prefix);
    nuid->seq = nki_rand_below(&nuid->rand, SEQ_MAX);
    nuid->step = STEP_MIN + nki_rand_below(&nuid->rand, STEP_RANGE);
}

void nki_nuid_init(struct nki_nuid *nuid)
{
    assert(nuid != NULL);
    nki_rand_seed_system(&nuid->rand);
    renew(nuid);
}

void nki_nuid_next(struct nki_nuid *nuid, char *out)
{
    assert(nuid != NULL && out != NULL);
    nuid->seq += nuid->step;
    if (nuid->seq >= SEQ_MAX) {
        renew(nuid);
    }
    memcpy(out, nuid->prefix, sizeof nuid->prefix);
    uint64_t seq = nuid->seq;
    for (size_t i = NKI_NUID_LEN; i > NKI_NUID_LEN - SEQ_LEN; i--) {
        out[i - 1] = digits[seq % BASE];
        seq /= BASE;
    }
}

char *nki_base62_emit(char *out, uint64_t value)
{
    assert(out != NULL);
    char reversed[BASE62_MAX];
    size_t len = 0;
    do {
        reversed[len++] = digits[value % BASE];
        value /= BASE;
    } while (value > 0);
    while (len > 0) {
        *out++ = reversed[--len];
    }
    return out;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'Z') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'z' ? c - 'a' + 36 : -1;
}

bool nki_base62_read(const char *text, size_t len, uint64_t *out)
{
    assert(out != NULL && (text != NULL || len == 0));
    if (len == 0 || len > BASE62_MAX || (text[0] == '0' && len > 1)) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = digit_value(text[i]);
        if (digit < 0 || __builtin_mul_overflow(value, (uint64_t)BASE, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}
