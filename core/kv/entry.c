/* Entries: see entry.h. */
#include "kv/entry.h"

#include "jetstream/ack_subject.h"
#include "jetstream/stored.h"
#include "wire/header.h"

#include <inttypes.h>
#include <stdio.h>

/* Headers that the server adds stand behind the publisher's: the last value counts. */
static bool last_value(struct nki_str block, struct nki_str name, struct nki_str *value)
{
    struct nki_str own_name;
    struct nki_str own_value;
    size_t at = 0;
    bool found = false;
    while (nki_header_next(block, &at, &own_name, &own_value)) {
        if (nki_str_eq(own_name, name)) {
            *value = own_value;
            found = true;
        }
    }
    return found;
}

enum nki_kv_operation nki_kv_operation_of(struct nki_str block)
{
    struct nki_str value;
    if (block.len == 0) {
        return NKI_KV_PUT;
    }
    if (nki_header_find(block, NKI_STR("KV-Operation"), NKI_MATCH_EXACT, 0, &value)) {
        return nki_str_eq(value, NKI_STR("PURGE")) ? NKI_KV_PURGE : NKI_KV_DELETE;
    }
    if (nki_header_find(block, NKI_STR("Nats-Marker-Reason"), NKI_MATCH_EXACT, 0, &value)) {
        bool purged = nki_str_eq(value, NKI_STR("MaxAge")) || nki_str_eq(value, NKI_STR("Purge"));
        return purged ? NKI_KV_PURGE : NKI_KV_DELETE;
    }
    return NKI_KV_PUT;
}

/* Cuts "$KV.<bucket>." off a subject. */
static bool read_subject(struct nki_str subject, struct nki_kv_entry *out)
{
    struct nki_str rest = subject;
    if (!nki_str_eq(nki_str_cut(&rest, '.'), NKI_STR("$KV")) || rest.ptr == NULL) {
        return false;
    }
    out->bucket = nki_str_cut(&rest, '.');
    out->key = rest;
    return rest.ptr != NULL && rest.len > 0;
}

/* The answer to a direct get. */
static bool read_direct(const struct nki_msg *msg, struct nki_kv_entry *out)
{
    struct nki_stored stored;
    if (!nki_stored_read(msg, &stored)) {
        return false;
    }
    out->revision = stored.seq;
    out->time_ns = stored.time_ns;
    return read_subject(stored.subject, out);
}

bool nki_kv_entry_read(const struct nki_msg *msg, struct nki_kv_entry *out)
{
    struct nki_ack_subject place;
    struct nki_str block = nki_msg_header_block(msg);
    struct nki_str size;
    memset(out, 0, sizeof *out);
    if (nki_ack_subject_parse(nki_msg_reply(msg), &place)) {
        out->revision = place.stream_seq;
        out->delta = place.pending;
        out->time_ns = place.time_ns;
        if (!read_subject(nki_msg_subject(msg), out)) {
            return false;
        }
    } else if (!read_direct(msg, out)) {
        return false;
    }
    out->operation = nki_kv_operation_of(block);
    out->value = nki_msg_data(msg);
    out->value_len = out->value.len;
    if (out->value.len == 0 && block.len > 0 && last_value(block, NKI_STR("Nats-Msg-Size"), &size)) {
        (void)nki_str_u64(size, &out->value_len);
    }
    return true;
}

struct nki_msg *nki_kv_entry_decoded(const struct nki_msg *msg, const struct nki_kv_entry *entry,
                                     struct nki_kv_codecs codecs)
{
    static const char begin[] = "$KV.";
    char place[96];
    int len = snprintf(place, sizeof place, "$JS.ACK.KV.get.1.%" PRIu64 ".1.%" PRId64 ".0", entry->revision,
                       entry->time_ns);
    const char *subject = entry->bucket.ptr - (sizeof begin - 1); /* where they were read, one piece */
    size_t subject_len = sizeof begin - 1 + entry->bucket.len + 1 + entry->key.len;
    struct nki_msg *made =
        nki_msg_new(NULL, nki_str_make(subject, subject_len), nki_str_make(place, (size_t)len),
                    msg->header_len, msg->header_len + msg->data_len);
    if (made != NULL) {
        memcpy(nki_msg_body(made), nki_msg_header_block(msg).ptr, (size_t)msg->header_len + msg->data_len);
        made->origin = msg->origin;
        nki_kv_decode_msg(codecs, made);
    }
    return made;
}
