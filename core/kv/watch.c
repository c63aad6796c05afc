/* Watching a bucket: see watch.h. */
#include "kv/watch.h"

#include "base/buf.h"
#include "kv/entry.h"

#define IGNORE_DELETES 1u
#define CODECS_SHIFT 1 /* the bits above: struct nki_kv_codecs, packed */
#define HEARTBEAT_MS 5000

/* Under the engine lock, for each message. */
static struct nki_msg *map(struct nki_msg *msg, uint32_t flags)
{
    if ((flags & IGNORE_DELETES) != 0 && nki_kv_operation_of(nki_msg_header_block(msg)) != NKI_KV_PUT) {
        nki_msg_release(msg);
        return NULL;
    }
    msg->kind = NKI_MSG_KV;
    nki_kv_decode_msg(nki_kv_codecs_unpack(flags >> CODECS_SHIFT), msg);
    return msg;
}

/* Subjects of the patterns, one after the other in `text`. */
struct filters {
    struct nki_buf text;
    size_t ends[NKI_KV_PATTERNS_MAX];
    size_t count;
};

static int32_t add_filter(struct filters *filters, struct nki_kv *kv, struct nki_str pattern,
                          struct nki_error *err)
{
    if (filters->count == NKI_KV_PATTERNS_MAX) {
        return nki_error_set(err, NKI_LIMIT, "more than %d patterns of keys", NKI_KV_PATTERNS_MAX);
    }
    int32_t status = nki_kv_append_key(kv, nki_kv_place(kv), pattern, true, &filters->text, err);
    if (status == NKI_OK) {
        filters->ends[filters->count++] = filters->text.len;
    }
    return status;
}

/* All keys, whatever the codec. */
static int32_t add_all(struct filters *filters, struct nki_kv *kv, struct nki_error *err)
{
    bool ok = nki_buf_append_str(&filters->text, nki_kv_subject(nki_kv_place(kv))) &&
              nki_buf_append(&filters->text, ">", 1);
    filters->ends[filters->count++] = filters->text.len;
    return ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

static int32_t read_patterns(struct filters *filters, struct nki_kv *kv,
                             const struct nki_kv_watch_params *params, struct nki_error *err)
{
    int32_t status = params->pattern_count == 0 ? add_all(filters, kv, err) : NKI_OK;
    for (size_t i = 0; i < params->pattern_count && status == NKI_OK; i++) {
        status = add_filter(filters, kv, params->patterns[i], err);
    }
    return status;
}

static enum nki_deliver deliver_of(const struct nki_kv_watch_params *params)
{
    return params->from_revision > 0 ? NKI_DELIVER_FROM_SEQ
           : params->updates_only    ? NKI_DELIVER_NEW
           : params->history         ? NKI_DELIVER_ALL
                                     : NKI_DELIVER_LAST_PER_SUBJECT;
}

int32_t nki_kv_watch(struct nki_kv *kv, const struct nki_kv_watch_params *params, struct nki_sub **out,
                     struct nki_error *err)
{
    struct filters filters = {.count = 0};
    int32_t status = read_patterns(&filters, kv, params, err);
    if (status == NKI_OK) {
        struct nki_str list[NKI_KV_PATTERNS_MAX];
        size_t begin = 0;
        for (size_t i = 0; i < filters.count; i++) {
            list[i] = nki_str_make((const char *)filters.text.data + begin, filters.ends[i] - begin);
            begin = filters.ends[i];
        }
        uint32_t codecs = params->raw ? 0 : nki_kv_codecs_pack(kv->codecs);
        struct nki_ordered_params ordered = {
            .stream = nki_kv_stream(kv),
            .filters = list,
            .filter_count = filters.count,
            .deliver = deliver_of(params),
            .start_seq = params->from_revision,
            .start_time = NKI_STR(""),
            .headers_only = params->headers_only,
            .marks_done = params->marks && !params->ends,
            .ends_done = params->ends,
            .need = NKI_INITIAL_ALL,
            .keeps = true,
            .mirror = nki_kv_is_mirror(kv),
            .heartbeat_ms = HEARTBEAT_MS,
            .map = map,
            .flags = (params->ignore_deletes ? IGNORE_DELETES : 0) | codecs << CODECS_SHIFT,
            .sink = params->sink,
            .sink_context = params->sink_context,
        };
        status = nki_ordered_open(kv->js, &ordered, out, err);
    } else if (params->sink != NULL) {
        params->sink->end(params->sink_context, NULL, status, NULL);
    }
    nki_buf_free(&filters.text);
    return status;
}
