/* Where messages come from: headers that servers write. Any thread. */
#include "jetstream/origin.h"
#include "capi/guard.h"

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

natskit_status natskit_msg_counter(const natskit_msg *msg, const char **value, size_t *value_len)
{
    struct nki_str digits;
    if (!is_plain(msg) || value == NULL || value_len == NULL) {
        return NATSKIT_INVALID;
    }
    if (!nki_counter_read(nki_msg_data(inner_of(msg)), &digits)) {
        return NATSKIT_NOT_FOUND;
    }
    *value = digits.ptr;
    *value_len = digits.len;
    return NATSKIT_OK;
}
