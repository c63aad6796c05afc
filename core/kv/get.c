/* Getting an entry: see get.h. A chain of one or two requests. */
#include "kv/get.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "client/chain.h"
#include "jetstream/api_error.h"
#include "jetstream/stored.h"
#include "kv/entry.h"
#include "wire/header.h"

struct get {
    struct nki_chain chain;
    struct nki_kv *kv; /* a reference */
    uint64_t revision;
    bool by_leader;
    struct nki_buf key;
    struct nki_buf subject; /* of the request */
    struct nki_buf body;
};

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

static void free_get(struct nki_op_part *part)
{
    struct get *get = NKI_CONTAINER_OF(part, struct get, chain.part);
    nki_buf_free(&get->key);
    nki_buf_free(&get->subject);
    nki_buf_free(&get->body);
    nki_kv_release(get->kv);
    nki_free(get);
}

/* -- requests -------------------------------------------------------------------------------------------- */

static bool append_seq(struct get *get)
{
    return nki_buf_append_str(&get->body, NKI_STR("{\"seq\":")) &&
           nki_buf_append_u64(&get->body, get->revision) && nki_buf_append(&get->body, "}", 1);
}

static bool append_api(struct get *get, struct nki_str verb)
{
    get->subject.len = 0;
    get->body.len = 0;
    return nki_buf_append_str(&get->subject, nki_js_prefix(get->kv->js)) &&
           nki_buf_append_str(&get->subject, verb) &&
           nki_buf_append_str(&get->subject, nki_kv_stream(get->kv));
}

static void show(struct get *get)
{
    get->chain.out = (struct nki_outgoing_msg){.subject = str_of(&get->subject),
                                               .reply = NKI_STR(""),
                                               .header_block = NKI_STR(""),
                                               .data = str_of(&get->body)};
}

/* Of the last one the subject holds the key, so that permissions can tell them apart. */
static bool ask_directly(struct get *get)
{
    bool ok = append_api(get, NKI_STR(".DIRECT.GET."));
    if (get->revision > 0) {
        ok = ok && append_seq(get);
    } else {
        ok = ok && nki_buf_append(&get->subject, ".", 1) &&
             nki_buf_append_str(&get->subject, nki_kv_subject(get->kv)) &&
             nki_buf_append_str(&get->subject, str_of(&get->key));
    }
    show(get);
    return ok;
}

static bool ask_leader(struct get *get)
{
    get->by_leader = true;
    bool ok = append_api(get, NKI_STR(".STREAM.MSG.GET."));
    if (get->revision > 0) {
        ok = ok && append_seq(get);
    } else { /* neither bucket nor key hold what JSON escapes */
        ok = ok && nki_buf_append_str(&get->body, NKI_STR("{\"last_by_subj\":\"")) &&
             nki_buf_append_str(&get->body, nki_kv_subject(get->kv)) &&
             nki_buf_append_str(&get->body, str_of(&get->key)) && nki_buf_append(&get->body, "\"}", 2);
    }
    show(get);
    return ok;
}

/* -- answers --------------------------------------------------------------------------------------------- */

static enum nki_chain_next end_with(struct nki_chain_end *end, int32_t status, const char *text)
{
    end->status = status;
    nki_error_set(&end->error, status, text != NULL ? "%s" : NULL, text);
    return NKI_CHAIN_ENDS;
}

static enum nki_chain_next not_found(struct get *get, struct nki_chain_end *end)
{
    int shown = get->key.len < 80 ? (int)get->key.len : 80;
    end->status = NKI_KEY_NOT_FOUND;
    nki_error_set(&end->error, NKI_KEY_NOT_FOUND, "key \"%.*s\": not in bucket %s", shown,
                  (const char *)get->key.data, get->kv->stream + 3);
    return NKI_CHAIN_ENDS;
}

/* The message is there: whether it is the key's, and a value. Takes over the reference. */
static enum nki_chain_next got(struct get *get, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_kv_entry entry;
    enum nki_chain_next next = NKI_CHAIN_ENDS;
    if (!nki_kv_entry_read(msg, &entry)) {
        next = end_with(end, NKI_PROTOCOL, "the answer to a get holds no entry");
    } else if (!nki_str_eq(entry.key, str_of(&get->key))) {
        next = not_found(get, end);
    } else if (entry.operation != NKI_KV_PUT) {
        next = end_with(end, NKI_KEY_DELETED, NULL);
    } else {
        msg->kind = NKI_MSG_KV;
        msg->origin = get->chain.op != NULL ? nki_conn_origin(get->kv->js->conn) : 0;
        end->msg = msg;
        return next;
    }
    nki_msg_release(msg);
    return next;
}

static enum nki_chain_next answered_directly(struct get *get, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_str text;
    int32_t code = msg->header_len > 0 ? nki_header_status(nki_msg_header_block(msg), &text) : 0;
    if (code == 0) {
        return got(get, msg, end);
    }
    if (code == 404) {
        nki_msg_release(msg);
        return not_found(get, end);
    }
    end->status = NKI_JS_REFUSED;
    nki_error_set(&end->error, NKI_JS_REFUSED, "%d %.*s", code, (int)(text.len < 200 ? text.len : 200),
                  text.ptr);
    end->error.server_code = code;
    nki_msg_release(msg);
    return NKI_CHAIN_ENDS;
}

static enum nki_chain_next answered_by_leader(struct get *get, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_json_value answer;
    struct nki_json_value error;
    struct nki_msg *stored = NULL;
    enum nki_chain_next next = NKI_CHAIN_ENDS;
    if (!nki_json_check(nki_msg_data(msg), &answer) || answer.type != NKI_JSON_OBJECT) {
        next = end_with(end, NKI_PROTOCOL, "the answer to a get is no JSON object");
    } else if (nki_json_member(&answer, NKI_STR("error"), &error)) {
        end->status = nki_js_read_error(&error, &end->error);
        if (end->status == NKI_MSG_NOT_FOUND) {
            next = not_found(get, end);
        }
    } else {
        int32_t status = nki_stored_msg(&answer, nki_kv_stream(get->kv), &stored);
        next = status == NKI_OK ? got(get, stored, end) : end_with(end, status, NULL);
    }
    nki_msg_release(msg);
    return next;
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct get *get = NKI_CONTAINER_OF(chain, struct get, chain);
    if (status == NKI_OK) {
        return get->by_leader ? answered_by_leader(get, msg, end) : answered_directly(get, msg, end);
    }
    if (status == NKI_DISCONNECTED) {
        return NKI_CHAIN_ASKS; /* it changes nothing */
    }
    if (get->by_leader) {
        return end_with(end, NKI_JS_NOT_ENABLED, NULL);
    }
    /* No direct gets, no such bucket, or no JetStream: the leader tells. */
    return ask_leader(get) ? NKI_CHAIN_ASKS : end_with(end, NKI_NO_MEMORY, NULL);
}

static const struct nki_chain_ops ops = {.reply = reply};

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
    get->chain.ops = &ops;
    get->chain.part.free = free_get;
    get->kv = kv;
    nki_kv_retain(kv);
    get->revision = revision;
    if (!nki_buf_append_str(&get->key, key) || !ask_directly(get)) {
        free_get(&get->chain.part);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return nki_conn_chain(kv->js->conn, &get->chain, begin->deadline_ns, begin->timed, begin->wait_room, op,
                          err);
}
