/* Getting an entry: see get.h. */
#include "kv/get.h"

#include "base/alloc.h"
#include "jetstream/msg_get.h"
#include "kv/entry.h"

struct get {
    struct nki_msg_get inner;
    struct nki_kv *kv;      /* a reference */
    struct nki_buf subject; /* of the key */
    struct nki_str key;
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
    int shown = get->key.len < 80 ? (int)get->key.len : 80;
    end->status = nki_error_set(&end->error, NKI_KEY_NOT_FOUND, "key \"%.*s\": not in bucket %s", shown,
                                get->key.ptr, get->kv->stream + 3);
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
        msg->kind = NKI_MSG_KV;
        msg->origin = nki_conn_origin(get->kv->js->conn);
        end->msg = msg;
        return;
    }
    nki_msg_release(msg);
}

static const struct nki_msg_get_ops ops = {got, missing, free_get};

int32_t nki_kv_get(struct nki_kv *kv, struct nki_str key, uint64_t revision, const struct nki_js_begin *begin,
                   struct nki_op **op, struct nki_error *err)
{
    const char *fault = nki_kv_key_fault(key);
    if (fault != NULL) {
        int shown = key.len < 80 ? (int)key.len : 80;
        return nki_error_set(err, NKI_INVALID, "key \"%.*s\" %s", shown, key.len > 0 ? key.ptr : "", fault);
    }
    struct get *get = nki_alloc(sizeof *get);
    if (get == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    memset(get, 0, sizeof *get);
    get->inner.ops = &ops;
    get->kv = kv;
    nki_kv_retain(kv);
    size_t prefix_len = nki_kv_subject(kv).len;
    if (!nki_buf_append_str(&get->subject, nki_kv_subject(kv)) || !nki_buf_append_str(&get->subject, key)) {
        free_get(&get->inner);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_str subject = nki_str_make((const char *)get->subject.data, get->subject.len);
    struct nki_msg_get_params params = {
        .stream = nki_kv_stream(kv), .seq = revision, .subject = revision == 0 ? subject : NKI_STR("")};
    get->key = nki_str_make(subject.ptr + prefix_len, key.len);
    return nki_msg_get_begin(&get->inner, kv->js, &params, begin, op, err);
}
