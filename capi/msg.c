/* Messages and events: views of what the core delivered, without a copy. A natskit_msg is a struct nki_msg.
 * Any thread that holds a reference. */
#include "capi/guard.h"
#include "jetstream/stored.h"
#include "wire/header.h"

_Static_assert(NATSKIT_MSG_MESSAGE == (int)NKI_MSG_MESSAGE && NATSKIT_MSG_EVENT == (int)NKI_MSG_EVENT &&
                   NATSKIT_MSG_STATUS == (int)NKI_MSG_STATUS && NATSKIT_MSG_PUB_ACK == (int)NKI_MSG_PUB_ACK &&
                   NATSKIT_MSG_KV == (int)NKI_MSG_KV && NATSKIT_MSG_STORED == (int)NKI_MSG_STORED &&
                   NATSKIT_MSG_SERVICE == (int)NKI_MSG_SERVICE,
               "kinds are numbered alike");
_Static_assert(NATSKIT_MATCH_EXACT == (int)NKI_MATCH_EXACT &&
                   NATSKIT_MATCH_IGNORE_CASE == (int)NKI_MATCH_IGNORE_CASE,
               "matches are numbered alike");
_Static_assert(NATSKIT_EVENT_CONNECTED == (int)NKI_EVENT_CONNECTED &&
                   NATSKIT_EVENT_DISCONNECTED == (int)NKI_EVENT_DISCONNECTED &&
                   NATSKIT_EVENT_RECONNECTING == (int)NKI_EVENT_RECONNECTING &&
                   NATSKIT_EVENT_RECONNECTED == (int)NKI_EVENT_RECONNECTED &&
                   NATSKIT_EVENT_SERVERS == (int)NKI_EVENT_SERVERS &&
                   NATSKIT_EVENT_LAME_DUCK == (int)NKI_EVENT_LAME_DUCK &&
                   NATSKIT_EVENT_SLOW_CONSUMER == (int)NKI_EVENT_SLOW_CONSUMER &&
                   NATSKIT_EVENT_ASYNC_ERROR == (int)NKI_EVENT_ASYNC_ERROR &&
                   NATSKIT_EVENT_STALE == (int)NKI_EVENT_STALE &&
                   NATSKIT_EVENT_CLOSED == (int)NKI_EVENT_CLOSED &&
                   NATSKIT_EVENT_PING == (int)NKI_EVENT_PING &&
                   NATSKIT_EVENT_FORCED_RECONNECT == (int)NKI_EVENT_FORCED_RECONNECT &&
                   NATSKIT_EVENT_DELAY_NEEDED == (int)NKI_EVENT_DELAY_NEEDED &&
                   NATSKIT_EVENT_AUTH_NEEDED == (int)NKI_EVENT_AUTH_NEEDED,
               "events are numbered alike");

static const struct nki_msg *inner_of(const natskit_msg *msg)
{
    return (const struct nki_msg *)(const void *)msg;
}

static void fill_view(const struct nki_msg *inner, natskit_message_view *out)
{
    struct nki_str subject = nki_msg_subject(inner);
    struct nki_str reply = nki_msg_reply(inner);
    struct nki_str data = nki_msg_data(inner);
    struct nki_str block = {NULL, 0};
    struct nki_str description = {NULL, 0};
    int32_t status_code = 0;
    if (inner->header_len > 0) {
        block = nki_msg_header_block(inner);
        status_code = nki_header_status(block, &description);
    }
    *out = (natskit_message_view){
        .kind = inner->kind,
        .status_code = status_code,
        .sid = inner->sid,
        .subject = subject.ptr,
        .subject_len = subject.len,
        .reply = reply.ptr,
        .reply_len = reply.len,
        .data = data.ptr,
        .data_len = data.len,
        .header_block = block.ptr,
        .header_block_len = block.len,
        .description = description.ptr,
        .description_len = description.len,
    };
}

natskit_status natskit_msg_view(const natskit_msg *msg, natskit_message_view *view, size_t view_size)
{
    if (NKI_UNLIKELY(msg == NULL || view == NULL || view_size == 0)) {
        return NATSKIT_INVALID;
    }
    const struct nki_msg *inner = inner_of(msg);
    natskit_message_view small NKI_UNINIT;
    /* Straight to its place: a copy would wait for the stores that it reads. */
    natskit_message_view *out = NKI_LIKELY(view_size >= sizeof small) ? view : &small;
    if (NKI_LIKELY(inner->kind == NKI_MSG_MESSAGE || inner->kind == NKI_MSG_SERVICE)) {
        fill_view(inner, out);
    } else {
        *out = (natskit_message_view){.kind = inner->kind};
    }
    if (NKI_UNLIKELY(out != view)) {
        memcpy(view, out, view_size);
    }
    return NATSKIT_OK;
}

natskit_status natskit_msg_header(const natskit_msg *msg, const char *name, size_t name_len, int32_t match,
                                  size_t index, const char **value, size_t *value_len)
{
    struct nki_str name_str;
    if (msg == NULL || value == NULL || value_len == NULL || !nki_capi_str(name, name_len, &name_str) ||
        name_str.len == 0 || match < NATSKIT_MATCH_EXACT || match > NATSKIT_MATCH_CANONICAL) {
        return NATSKIT_INVALID;
    }
    struct nki_str found;
    struct nki_str block = nki_stored_own_block(inner_of(msg));
    if (block.len == 0 || !nki_header_find(block, name_str, (enum nki_header_match)match, index, &found)) {
        return NATSKIT_NOT_FOUND;
    }
    *value = found.ptr;
    *value_len = found.len;
    return NATSKIT_OK;
}

natskit_status natskit_msg_header_at(const natskit_msg *msg, size_t index, const char **name,
                                     size_t *name_len, const char **value, size_t *value_len)
{
    if (msg == NULL || name == NULL || name_len == NULL || value == NULL || value_len == NULL) {
        return NATSKIT_INVALID;
    }
    struct nki_str name_str;
    struct nki_str value_str;
    const struct nki_msg *inner = inner_of(msg);
    if (!nki_msg_header_at(inner, index, &name_str, &value_str)) {
        return NATSKIT_NOT_FOUND;
    }
    struct nki_str block = nki_stored_own_block(inner);
    if (name_str.ptr >= block.ptr + block.len) {
        return NATSKIT_NOT_FOUND; /* the server's */
    }
    *name = name_str.ptr;
    *name_len = name_str.len;
    *value = value_str.ptr;
    *value_len = value_str.len;
    return NATSKIT_OK;
}

natskit_status natskit_msg_event(const natskit_msg *msg, natskit_event_view *view, size_t view_size)
{
    if (msg == NULL || view == NULL || view_size == 0 || inner_of(msg)->kind != NKI_MSG_EVENT) {
        return NATSKIT_INVALID;
    }
    const struct nki_event *event = nki_event_of(inner_of(msg));
    natskit_event_view filled = {
        .type = event->type,
        .status = event->status,
        .epoch = event->epoch,
        .sid = event->sid,
        .count = event->count,
        .time_ns = event->time_ns,
        .server = event->server.ptr,
        .server_len = event->server.len,
        .subject = event->subject.ptr,
        .subject_len = event->subject.len,
        .text = event->text.ptr,
        .text_len = event->text.len,
        .request = event->request,
        .delay_ms = event->delay_ms,
        .pending = event->pending,
    };
    return nki_capi_give(view, view_size, &filled, sizeof filled);
}

/* -- references ------------------------------------------------------------------------------------------ */

natskit_status natskit_msg_retain(natskit_msg *msg)
{
    if (NKI_UNLIKELY(msg == NULL)) {
        return NATSKIT_INVALID;
    }
    nki_msg_retain((struct nki_msg *)(void *)msg);
    return NATSKIT_OK;
}

natskit_status natskit_msg_release(natskit_msg *msg)
{
    nki_msg_release((struct nki_msg *)(void *)msg);
    return NATSKIT_OK;
}

natskit_status natskit_msg_release_batch(natskit_msg *const *msgs, size_t count)
{
    if (msgs == NULL && count > 0) {
        return NATSKIT_INVALID;
    }
    nki_msg_release_batch((struct nki_msg *const *)(const void *)msgs, count);
    return NATSKIT_OK;
}
