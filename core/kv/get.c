/* Getting an entry: see get.h. */
#include "kv/get.h"

#include "base/alloc.h"
#include "jetstream/msg_get.h"
#include "kv/entry.h"

struct get {
    struct nki_msg_get inner;
    struct nki_kv *kv;      /* a reference */
    struct nki_buf subject; /* of the key */
    struct nki_str key;     /* as it is stored */
};

static struct get *of(struct nki_msg_get *inner)
{
    return NKI_CONTAINER_OF(inner, struct get, inner);
}

static void free_get(struct nki_msg_get *inner)
{
    struct get *get = of(inner);
    nki_buf_free(&get->subject);
    nki_kv_release(get->kv);
    nki_free(get);
}

static void missing(struct nki_msg_get *inner, struct nki_chain_end *end)
{
    const struct get *get = of(inner);
    char text[80];
    size_t len = get->key.len < sizeof text ? get->key.len : sizeof text;
    memcpy(text, get->key.ptr, len);
    len = nki_kv_decode(get->kv->codecs.keys, text, len);
    end->status = nki_error_set(&end->error, NKI_KEY_NOT_FOUND, "key \"%.*s\": not in bucket %s", (int)len,
                                text, get->kv->stream + 3);
}

/* The message is there: whether it is the key's, and a value. */
static void got(struct nki_msg_get *inner, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct get *get = of(inner);
    struct nki_kv_entry entry;
    if (!nki_kv_entry_read(msg, &entry)) {
        end->status = nki_error_set(&end->error, NKI_PROTOCOL, "%s", "the answer to a get holds no entry");
    } else if (!nki_str_eq(entry.key, get->key)) {
        missing(inner, end);
    } else if (entry.operation != NKI_KV_PUT) {
        end->status = nki_error_set(&end->error, NKI_KEY_DELETED, NULL);
    } else {
        bool plain = !nki_kv_codecs_any(get->kv->codecs);
        end->msg = plain ? msg : nki_kv_entry_decoded(msg, &entry, get->kv->codecs);
        if (!plain) {
            nki_msg_release(msg);
        }
        if (end->msg == NULL) {
            end->status = nki_error_set(&end->error, NKI_NO_MEMORY, NULL);
            return;
        }
        end->msg->kind = NKI_MSG_KV;
        end->msg->origin = nki_conn_origin(get->kv->js->conn);
        return;
    }
    nki_msg_release(msg);
}

static const struct nki_msg_get_ops ops = {got, missing, free_get};

int32_t nki_kv_get(struct nki_kv *kv, struct nki_str key, uint64_t revision, const struct nki_js_begin *begin,
                   struct nki_op **op, struct nki_error *err)
{
    struct get *get = nki_alloc(sizeof *get);
    if (get == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    memset(get, 0, sizeof *get);
    get->inner.ops = &ops;
    get->kv = kv;
    nki_kv_retain(kv);
    const struct nki_kv_place *place = nki_kv_place(kv);
    int32_t status = nki_kv_append_key(kv, place, key, false, &get->subject, err);
    if (status != NKI_OK) {
        free_get(&get->inner);
        return status;
    }
    struct nki_str subject = nki_str_make((const char *)get->subject.data, get->subject.len);
    struct nki_msg_get_params params = {.stream = nki_kv_stream(kv),
                                        .seq = revision,
                                        .subject = revision == 0 ? subject : NKI_STR(""),
                                        .by_leader = !place->direct};
    get->key = nki_str_make(subject.ptr + place->subject_len, subject.len - place->subject_len);
    return nki_msg_get_begin(&get->inner, kv->js, &params, begin, op, err);
}
