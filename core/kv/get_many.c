/* Getting several entries of one moment: see get_many.h. Any thread, but for the mapping of what comes. */
#include "kv/get_many.h"

#include "base/alloc.h"
#include "jetstream/direct.h"
#include "kv/entry.h"
#include "kv/fold.h"

#define IGNORE_DELETES 1u
#define CODECS_SHIFT 1  /* the bits above: struct nki_kv_codecs, packed */
#define DIRECT_MAX 1024 /* subjects that a server gives of one sequence */
#define PAGE_BYTES ((uint64_t)16 * NKI_MIB)

/* Under the engine lock, for each message. */
static int32_t map(struct nki_msg **msg, uint32_t flags)
{
    struct nki_msg *stored = *msg;
    struct nki_kv_codecs codecs = nki_kv_codecs_unpack(flags >> CODECS_SHIFT);
    struct nki_kv_entry entry;
    *msg = NULL;
    if (!nki_kv_entry_read(stored, &entry)) {
        nki_msg_release(stored);
        return NKI_PROTOCOL;
    }
    if ((flags & IGNORE_DELETES) != 0 && entry.operation != NKI_KV_PUT) {
        nki_msg_release(stored);
        return NKI_OK;
    }
    *msg = stored;
    if (nki_kv_codecs_any(codecs)) {
        *msg = nki_kv_entry_decoded(stored, &entry, codecs);
        nki_msg_release(stored);
        if (*msg == NULL) {
            return NKI_NO_MEMORY;
        }
    }
    (*msg)->kind = NKI_MSG_KV;
    return NKI_OK;
}

/* The subjects of the keys, one after the other in `text`. */
static int32_t read_keys(struct nki_kv *kv, const struct nki_kv_many_params *params, struct nki_buf *text,
                         struct nki_str *subjects, struct nki_error *err)
{
    int32_t status = NKI_OK;
    size_t begin = 0;
    for (size_t i = 0; i < params->key_count && status == NKI_OK; i++) {
        begin = text->len;
        status = nki_kv_append_key(kv, nki_kv_place(kv), params->keys[i], true, text, err);
        subjects[i].len = text->len - begin;
    }
    begin = 0;
    for (size_t i = 0; i < params->key_count && status == NKI_OK; i++) {
        subjects[i].ptr = (const char *)text->data + begin; /* which does not move any more */
        begin += subjects[i].len;
    }
    return status;
}

/* By direct gets, unless the server does not answer such. Takes the fold over. */
static int32_t get_direct(struct nki_kv *kv, const struct nki_kv_many_params *params,
                          const struct nki_str *subjects, struct nki_kv_fold *fold, struct nki_sub **out,
                          struct nki_error *err)
{
    const struct nki_direct_params direct = {
        .stream = nki_kv_stream(kv),
        .start_time = NKI_STR(""),
        .next_by_subj = NKI_STR(""),
        .subjects = subjects,
        .subject_count = params->key_count,
        .up_to_time = NKI_STR(""),
        .page_msgs = DIRECT_MAX,
        .page_bytes = PAGE_BYTES,
        .answer_ms = params->answer_ms,
        .exact = true,
        .other = nki_kv_fold_other(fold),
        .map = map,
        .flags = (params->ignore_deletes ? IGNORE_DELETES : 0) | nki_kv_codecs_pack(kv->codecs)
                                                                     << CODECS_SHIFT,
    };
    return nki_direct_open(kv->js, &direct, out, err);
}

int32_t nki_kv_get_many(struct nki_kv *kv, const struct nki_kv_many_params *params, struct nki_sub **out,
                        struct nki_error *err)
{
    assert(params->key_count > 0 && params->key_count <= NKI_KV_MANY_MAX);
    struct nki_buf text = {0};
    struct nki_str *subjects = nki_alloc(params->key_count * sizeof *subjects);
    if (subjects == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    int32_t status = read_keys(kv, params, &text, subjects, err);
    if (status != NKI_OK) {
        nki_free(subjects);
        nki_buf_free(&text);
        return status;
    }
    struct nki_kv_fold *fold =
        nki_kv_fold_new(kv, params->ignore_deletes, &text, subjects, params->key_count);
    if (fold == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    bool directly = nki_kv_place(kv)->direct && params->key_count <= DIRECT_MAX;
    return directly ? get_direct(kv, params, subjects, fold, out, err) : nki_kv_fold_open(fold, out, err);
}
