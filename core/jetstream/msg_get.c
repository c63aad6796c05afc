/* Getting one stored message: see msg_get.h. What runs under the engine lock are the answers. */
#include "jetstream/msg_get.h"

#include "base/alloc.h"
#include "base/rfc3339.h"
#include "jetstream/api_error.h"
#include "jetstream/stored.h"
#include "wire/header.h"
#include "wire/subject.h"

#define SHOWN_MAX 200 /* of the server's words */

static struct nki_msg_get *of(struct nki_chain *chain)
{
    return NKI_CONTAINER_OF(chain, struct nki_msg_get, chain);
}

static void free_part(struct nki_op_part *part)
{
    struct nki_msg_get *get = of(NKI_CONTAINER_OF(part, struct nki_chain, part));
    nki_buf_free(&get->text);
    nki_js_release(get->js);
    get->ops->free(get);
}

/* -- requests -------------------------------------------------------------------------------------------- */

static bool append_member(struct nki_buf *out, bool *more, struct nki_str name)
{
    bool ok = nki_buf_append(out, *more ? "," : "{", 1) && nki_buf_append_str(out, name);
    *more = true;
    return ok;
}

static bool append_body(struct nki_buf *out, const struct nki_msg_get_params *params)
{
    bool more = false;
    bool ok = true;
    if (params->subject.len > 0) {
        ok = append_member(out, &more,
                           params->next ? NKI_STR("\"next_by_subj\":") : NKI_STR("\"last_by_subj\":")) &&
             nki_buf_append_json(out, params->subject);
    }
    if (params->seq > 0) {
        ok = ok && append_member(out, &more, NKI_STR("\"seq\":")) && nki_buf_append_u64(out, params->seq);
    }
    if (params->start_ns != 0) {
        char time[NKI_RFC3339_CAP];
        nki_rfc3339_write(params->start_ns, time);
        ok = ok && append_member(out, &more, NKI_STR("\"start_time\":")) &&
             nki_buf_append_json(out, nki_str_z(time));
    }
    return ok && nki_buf_append(out, "}", 1);
}

static bool append_api(struct nki_buf *out, const struct nki_js *js, struct nki_str verb,
                       struct nki_str stream)
{
    return nki_buf_append_str(out, nki_js_prefix(js)) && nki_buf_append_str(out, verb) &&
           nki_buf_append_str(out, stream);
}

/* Of the last one of a subject the request's subject holds it, so that permissions can tell them apart. */
static bool subject_alone(const struct nki_msg_get_params *params)
{
    return params->subject.len > 0 && !params->next && nki_subject_publish_fault(params->subject) == NULL;
}

static void show(struct nki_msg_get *get, struct nki_str subject, struct nki_str body)
{
    get->chain.out = (struct nki_outgoing_msg){
        .subject = subject, .reply = NKI_STR(""), .header_block = NKI_STR(""), .data = body};
}

static bool make_requests(struct nki_msg_get *get, const struct nki_msg_get_params *params)
{
    const struct nki_js *js = get->js;
    struct nki_buf *text = &get->text;
    bool alone = subject_alone(params);
    size_t ends[4];
    bool ok = nki_buf_append_str(text, params->stream);
    ends[0] = text->len;
    ok = ok && append_api(text, js, NKI_STR(".DIRECT.GET."), params->stream) &&
         (!alone || (nki_buf_append(text, ".", 1) && nki_buf_append_str(text, params->subject)));
    ends[1] = text->len;
    ok = ok && append_api(text, js, NKI_STR(".STREAM.MSG.GET."), params->stream);
    ends[2] = text->len;
    ok = ok && append_body(text, params);
    ends[3] = text->len;
    if (!ok) {
        return false;
    }
    const char *begin = (const char *)text->data;
    get->stream = nki_str_make(begin, ends[0]);
    get->leader = nki_str_make(begin + ends[1], ends[2] - ends[1]);
    get->body = nki_str_make(begin + ends[2], ends[3] - ends[2]);
    if (params->by_leader) {
        show(get, get->leader, get->body);
    } else {
        show(get, nki_str_make(begin + ends[0], ends[1] - ends[0]), alone ? NKI_STR("") : get->body);
    }
    return true;
}

/* -- answers --------------------------------------------------------------------------------------------- */

static enum nki_chain_next end_with(struct nki_chain_end *end, int32_t status, const char *text)
{
    end->status = status;
    nki_error_set(&end->error, status, text != NULL ? "%s" : NULL, text);
    return NKI_CHAIN_ENDS;
}

int32_t nki_direct_error(int32_t code, struct nki_str text, struct nki_error *out)
{
    int32_t status = code == 404   ? NKI_MSG_NOT_FOUND
                     : code == 412 ? NKI_API_LEVEL
                     : code == 413 ? NKI_JS_LIMIT
                     : code == 503 ? NKI_NO_DIRECT
                                   : NKI_JS_REFUSED;
    nki_error_set(out, status, "%d %.*s", code, (int)(text.len < SHOWN_MAX ? text.len : SHOWN_MAX), text.ptr);
    out->server_code = code;
    return status;
}

static void answered_directly(struct nki_msg_get *get, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_str text;
    int32_t code = msg->header_len > 0 ? nki_header_status(nki_msg_header_block(msg), &text) : 0;
    if (code == 0) {
        get->ops->got(get, msg, end);
        return;
    }
    end->outcome = NKI_OUTCOME_REJECTED;
    if (code == 404) {
        get->ops->missing(get, end);
    } else {
        end->status = nki_direct_error(code, text, &end->error);
    }
    nki_msg_release(msg);
}

static void answered_by_leader(struct nki_msg_get *get, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_json_value answer;
    struct nki_json_value error;
    struct nki_msg *stored = NULL;
    if (!nki_json_check(nki_msg_data(msg), &answer) || answer.type != NKI_JSON_OBJECT) {
        end_with(end, NKI_PROTOCOL, "the answer to a get is no JSON object");
    } else if (nki_json_member(&answer, NKI_STR("error"), &error)) {
        end->status = nki_js_read_error(&error, &end->error);
        end->outcome = NKI_OUTCOME_REJECTED;
        if (end->status == NKI_MSG_NOT_FOUND) {
            int32_t err_code = end->error.err_code;
            get->ops->missing(get, end);
            end->error.server_code = 404;
            end->error.err_code = err_code;
        }
    } else {
        int32_t status = nki_stored_msg(&answer, get->stream, &stored);
        if (status == NKI_OK) {
            get->ops->got(get, stored, end);
        } else {
            end_with(end, status, status == NKI_PROTOCOL ? "the answer to a get holds no message" : NULL);
        }
    }
    nki_msg_release(msg);
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct nki_msg_get *get = of(chain);
    if (status == NKI_OK) {
        if (get->by_leader) {
            answered_by_leader(get, msg, end);
        } else {
            answered_directly(get, msg, end);
        }
        return NKI_CHAIN_ENDS;
    }
    if (status == NKI_DISCONNECTED) {
        return NKI_CHAIN_ASKS; /* it changes nothing */
    }
    if (get->by_leader) {
        return end_with(end, NKI_JS_NOT_ENABLED, NULL);
    }
    /* No direct gets, no such stream, or no JetStream: the leader tells. */
    get->by_leader = true;
    show(get, get->leader, get->body);
    return NKI_CHAIN_ASKS;
}

static const struct nki_chain_ops chain_ops = {.reply = reply};

int32_t nki_msg_get_begin(struct nki_msg_get *get, struct nki_js *js, const struct nki_msg_get_params *params,
                          const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    get->js = js;
    nki_js_retain(js);
    get->chain.ops = &chain_ops;
    get->chain.part.free = free_part;
    get->by_leader = params->by_leader;
    if (!make_requests(get, params)) {
        free_part(&get->chain.part);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return nki_conn_chain(js->conn, &get->chain, begin->deadline_ns, begin->timed, begin->wait_room, op, err);
}

/* -- of any stream --------------------------------------------------------------------------------------- */

static void got(struct nki_msg_get *get, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_stored stored;
    if (!nki_stored_read(msg, &stored)) {
        nki_msg_release(msg);
        end_with(end, NKI_PROTOCOL, "the answer to a get does not say where the message is stored");
        return;
    }
    msg->kind = NKI_MSG_STORED;
    msg->origin = nki_conn_origin(get->js->conn);
    end->msg = msg;
}

static void missing(struct nki_msg_get *get, struct nki_chain_end *end)
{
    end->status = nki_error_set(&end->error, NKI_MSG_NOT_FOUND, "stream %.*s has no such message",
                                (int)get->stream.len, get->stream.ptr);
    end->error.server_code = 404;
}

static void free_get(struct nki_msg_get *get)
{
    nki_free(get);
}

static const struct nki_msg_get_ops ops = {got, missing, free_get};

int32_t nki_js_msg_get(struct nki_js *js, const struct nki_msg_get_params *params,
                       const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    struct nki_msg_get *get = nki_alloc(sizeof *get);
    if (get == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    memset(get, 0, sizeof *get);
    get->ops = &ops;
    return nki_msg_get_begin(get, js, params, begin, op, err);
}
