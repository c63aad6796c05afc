/* NATS keys as text. A public key is a byte that stands for the role, the key and a checksum, in base32; a
 * seed has two bytes before, which hold an 'S' and the role in their first ten bits. Any thread. */
#include "auth/nkey.h"

#include "auth/base32.h"
#include "base/rand.h"

#include <string.h>

#define PUBLIC_HEAD 1
#define SEED_HEAD 2
#define CHECKSUM 2
#define RAW_MAX (SEED_HEAD + NKI_ED25519_KEY + CHECKSUM)
#define PREFIX_SEED (18u << 3) /* the value of 'S' */

_Static_assert(NKI_BASE32_LEN(PUBLIC_HEAD + NKI_ED25519_KEY + CHECKSUM) == NKI_NKEY_PUBLIC_LEN &&
                   NKI_BASE32_LEN(RAW_MAX) == NKI_NKEY_SEED_LEN,
               "lengths of keys");

/* The first five bits of a key are its first letter. */
static uint8_t prefix_of(char role)
{
    return (uint8_t)((unsigned)(role - 'A') << 3);
}

bool nki_nkey_role_ok(int32_t role)
{
    return role == 'U' || role == 'A' || role == 'O' || role == 'N' || role == 'C';
}

const char *nki_nkey_role_name(char role)
{
    switch (role) {
    case 'U':
        return "a user's";
    case 'A':
        return "an account's";
    case 'O':
        return "an operator's";
    case 'N':
        return "a server's";
    default:
        return "a cluster's";
    }
}

/* CRC-16/XMODEM. */
static uint16_t checksum(const uint8_t *data, size_t len)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)data[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc << 1 ^ ((crc & 0x8000) != 0 ? 0x1021 : 0)) & 0xFFFF;
        }
    }
    return (uint16_t)crc;
}

/* Writes `len` bytes of `raw`, which has room for the checksum behind them, as text. */
static void write_text(uint8_t raw[RAW_MAX], size_t len, char *out)
{
    uint16_t crc = checksum(raw, len);
    raw[len] = (uint8_t)crc;
    raw[len + 1] = (uint8_t)(crc >> 8);
    nki_base32_encode(raw, len + CHECKSUM, out);
}

/* The bytes of a text of which the right checksum is cut off; false if it is malformed. */
static bool read_text(struct nki_str text, size_t wanted, uint8_t raw[RAW_MAX])
{
    ptrdiff_t len = nki_base32_decode(text, raw, RAW_MAX);
    if (len != (ptrdiff_t)(wanted + CHECKSUM)) {
        return false;
    }
    uint16_t crc = checksum(raw, wanted);
    return raw[wanted] == (uint8_t)crc && raw[wanted + 1] == (uint8_t)(crc >> 8);
}

void nki_nkey_write_seed(const struct nki_nkey *seed, char out[NKI_NKEY_SEED_LEN])
{
    uint8_t raw[RAW_MAX];
    uint8_t prefix = prefix_of(seed->role);
    raw[0] = (uint8_t)(PREFIX_SEED | prefix >> 5);
    raw[1] = (uint8_t)((prefix & 31) << 3);
    memcpy(raw + SEED_HEAD, seed->bytes, NKI_ED25519_KEY);
    write_text(raw, SEED_HEAD + NKI_ED25519_KEY, out);
    explicit_bzero(raw, sizeof raw);
}

void nki_nkey_write_public(const struct nki_nkey *key, char out[NKI_NKEY_PUBLIC_LEN])
{
    uint8_t raw[RAW_MAX];
    raw[0] = prefix_of(key->role);
    memcpy(raw + PUBLIC_HEAD, key->bytes, NKI_ED25519_KEY);
    write_text(raw, PUBLIC_HEAD + NKI_ED25519_KEY, out);
}

void nki_nkey_create(char role, char out[NKI_NKEY_SEED_LEN])
{
    struct nki_nkey seed = {.role = role};
    nki_rand_system(seed.bytes, sizeof seed.bytes);
    nki_nkey_write_seed(&seed, out);
    nki_nkey_wipe(&seed);
}

static int32_t read_seed(struct nki_str text, uint8_t raw[RAW_MAX], struct nki_nkey *out,
                         struct nki_error *err)
{
    if (text.len == 0 || text.ptr[0] != 'S') {
        return nki_error_set(err, NKI_CREDENTIALS, "the seed is none: it does not begin with S");
    }
    if (text.len != NKI_NKEY_SEED_LEN || !read_text(text, SEED_HEAD + NKI_ED25519_KEY, raw)) {
        return nki_error_set(err, NKI_CREDENTIALS, "the seed is malformed: length, characters or checksum");
    }
    uint8_t prefix = (uint8_t)((raw[0] & 7) << 5 | raw[1] >> 3);
    char role = (char)('A' + (prefix >> 3));
    if ((raw[0] & 0xF8) != PREFIX_SEED || (prefix & 7) != 0 || (raw[1] & 7) != 0 || !nki_nkey_role_ok(role)) {
        return nki_error_set(err, NKI_CREDENTIALS,
                             "the seed is not a user's, account's, operator's, server's or cluster's");
    }
    out->role = role;
    memcpy(out->bytes, raw + SEED_HEAD, NKI_ED25519_KEY);
    return NKI_OK;
}

int32_t nki_nkey_read_seed(struct nki_str text, struct nki_nkey *out, struct nki_error *err)
{
    uint8_t raw[RAW_MAX];
    *out = (struct nki_nkey){0};
    int32_t status = read_seed(text, raw, out, err);
    explicit_bzero(raw, sizeof raw);
    return status;
}

int32_t nki_nkey_read_public(struct nki_str text, struct nki_nkey *out, struct nki_error *err)
{
    uint8_t raw[RAW_MAX];
    *out = (struct nki_nkey){0};
    if (text.len > 0 && text.ptr[0] == 'S') { /* the likeliest slip, and one to be noticed */
        return nki_error_set(err, NKI_CREDENTIALS, "a seed stands where a public key belongs");
    }
    if (text.len != NKI_NKEY_PUBLIC_LEN || !read_text(text, PUBLIC_HEAD + NKI_ED25519_KEY, raw)) {
        return nki_error_set(err, NKI_CREDENTIALS,
                             "the public key is malformed: length, characters or checksum");
    }
    char role = (char)('A' + (raw[0] >> 3));
    if ((raw[0] & 7) != 0 || !nki_nkey_role_ok(role)) {
        return nki_error_set(err, NKI_CREDENTIALS,
                             "the public key is not a user's, account's, operator's, server's or cluster's");
    }
    out->role = role;
    memcpy(out->bytes, raw + PUBLIC_HEAD, NKI_ED25519_KEY);
    return NKI_OK;
}

void nki_nkey_wipe(struct nki_nkey *seed)
{
    explicit_bzero(seed, sizeof *seed);
}

int32_t nki_nkey_public(const struct nki_nkey *seed, char out[NKI_NKEY_PUBLIC_LEN], struct nki_error *err)
{
    struct nki_nkey key = {.role = seed->role};
    int32_t status = nki_ed25519_public(seed->bytes, key.bytes, err);
    if (status == NKI_OK) {
        nki_nkey_write_public(&key, out);
    }
    return status;
}
