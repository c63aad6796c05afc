/* Headers that servers write: see origin.h. */
#include "jetstream/origin.h"

#include "base/json.h"
#include "base/rfc3339.h"
#include "wire/header.h"

#include <stddef.h>

#define COUNTER_MAX 8192 /* bytes of data; more are no counter */

enum kind { TEXT, NUMBER, TIME, SOURCE };

static const struct field {
    const char *header;
    enum kind kind;
    size_t offset;
} fields[] = {
    {"Nats-Stream", TEXT, offsetof(struct nki_origin, stream)},
    {"Nats-Subject", TEXT, offsetof(struct nki_origin, subject)},
    {"Nats-Sequence", NUMBER, offsetof(struct nki_origin, seq)},
    {"Nats-Last-Sequence", NUMBER, offsetof(struct nki_origin, last_seq)},
    {"Nats-Time-Stamp", TIME, offsetof(struct nki_origin, time_ns)},
    {"Nats-Msg-Size", NUMBER, offsetof(struct nki_origin, size)},
    {"Nats-Stream-Source", SOURCE, 0},
    {"Nats-Marker-Reason", TEXT, offsetof(struct nki_origin, marker)},
    {"Nats-Scheduler", TEXT, offsetof(struct nki_origin, scheduler)},
    {"Nats-Schedule-Next", TEXT, offsetof(struct nki_origin, schedule_next)},
    {"Nats-Incr", TEXT, offsetof(struct nki_origin, increment)},
    {"Nats-Counter-Sources", TEXT, offsetof(struct nki_origin, counter_sources)},
};

/* "STREAM 7 filter transform subject", and what later servers put behind it. */
static void read_source(struct nki_str value, struct nki_origin *out)
{
    out->source_stream = nki_str_cut(&value, ' ');
    if (!nki_str_u64(nki_str_cut(&value, ' '), &out->source_seq)) {
        out->source_seq = 0;
    }
    out->source_filter = nki_str_cut(&value, ' ');
    out->source_transform = nki_str_cut(&value, ' ');
    out->source_subject = nki_str_cut(&value, ' ');
}

static void read_field(const struct field *field, struct nki_str value, struct nki_origin *out)
{
    char *at = (char *)out + field->offset;
    uint64_t number = 0;
    int64_t time_ns = 0;
    switch (field->kind) {
    case TEXT:
        memcpy(at, &value, sizeof value);
        break;
    case NUMBER:
        number = nki_str_u64(value, &number) ? number : 0;
        memcpy(at, &number, sizeof number);
        break;
    case TIME:
        time_ns = nki_rfc3339_read(value, &time_ns) ? time_ns : 0;
        memcpy(at, &time_ns, sizeof time_ns);
        break;
    case SOURCE:
        read_source(value, out);
        break;
    }
}

bool nki_origin_read(struct nki_str block, struct nki_origin *out)
{
    const struct nki_str none = NKI_STR("");
    struct nki_str name;
    struct nki_str value;
    size_t at = 0;
    bool any = false;
    *out = (struct nki_origin){.stream = none,
                               .subject = none,
                               .source_stream = none,
                               .source_filter = none,
                               .source_transform = none,
                               .source_subject = none,
                               .marker = none,
                               .scheduler = none,
                               .schedule_next = none,
                               .increment = none,
                               .counter_sources = none};
    while (nki_header_next(block, &at, &name, &value)) {
        for (size_t i = 0; i < NKI_ARRAY_LEN(fields); i++) {
            if (nki_str_eq(name, nki_str_z(fields[i].header))) {
                read_field(&fields[i], value, out);
                any = true;
            }
        }
    }
    return any;
}

bool nki_counter_read(struct nki_str data, struct nki_str *out)
{
    struct nki_json_value object;
    struct nki_json_value value;
    if (data.len > COUNTER_MAX || !nki_json_check(data, &object) || object.type != NKI_JSON_OBJECT ||
        !nki_json_member(&object, NKI_STR("val"), &value) || value.type != NKI_JSON_STRING) {
        return false;
    }
    struct nki_str text = nki_str_make(value.raw.ptr + 1, value.raw.len - 2);
    size_t sign = text.len > 0 && text.ptr[0] == '-';
    for (size_t i = sign; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    *out = text;
    return text.len > sign;
}
