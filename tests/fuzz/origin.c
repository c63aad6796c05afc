/* Fuzzes what reads the headers that servers write, and values of counters: texts lie within the input, and
 * are the same when it is read again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "jetstream/origin.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct nki_str part, const uint8_t *data, size_t size)
{
    const char *begin = (const char *)data;
    CHECK(part.len == 0 || (part.ptr >= begin && part.ptr + part.len <= begin + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nki_origin origin;
    struct nki_str digits;
    struct nki_str input = nki_str_make((const char *)data, size);
    if (nki_origin_read(input, &origin)) {
        const struct nki_str parts[] = {origin.stream,        origin.subject,          origin.source_stream,
                                        origin.source_filter, origin.source_transform, origin.source_subject,
                                        origin.marker,        origin.scheduler,        origin.schedule_next,
                                        origin.increment,     origin.counter_sources};
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            check_inside(parts[i], data, size);
        }
    }
    if (nki_counter_read(input, &digits)) {
        check_inside(digits, data, size);
        CHECK(digits.len > 0 && digits.ptr[digits.len - 1] >= '0' && digits.ptr[digits.len - 1] <= '9');
    }
    return 0;
}
