/* SPDX-License-Identifier: Apache-2.0
 *
 * Nkeys and JWTs for tests. An nkey is Ed25519; its texts are base32 of prefix, key and CRC-16.
 */
#include "wallet_keys.h"

#include "text.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The day on which all JWTs of tests were issued: fixed, so that the same JWT comes out of each run. */
static const int64_t issued = 1700000000;

static const char alphabet64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char alphabet32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* `bits` of each digit: base32 or base64url, without padding. */
static void encode(struct ts_buf *out, const char *alphabet, unsigned bits, const unsigned char *bytes,
                   size_t len)
{
    unsigned held = 0;
    unsigned count = 0;
    for (size_t i = 0; i < len; i++) {
        held = (held << 8 | bytes[i]) & 0xFFFF;
        for (count += 8; count >= bits; count -= bits) {
            ts_buf_add(out, &alphabet[held >> (count - bits) & ((1U << bits) - 1)], 1);
        }
    }
    if (count > 0) {
        ts_buf_add(out, &alphabet[held << (bits - count) & ((1U << bits) - 1)], 1);
    }
}

static unsigned crc16(const unsigned char *bytes, size_t len)
{
    unsigned crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xFFFF;
        }
    }
    return crc;
}

static void encode_key(char *out, size_t cap, const unsigned char *head, size_t head_len,
                       const unsigned char *key)
{
    unsigned char all[2 + 32 + 2];
    struct ts_buf text = {0};
    memcpy(all, head, head_len);
    memcpy(all + head_len, key, 32);
    unsigned crc = crc16(all, head_len + 32);
    all[head_len + 32] = (unsigned char)(crc & 0xFF);
    all[head_len + 33] = (unsigned char)(crc >> 8);
    encode(&text, alphabet32, 5, all, head_len + 34);
    snprintf(out, cap, "%.*s", (int)text.len, text.at);
    ts_buf_free(&text);
}

static EVP_PKEY *private_key(const struct ts_nkey *key)
{
    EVP_PKEY *made = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->raw, 32);
    if (!made) {
        fprintf(stderr, "test support: OpenSSL knows no Ed25519\n");
        abort();
    }
    return made;
}

void ts_nkey_make(struct ts_nkey *key, char role, const char *label)
{
    struct ts_buf text = {0};
    unsigned char point[32];
    size_t size = sizeof point;
    unsigned prefix = (unsigned)(role - 'A') << 3;
    unsigned char seed_head[2] = {(unsigned char)(('S' - 'A') << 3 | prefix >> 5),
                                  (unsigned char)((prefix & 31) << 3)};
    unsigned char id_head = (unsigned char)prefix;
    ts_buf_printf(&text, "natskit test %c %s", role, label);
    SHA256((const unsigned char *)text.at, text.len, key->raw);
    ts_buf_free(&text);
    EVP_PKEY *made = private_key(key);
    EVP_PKEY_get_raw_public_key(made, point, &size);
    EVP_PKEY_free(made);
    encode_key(key->seed, sizeof key->seed, seed_head, 2, key->raw);
    encode_key(key->id, sizeof key->id, &id_head, 1, point);
}

static void sign(const struct ts_nkey *key, const struct ts_buf *text, unsigned char signature[64])
{
    size_t size = 64;
    EVP_PKEY *made = private_key(key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(ctx, NULL, NULL, NULL, made) != 1 ||
        EVP_DigestSign(ctx, signature, &size, (const unsigned char *)text->at, text->len) != 1) {
        fprintf(stderr, "test support: OpenSSL does not sign\n");
        abort();
    }
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(made);
}

static void add_part(struct ts_buf *out, const struct ts_buf *json)
{
    encode(out, alphabet64, 6, (const unsigned char *)json->at, json->len);
}

char *ts_jwt_make(const struct ts_nkey *issuer, const char *subject, const char *name, const char *nats,
                  int64_t expires)
{
    struct ts_buf head = {0}, claims = {0}, jwt = {0};
    unsigned char signature[64];
    ts_buf_printf(&head, "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}");
    ts_buf_printf(&claims, "{\"jti\":\"%s\",\"iat\":%lld,\"iss\":\"%s\",\"name\":\"%s\",\"sub\":\"%s\",",
                  name, (long long)issued, issuer->id, name, subject);
    if (expires) {
        ts_buf_printf(&claims, "\"exp\":%lld,", (long long)expires);
    }
    ts_buf_printf(&claims, "\"nats\":%s}", nats);
    add_part(&jwt, &head);
    ts_buf_add(&jwt, ".", 1);
    add_part(&jwt, &claims);
    sign(issuer, &jwt, signature);
    ts_buf_add(&jwt, ".", 1);
    encode(&jwt, alphabet64, 6, signature, sizeof signature);
    ts_buf_add(&jwt, "", 1);
    ts_buf_free(&head);
    ts_buf_free(&claims);
    return jwt.at;
}
