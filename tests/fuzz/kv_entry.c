/* Fuzzes what is read of a bucket's entries: a message that a consumer delivers, or the answer to a direct
 * get, with any key, headers and value; and the codecs, which give back what they have made and leave alone
 * what they have not. One thread.
 *
 * Input: a byte of flags (bits 0 and 1: codec of keys, 2: of values, 3: a direct get), the key's length, the
 * key, two bytes with the length of the header block, the block, the value. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "kv/entry.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nki_str cut(struct nki_str *rest, size_t len)
{
    len = len < rest->len ? len : rest->len;
    struct nki_str part = nki_str_make(rest->ptr, len);
    *rest = nki_str_make(rest->ptr + len, rest->len - len);
    return part;
}

static size_t cut_byte(struct nki_str *rest)
{
    struct nki_str byte = cut(rest, 1);
    return byte.len > 0 ? (uint8_t)byte.ptr[0] : 0;
}

static char *copy(struct nki_str text)
{
    char *own = malloc(text.len + 1); /* so that a byte too much shows */
    CHECK(own != NULL);
    memcpy(own, text.ptr, text.len);
    return own;
}

/* -- the codecs ------------------------------------------------------------------------------------------ */

/* A value comes back, and what was not made by the codec stays. */
static void check_value(struct nki_str value)
{
    struct nki_buf stored = {0};
    CHECK(nki_kv_encode_value(NKI_KV_VALUE_BASE64, value, &stored) == NKI_OK);
    size_t len = nki_kv_decode_value(NKI_KV_VALUE_BASE64, (char *)stored.data, stored.len);
    CHECK(len == value.len && (len == 0 || memcmp(stored.data, value.ptr, len) == 0));
    nki_buf_free(&stored);
    char *text = copy(value);
    len = nki_kv_decode_value(NKI_KV_VALUE_BASE64, text, value.len);
    CHECK(len <= value.len && (len < value.len || memcmp(text, value.ptr, len) == 0));
    free(text);
}

static bool has_empty_token(struct nki_str key)
{
    while (key.ptr != NULL) {
        if (nki_str_cut(&key, '.').len == 0) {
            return true;
        }
    }
    return false;
}

/* A key that the codec has a form for comes back; of a path without the slash at its end. */
static void check_key(enum nki_kv_codec codec, struct nki_str key)
{
    struct nki_buf stored = {0};
    bool taken = nki_kv_codec_fault(codec, key) == NULL && !has_empty_token(key) &&
                 !(codec == NKI_KV_PATH && nki_str_starts(key, NKI_STR("_root_")));
    CHECK(nki_kv_encode(codec, key, false, &stored) == NKI_OK);
    size_t len = nki_kv_decode(codec, (char *)stored.data, stored.len);
    struct nki_str wanted = key;
    if (codec == NKI_KV_PATH && key.len > 1 && key.ptr[key.len - 1] == '/') {
        wanted.len--;
    }
    CHECK(!taken || (len == wanted.len && memcmp(stored.data, wanted.ptr, len) == 0));
    nki_buf_free(&stored);
    char *text = copy(key);
    CHECK(nki_kv_decode(codec, text, key.len) <= key.len);
    free(text);
}

/* -- entries --------------------------------------------------------------------------------------------- */

static bool inside(struct nki_str part, const struct nki_msg *msg)
{
    struct nki_str data = nki_msg_data(msg);
    return part.len == 0 ||
           (part.ptr >= (const char *)msg->bytes && part.ptr + part.len <= data.ptr + data.len);
}

static struct nki_msg *make_msg(bool direct, struct nki_str key, struct nki_str block, struct nki_str value)
{
    struct nki_buf subject = {0};
    CHECK(nki_buf_append_str(&subject, direct ? NKI_STR("_INBOX.x") : NKI_STR("$KV.B.")));
    CHECK(direct || nki_buf_append_str(&subject, key));
    struct nki_str reply = direct ? NKI_STR("") : NKI_STR("$JS.ACK.KV_B.c.1.7.1.99.3");
    struct nki_msg *msg = nki_msg_new(NULL, nki_str_make((const char *)subject.data, subject.len), reply,
                                      (uint32_t)block.len, (uint32_t)(block.len + value.len));
    CHECK(msg != NULL);
    memcpy(nki_msg_body(msg), block.ptr, block.len);
    memcpy(nki_msg_body(msg) + block.len, value.ptr, value.len);
    nki_buf_free(&subject);
    return msg;
}

static void check_msg(struct nki_kv_codecs codecs, struct nki_msg *msg)
{
    struct nki_kv_entry entry;
    struct nki_kv_entry again;
    if (!nki_kv_entry_read(msg, &entry)) {
        return;
    }
    CHECK(inside(entry.bucket, msg) && inside(entry.key, msg) && inside(entry.value, msg));
    CHECK(entry.operation >= NKI_KV_PUT && entry.operation <= NKI_KV_PURGE);
    struct nki_msg *decoded = nki_kv_entry_decoded(msg, &entry, codecs);
    CHECK(decoded != NULL);
    if (nki_kv_entry_read(decoded, &again)) { /* else nothing is left of the key */
        CHECK(again.revision == entry.revision && again.operation == entry.operation);
        CHECK(again.key.len <= entry.key.len && again.value.len <= entry.value.len);
        CHECK(inside(again.key, decoded) && inside(again.value, decoded));
        bool plain = !nki_kv_codecs_any(codecs);
        CHECK(!plain || (nki_str_eq(again.key, entry.key) && nki_str_eq(again.value, entry.value)));
    }
    nki_msg_release(decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nki_str rest = nki_str_make((const char *)data, size);
    if (size < 4 || size > 100000) {
        return 0;
    }
    size_t flags = cut_byte(&rest);
    struct nki_kv_codecs codecs = {.keys = (enum nki_kv_codec)((flags & 3) % 3),
                                   .values = (flags & 4) != 0 ? NKI_KV_VALUE_BASE64 : NKI_KV_VALUE_PLAIN};
    struct nki_str key = cut(&rest, cut_byte(&rest));
    size_t block_len = cut_byte(&rest) << 8;
    block_len |= cut_byte(&rest);
    struct nki_str block = cut(&rest, block_len);
    check_key(codecs.keys, key);
    check_value(rest);
    struct nki_msg *msg = make_msg((flags & 8) != 0, key, block, rest);
    check_msg(codecs, msg);
    nki_kv_decode_msg(codecs, msg); /* in its place, as of a watch */
    CHECK(inside(nki_msg_header_block(msg), msg) && inside(nki_msg_data(msg), msg));
    nki_msg_release(msg);
    return 0;
}
