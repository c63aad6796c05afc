/* Fuzzes what is read of a store: the JSON of objects, whose writing must read alike, and digests. */
#include "base/status.h"
#include "object/digest.h"
#include "object/info.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct nki_object_info *info)
{
    struct nki_buf text = {0};
    struct nki_msg *again;
    CHECK(nki_object_info_write(&text, info));
    CHECK(nki_object_info_msg(NKI_STR("$O.b.M.x"), nki_str_make((const char *)text.data, text.len), 1, 2,
                              &again) == NKI_OK);
    const struct nki_object_info *other = nki_object_info_of(again);
    CHECK(nki_str_eq(other->name, info->name) && nki_str_eq(other->description, info->description));
    CHECK(nki_str_eq(other->headers, info->headers) && nki_str_eq(other->metadata, info->metadata));
    CHECK(nki_str_eq(other->nuid, info->nuid) && nki_str_eq(other->digest, info->digest));
    CHECK(nki_str_eq(other->link_bucket, info->link_bucket) && nki_str_eq(other->link_name, info->link_name));
    CHECK(other->size == info->size && other->chunks == info->chunks && other->deleted == info->deleted);
    nki_msg_release(again);
    nki_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nki_str input = nki_str_make((const char *)data, size);
    uint8_t hash[NKI_DIGEST_BYTES];
    struct nki_msg *msg;
    if (nki_object_info_msg(NKI_STR("$O.b.M.x"), input, 1, 2, &msg) == NKI_OK) {
        check_again(nki_object_info_of(msg));
        nki_msg_release(msg);
    }
    if (nki_digest_read(input, hash)) {
        char text[NKI_DIGEST_TEXT];
        uint8_t same[NKI_DIGEST_BYTES];
        nki_digest_write(hash, text);
        CHECK(nki_digest_read(nki_str_make(text, sizeof text), same) && memcmp(hash, same, sizeof same) == 0);
    }
    return 0;
}
