/* Watching a store: see watch.h. */
#include "object/watch.h"

#include "jetstream/ack_subject.h"
#include "object/info.h"

#define IGNORE_DELETES 1u
#define HEARTBEAT_MS 5000

/* Under the engine lock, for each message. */
static struct nki_msg *map(struct nki_msg *msg, uint32_t flags)
{
    struct nki_ack_subject place;
    struct nki_msg *info;
    if (!nki_ack_subject_parse(nki_msg_reply(msg), &place) ||
        nki_object_info_msg(nki_msg_subject(msg), nki_msg_data(msg), place.stream_seq, place.time_ns,
                            &info) != NKI_OK) {
        return msg;
    }
    info->origin = msg->origin;
    info->sid = msg->sid;
    nki_msg_release(msg);
    if ((flags & IGNORE_DELETES) != 0 && nki_object_info_of(info)->deleted) {
        nki_msg_release(info);
        return NULL;
    }
    return info;
}

int32_t nki_object_watch(struct nki_object_store *store, const struct nki_object_watch_params *params,
                         struct nki_sub **out, struct nki_error *err)
{
    struct nki_buf subject = {0};
    if (!nki_object_append_metas_subject(&subject, nki_object_store_bucket(store))) {
        nki_buf_free(&subject);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_str filter = nki_str_make((const char *)subject.data, subject.len);
    const struct nki_ordered_params ordered = {
        .stream = nki_object_store_stream(store),
        .filters = &filter,
        .filter_count = 1,
        .deliver = params->updates_only ? NKI_DELIVER_NEW
                   : params->history    ? NKI_DELIVER_ALL
                                        : NKI_DELIVER_LAST_PER_SUBJECT,
        .start_time = NKI_STR(""),
        .marks_done = params->marks && !params->ends,
        .ends_done = params->ends,
        .need = NKI_INITIAL_ALL,
        .keeps = true,
        .maybe_mirror = true,
        .heartbeat_ms = HEARTBEAT_MS,
        .map = map,
        .flags = params->ignore_deletes ? IGNORE_DELETES : 0,
    };
    int32_t status = nki_ordered_open(store->js, &ordered, out, err);
    nki_buf_free(&subject);
    return status;
}
