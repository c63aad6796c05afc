/* Fuzzes what is read of stored messages: the first byte says whether what follows is the JSON that a
 * stream's leader answers, or the header block of an answer to a direct get. What is read points into the
 * message. One thread. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/status.h"
#include "jetstream/stored.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct nki_str part, struct nki_str whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_read(const struct nki_msg *msg)
{
    struct nki_stored stored;
    struct nki_str block = nki_msg_header_block(msg);
    if (nki_stored_read(msg, &stored)) {
        CHECK(stored.seq > 0);
        CHECK(stored.stream.ptr != NULL && inside(stored.stream, block));
        CHECK(stored.subject.ptr != NULL && inside(stored.subject, block));
    }
}

static void check_json(struct nki_str text)
{
    struct nki_json_value answer;
    struct nki_msg *msg = NULL;
    if (!nki_json_check(text, &answer)) {
        return;
    }
    int32_t status = nki_stored_msg(&answer, NKI_STR("S"), &msg);
    CHECK((status == NKI_OK) == (msg != NULL));
    CHECK(status == NKI_OK || status == NKI_PROTOCOL);
    if (msg != NULL) {
        struct nki_stored stored;
        check_read(msg);
        CHECK(!nki_stored_read(msg, &stored) || nki_str_eq(stored.stream, NKI_STR("S")));
        nki_msg_release(msg);
    }
}

static void check_block(struct nki_str block)
{
    struct nki_msg *msg =
        nki_msg_new(NULL, NKI_STR("_INBOX.x"), NKI_STR(""), (uint32_t)block.len, (uint32_t)block.len);
    CHECK(msg != NULL);
    if (block.len > 0) {
        memcpy(nki_msg_body(msg), block.ptr, block.len);
    }
    check_read(msg);
    nki_msg_release(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 100000) {
        return 0;
    }
    struct nki_str rest = nki_str_make((const char *)data + 1, size - 1);
    if (data[0] == 'j') {
        check_json(rest);
    } else {
        check_block(rest);
    }
    return 0;
}
