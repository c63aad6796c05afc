/* Where messages come from: headers that servers write. Any thread. */
#include "jetstream/origin.h"
#include "capi/guard.h"
#include "jetstream/stored.h"

#define TEXT(field) .field = origin.field.ptr, .field##_len = origin.field.len

static const struct nki_msg *inner_of(const natskit_msg *msg)
{
    return (const struct nki_msg *)(const void *)msg;
}

/* Whether it has headers and data as they were published. */
static bool is_plain(const natskit_msg *msg)
{
    return msg != NULL && inner_of(msg)->kind == NKI_MSG_MESSAGE;
}

natskit_status natskit_msg_origin(const natskit_msg *msg, natskit_origin *view, size_t view_size)
{
    struct nki_origin origin;
    if (!is_plain(msg) || view == NULL || view_size == 0) {
        return NATSKIT_INVALID;
    }
    if (!nki_origin_read(nki_msg_header_block(inner_of(msg)), &origin)) {
        return NATSKIT_NOT_FOUND;
    }
    const natskit_origin filled = {
        TEXT(stream),
        TEXT(subject),
        .seq = origin.seq,
        .last_seq = origin.last_seq,
        .time_ns = origin.time_ns,
        .size = origin.size,
        TEXT(source_stream),
        .source_seq = origin.source_seq,
        TEXT(source_filter),
        TEXT(source_transform),
        TEXT(source_subject),
        TEXT(marker),
        TEXT(scheduler),
        TEXT(schedule_next),
        TEXT(increment),
        TEXT(counter_sources),
    };
    return nki_capi_give(view, view_size, &filled, sizeof filled);
}

/* One that a consumer has delivered, or a stored one. */
static bool may_count(const natskit_msg *msg)
{
    return is_plain(msg) || (msg != NULL && inner_of(msg)->kind == NKI_MSG_STORED);
}

natskit_status natskit_msg_counter(const natskit_msg *msg, const char **value, size_t *value_len)
{
    struct nki_str digits;
    if (!may_count(msg) || value == NULL || value_len == NULL) {
        return NATSKIT_INVALID;
    }
    if (!nki_counter_read(nki_msg_data(inner_of(msg)), &digits)) {
        return NATSKIT_NOT_FOUND;
    }
    *value = digits.ptr;
    *value_len = digits.len;
    return NATSKIT_OK;
}

natskit_status natskit_msg_counter_sources(const natskit_msg *msg, natskit_json *out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    if (!may_count(msg)) {
        return nki_capi_invalid(err, "msg: it is no message of a stream");
    }
    struct nki_origin origin;
    bool has = inner_of(msg)->header_len > 0 && nki_origin_read(nki_stored_own_block(inner_of(msg)), &origin);
    if (!has || origin.counter_sources.len == 0) {
        return nki_error_set(nki_capi_err(err), NATSKIT_NOT_FOUND, "the message has no Nats-Counter-Sources");
    }
    return nki_capi_json_read(origin.counter_sources, out, err);
}
