/* Getting an entry: see get.h. A chain of one or two requests. */
#include "kv/get.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "client/chain.h"
#include "jetstream/api_error.h"
#include "jetstream/stored.h"
#include "kv/entry.h"
#include "wire/header.h"

#include <inttypes.h>
#include <stdio.h>

struct get {
    struct nki_chain chain;
    struct nki_kv *kv;                /* a reference */
    const struct nki_kv_place *place; /* the bucket's */
    uint64_t revision;
    bool by_leader;
    struct nki_buf stored;  /* subject of the key */
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
    nki_buf_free(&get->stored);
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
             nki_buf_append_str(&get->subject, str_of(&get->stored));
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
             nki_buf_append_str(&get->body, str_of(&get->stored)) && nki_buf_append(&get->body, "\"}", 2);
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

/* The key as it is stored. */
static struct nki_str key_of(const struct get *get)
{
    size_t before = get->place->subject_len;
    return nki_str_make((const char *)get->stored.data + before, get->stored.len - before);
}

static enum nki_chain_next not_found(struct get *get, struct nki_chain_end *end)
{
    struct nki_str key = key_of(get);
    char text[80];
    size_t len = key.len < sizeof text ? key.len : sizeof text;
    memcpy(text, key.ptr, len);
    len = nki_kv_decode(get->kv->codec, text, len);
    end->status = NKI_KEY_NOT_FOUND;
    nki_error_set(&end->error, NKI_KEY_NOT_FOUND, "key \"%.*s\": not in bucket %s", (int)len, text,
                  get->kv->stream + 3);
    return NKI_CHAIN_ENDS;
}

/* The message in the form in which a consumer delivers it, with the key decoded; NULL if there is no memory.
 */
static struct nki_msg *decoded(const struct get *get, const struct nki_msg *msg,
                               const struct nki_kv_entry *entry)
{
    char place[96];
    int len = snprintf(place, sizeof place, "$JS.ACK.KV.get.1.%" PRIu64 ".1.%" PRId64 ".0", entry->revision,
                       entry->time_ns);
    struct nki_msg *made = nki_msg_new(NULL, str_of(&get->stored), nki_str_make(place, (size_t)len),
                                       msg->header_len, msg->header_len + msg->data_len);
    if (made != NULL) {
        memcpy(nki_msg_body(made), nki_msg_header_block(msg).ptr, (size_t)msg->header_len + msg->data_len);
        nki_kv_decode_msg(get->kv->codec, made);
    }
    return made;
}

/* The message is there: whether it is the key's, and a value. Takes over the reference. */
static enum nki_chain_next got(struct get *get, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_kv_entry entry;
    enum nki_chain_next next = NKI_CHAIN_ENDS;
    if (!nki_kv_entry_read(msg, &entry)) {
        next = end_with(end, NKI_PROTOCOL, "the answer to a get holds no entry");
    } else if (!nki_str_eq(entry.key, key_of(get))) {
        next = not_found(get, end);
    } else if (entry.operation != NKI_KV_PUT) {
        next = end_with(end, NKI_KEY_DELETED, NULL);
    } else {
        bool plain = get->kv->codec == NKI_KV_PLAIN;
        end->msg = plain ? msg : decoded(get, msg, &entry);
        if (!plain) {
            nki_msg_release(msg);
        }
        if (end->msg == NULL) {
            return end_with(end, NKI_NO_MEMORY, NULL);
        }
        end->msg->kind = NKI_MSG_KV;
        end->msg->origin = get->chain.op != NULL ? nki_conn_origin(get->kv->js->conn) : 0;
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
    get->place = nki_kv_place(kv);
    int32_t status = nki_kv_append_key(kv, get->place, key, false, &get->stored, err);
    if (status == NKI_OK && !(get->place->direct ? ask_directly(get) : ask_leader(get))) {
        status = nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    if (status != NKI_OK) {
        free_get(&get->chain.part);
        return status;
    }
    return nki_conn_chain(kv->js->conn, &get->chain, begin->deadline_ns, begin->timed, begin->wait_room, op,
                          err);
}
