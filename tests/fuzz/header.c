/* Fuzzes reading a header block: all that comes out lies within it and in order, and what is clean enough to
 * be sent again survives the trip. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/header.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct nki_str part, struct nki_str block)
{
    CHECK(part.ptr >= block.ptr && part.len <= block.len);
    CHECK((size_t)(part.ptr - block.ptr) <= block.len - part.len);
}

static bool same(struct nki_str a, struct nki_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Looks the header up by its name, among its namesakes. */
static void check_find(struct nki_str block, size_t end, struct nki_str name, struct nki_str value)
{
    struct nki_str other;
    struct nki_str text;
    size_t index = 0;
    size_t at = 0;
    while (nki_header_next(block, &at, &other, &text) && at < end) {
        index += same(other, name);
    }
    CHECK(nki_header_find(block, name, NKI_MATCH_EXACT, index, &text));
    CHECK(text.ptr == value.ptr && text.len == value.len);
    CHECK(nki_header_find(block, name, NKI_MATCH_IGNORE_CASE, index, &text));
}

/* Reads the rebuilt block beside the one it was made from. */
static void check_rebuilt(struct nki_str block, struct nki_str rebuilt, size_t count)
{
    struct nki_buf scratch = {0};
    struct nki_str name;
    struct nki_str value;
    struct nki_str name_again;
    struct nki_str value_again;
    size_t at = 0;
    size_t at_again = 0;
    while (count > 0) {
        CHECK(nki_header_next(block, &at, &name, &value));
        int32_t status = nki_header_append(&scratch, name, value, NULL);
        scratch.len = 0;
        if (status != NKI_OK) {
            continue;
        }
        CHECK(nki_header_next(rebuilt, &at_again, &name_again, &value_again));
        CHECK(same(name, name_again) && same(value, value_again));
        count--;
    }
    CHECK(!nki_header_next(rebuilt, &at_again, &name_again, &value_again));
    nki_buf_free(&scratch);
}

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

/* What was taken over is read back in the same order, each value as one line without a NUL. */
static void check_taken_over(struct nki_str block, const struct nki_buf *out)
{
    struct nki_str name;
    struct nki_str value;
    struct nki_str name_again;
    struct nki_str value_again;
    size_t at = 0;
    size_t at_again = 0;
    CHECK(nki_header_next(str_of(out), &at_again, &name_again, &value_again));
    CHECK(same(name_again, nki_str_z("Own")) && same(value_again, nki_str_z("1")));
    while (nki_header_next(block, &at, &name, &value)) {
        CHECK(nki_header_next(str_of(out), &at_again, &name_again, &value_again));
        CHECK(same(name, name_again) && value_again.len <= value.len);
        for (size_t i = 0; i < value_again.len; i++) {
            CHECK(value_again.ptr[i] != '\0' && value_again.ptr[i] != '\r' && value_again.ptr[i] != '\n');
        }
    }
    CHECK(!nki_header_next(str_of(out), &at_again, &name_again, &value_again));
}

/* All or nothing; and what was taken over can be deleted again. */
static void check_append_all(struct nki_str block)
{
    struct nki_buf out = {0};
    struct nki_str name;
    struct nki_str value;
    size_t at = 0;
    CHECK(nki_header_append(&out, nki_str_z("Own"), nki_str_z("1"), NULL) == NKI_OK);
    size_t before = out.len;
    int32_t status = nki_header_append_all(&out, block, NULL);
    if (status != NKI_OK) {
        CHECK(out.len == before && memcmp(out.data, "NATS/1.0\r\nOwn: 1\r\n\r\n", before) == 0);
    } else {
        check_taken_over(block, &out);
        while (nki_header_next(block, &at, &name, &value)) {
            (void)nki_header_delete(&out, name, NKI_MATCH_EXACT);
            CHECK(out.len == 0 || !nki_header_find(str_of(&out), name, NKI_MATCH_EXACT, 0, &value));
        }
        CHECK(out.len == before || out.len == 0); /* 0: one of them was called Own */
    }
    nki_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nki_str block = {(const char *)data, size};
    struct nki_str name;
    struct nki_str value;
    struct nki_buf rebuilt = {0};
    size_t at = 0;
    size_t before = 0;
    size_t seen = 0;
    size_t kept = 0;
    int32_t number = nki_header_status(block, &value);
    CHECK(number >= 0 && number <= 999);
    CHECK(value.len == 0 || (value.ptr[0] != ' ' && value.ptr[value.len - 1] != '\t'));
    while (nki_header_next(block, &at, &name, &value)) {
        CHECK(at > before && at <= size && name.len > 0);
        check_within(name, block);
        check_within(value, block);
        CHECK(name.ptr >= block.ptr + before && value.ptr > name.ptr + name.len - 1);
        CHECK(value.len == 0 || (value.ptr[0] != ' ' && value.ptr[value.len - 1] != ' '));
        if (seen++ < 50) {
            check_find(block, at, name, value);
        }
        size_t len = rebuilt.len;
        int32_t status = nki_header_append(&rebuilt, name, value, NULL);
        CHECK(status == NKI_OK ? rebuilt.len == (len > 0 ? len : 12) + name.len + value.len + 4
                               : rebuilt.len == len);
        CHECK(status == NKI_OK || status == NKI_INVALID || status == NKI_LIMIT);
        kept += status == NKI_OK;
        before = at;
    }
    CHECK(at <= size);
    if (kept > 0 && size < NKI_HEADER_BLOCK_MAX / 2) {
        check_rebuilt(block, nki_str_make((const char *)rebuilt.data, rebuilt.len), kept);
    }
    if (seen < 100) {
        check_append_all(block);
    }
    nki_buf_free(&rebuilt);
    return 0;
}
