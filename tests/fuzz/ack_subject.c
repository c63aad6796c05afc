/* Fuzzes the parser of ack subjects. What it reads is written anew and must read alike; the number of tokens
 * is counted here a second time. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jetstream/ack_subject.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct nki_str part, const uint8_t *data, size_t size)
{
    const char *begin = (const char *)data;
    return part.len == 0 || (part.ptr >= begin && part.ptr + part.len <= begin + size);
}

static bool same(const struct nki_ack_subject *a, const struct nki_ack_subject *b)
{
    return nki_str_eq(a->domain, b->domain) && nki_str_eq(a->account, b->account) &&
           nki_str_eq(a->stream, b->stream) && nki_str_eq(a->consumer, b->consumer) &&
           a->delivered == b->delivered && a->stream_seq == b->stream_seq &&
           a->consumer_seq == b->consumer_seq && a->pending == b->pending && a->time_ns == b->time_ns;
}

static int write_again(char *out, size_t cap, const struct nki_ack_subject *from)
{
    char where[4096] = "";
    if (from->account.len > 0) {
        (void)snprintf(where, sizeof where, "%.*s.%.*s.", from->domain.len > 0 ? (int)from->domain.len : 1,
                       from->domain.len > 0 ? from->domain.ptr : "_", (int)from->account.len,
                       from->account.ptr);
    }
    return snprintf(out, cap, "$JS.ACK.%s%.*s.%.*s.%" PRIu64 ".%" PRIu64 ".%" PRIu64 ".%" PRId64 ".%" PRIu64,
                    where, (int)from->stream.len, from->stream.ptr, (int)from->consumer.len,
                    from->consumer.ptr, from->delivered, from->stream_seq, from->consumer_seq, from->time_ns,
                    from->pending);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nki_ack_subject first;
    if (size > 3000 || memchr(data, '\0', size) != NULL ||
        !nki_ack_subject_parse(nki_str_make((const char *)data, size), &first)) {
        return 0;
    }
    size_t tokens = 1;
    for (size_t i = 0; i < size; i++) {
        tokens += data[i] == '.';
    }
    CHECK(tokens == 9 || tokens >= 11);
    CHECK((first.account.len > 0) == (tokens != 9));
    CHECK(first.stream.len > 0 && first.consumer.len > 0);
    CHECK(inside(first.domain, data, size) && inside(first.account, data, size));
    CHECK(inside(first.stream, data, size) && inside(first.consumer, data, size));
    char text[8192];
    int len = write_again(text, sizeof text, &first);
    CHECK(len > 0 && (size_t)len < sizeof text && (size_t)len <= size);
    struct nki_ack_subject second;
    CHECK(nki_ack_subject_parse(nki_str_make(text, (size_t)len), &second));
    CHECK(same(&first, &second));
    return 0;
}
