/* Calls of the JetStream API: their requests. See call.h; the answers are read by answer.c. Any thread. */
#include "jetstream/call_inside.h"

#include "base/alloc.h"
#include "jetstream/ensure.h"
#include "jetstream/fields.h"
#include "jetstream/source.h"
#include "wire/header.h"
#include "wire/subject.h"

#define SUGGEST_EDITS 4

static const struct nki_js_call_row rows[] = {
#define CALL(name, endpoint, body, then, reads, args, since, text)                                           \
    {(name), (endpoint), NKI_JS_BODY_##body, NKI_JS_THEN_##then, (reads) != 0, (args), (since), (text)},
#include "jetstream/calls.def"
#undef CALL
};

const struct nki_js_call_row *nki_js_call_at(size_t index)
{
    return index < NKI_ARRAY_LEN(rows) ? &rows[index] : NULL;
}

static const struct nki_js_call_row *find_row(struct nki_str name, struct nki_error *err)
{
    const struct nki_js_call_row *nearest = NULL;
    size_t least = SUGGEST_EDITS;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_str own = nki_str_z(rows[i].name);
        if (nki_str_eq(own, name)) {
            return &rows[i];
        }
        size_t edits = nki_str_distance(own, name, SUGGEST_EDITS);
        if (edits < least) {
            least = edits;
            nearest = &rows[i];
        }
    }
    int shown = name.len < 64 ? (int)name.len : 64;
    nki_error_set(err, NKI_UNKNOWN_OPTION, "call \"%.*s\" does not exist%s%s%s", shown, name.ptr,
                  nearest != NULL ? "; is \"" : "", nearest != NULL ? nearest->name : "",
                  nearest != NULL ? "\" meant?" : "");
    return NULL;
}

/* -- arguments ------------------------------------------------------------------------------------------- */

/* What a call is made of. */
struct making {
    struct nki_js_call *call;
    const struct nki_js *js;
    struct nki_doc *args;
    struct nki_doc_node *config; /* of calls that have one */
    struct nki_error *err;
};

static struct nki_doc_node *member(struct making *making, struct nki_doc_node *object, struct nki_str name)
{
    return object != NULL && object->type == NKI_DOC_OBJECT ? nki_doc_find(making->args, object, name, NULL)
                                                            : NULL;
}

static struct nki_doc_node *argument(struct making *making, struct nki_str name)
{
    return making->args != NULL ? member(making, making->args->root, name) : NULL;
}

static int32_t invalid(struct making *making, struct nki_str name, const char *fault)
{
    return nki_error_set(making->err, NKI_INVALID, "%s: argument %.*s %s", making->call->row->name,
                         (int)name.len, name.ptr, fault);
}

static int32_t no_memory(struct making *making)
{
    return nki_error_set(making->err, NKI_NO_MEMORY, NULL);
}

/* Appends the name of a stream or consumer, which `node` has to be. */
static int32_t append_name(struct making *making, struct nki_buf *out, struct nki_str argument_name,
                           const struct nki_doc_node *node)
{
    if (node == NULL || node->type != NKI_DOC_STRING) {
        return invalid(making, argument_name, node == NULL ? "is missing" : "is no string");
    }
    const char *fault = nki_js_name_fault(node->u.text);
    if (fault != NULL) {
        int shown = node->u.text.len < 80 ? (int)node->u.text.len : 80;
        return nki_error_set(making->err, NKI_INVALID, "%s: argument %.*s: \"%.*s\" %s",
                             making->call->row->name, (int)argument_name.len, argument_name.ptr, shown,
                             node->u.text.ptr, fault);
    }
    return nki_buf_append_str(out, node->u.text) ? NKI_OK : no_memory(making);
}

/* The subject from the row's endpoint. */
static int32_t make_subject(struct making *making)
{
    struct nki_buf *subject = &making->call->subject;
    struct nki_str rest = nki_str_z(making->call->row->endpoint);
    if (!nki_buf_append_str(subject, nki_js_prefix(making->js)) || !nki_buf_append(subject, ".", 1)) {
        return no_memory(making);
    }
    while (rest.len > 0) {
        struct nki_str plain = nki_str_cut(&rest, '{');
        if (!nki_buf_append_str(subject, plain)) {
            return no_memory(making);
        }
        struct nki_str name = rest.ptr != NULL ? nki_str_cut(&rest, '}') : NKI_STR("");
        int32_t status = name.len > 0 ? append_name(making, subject, name, argument(making, name)) : NKI_OK;
        if (status != NKI_OK) {
            return status;
        }
    }
    return NKI_OK;
}

/* Whether the endpoint names the argument, which then is no part of the body. */
static bool in_endpoint(const struct nki_js_call_row *row, struct nki_str name)
{
    struct nki_str rest = nki_str_z(row->endpoint);
    while (rest.len > 0) {
        nki_str_cut(&rest, '{');
        if (rest.ptr != NULL && nki_str_eq(nki_str_cut(&rest, '}'), name)) {
            return true;
        }
    }
    return false;
}

/* Appends a value as text. */
static bool append_value(struct nki_buf *out, const struct nki_doc_node *node)
{
    size_t len = nki_doc_write(node, NULL, 0);
    if (!nki_buf_reserve(out, len)) {
        return false;
    }
    nki_doc_write(node, (char *)out->data + out->len, len);
    out->len += len;
    return true;
}

static bool append_member(struct nki_buf *out, const struct nki_doc_node *node)
{
    return (out->data[out->len - 1] == '{' || nki_buf_append(out, ",", 1)) &&
           nki_buf_append_json(out, node->key) && nki_buf_append(out, ":", 1) && append_value(out, node);
}

/* Whether the marked arguments of the row are there. */
static int32_t check_given(struct making *making)
{
    struct nki_str rest = nki_str_z(making->call->row->args);
    while (rest.len > 0) {
        struct nki_str name = nki_str_cut(&rest, ' ');
        if (name.ptr[name.len - 1] == '!') {
            name.len--;
            if (argument(making, name) == NULL) {
                return invalid(making, name, "is missing");
            }
        }
    }
    return NKI_OK;
}

/* The body of what the endpoint does not name; nothing if there is nothing. */
static int32_t make_args_body(struct making *making)
{
    struct nki_buf *body = &making->call->body;
    const struct nki_doc_node *root = making->args != NULL ? making->args->root : NULL;
    if (!nki_buf_append(body, "{", 1)) {
        return no_memory(making);
    }
    for (uint32_t i = 0; root != NULL && i < root->u.list.count; i++) {
        const struct nki_doc_node *node = root->u.list.items[i];
        if (!in_endpoint(making->call->row, node->key) && !append_member(body, node)) {
            return no_memory(making);
        }
    }
    if (body->len == 1) {
        body->len = 0;
        return NKI_OK;
    }
    return nki_buf_append(body, "}", 1) ? NKI_OK : no_memory(making);
}

/* -- configurations -------------------------------------------------------------------------------------- */

/* The level of the API that the configuration wants, in a header of the request: a server that does not know
 * its fields says so. */
static int32_t require_level(struct making *making)
{
    const char *object = making->call->row->body == NKI_JS_BODY_STREAM ? "stream" : "consumer";
    unsigned level = nki_js_config_level(making->args, making->config, object);
    char digit = (char)('0' + level);
    return level == 0 ? NKI_OK
                      : nki_header_append(&making->call->header_block, NKI_STR("Nats-Required-Api-Level"),
                                          nki_str_make(&digit, 1), making->err);
}

static int32_t find_config(struct making *making)
{
    making->config = argument(making, NKI_STR("config"));
    if (making->config->type != NKI_DOC_OBJECT) {
        return invalid(making, NKI_STR("config"), "is no object");
    }
    return require_level(making);
}

static bool append_prefixed(struct making *making, struct nki_buf *out, struct nki_str endpoint)
{
    return nki_buf_append_str(out, nki_js_prefix(making->js)) && nki_buf_append(out, ".", 1) &&
           nki_buf_append_str(out, endpoint);
}

/* What the server would change of a configuration, it then refuses. `body`: an object, not empty. */
static bool append_pedantic(struct making *making)
{
    const struct nki_doc_node *pedantic = member(making, making->args->root, NKI_STR("pedantic"));
    if (pedantic == NULL || !nki_js_is_set(pedantic)) {
        return true;
    }
    struct nki_buf *body = &making->call->body;
    body->len--; /* the brace */
    return nki_buf_append_str(body, NKI_STR(",\"pedantic\":true}"));
}

/* A stream's configuration: sent as it is, or kept for the second step. */
static int32_t make_stream(struct making *making)
{
    struct nki_js_call *call = making->call;
    bool updates = call->row->then != NKI_JS_THEN_ENDS;
    const struct nki_doc_node *name = member(making, making->config, NKI_STR("name"));
    int32_t status = append_name(making, &call->subject, NKI_STR("config/name"), name);
    struct nki_buf *config = updates ? &call->config : &call->body;
    if (status == NKI_OK && !append_value(config, making->config)) {
        status = no_memory(making);
    }
    if (status == NKI_OK && nki_js_names_domain(making->args, making->config)) {
        status = nki_js_place_sources(call->row->name, config, making->err);
    }
    if (status == NKI_OK && !updates && !append_pedantic(making)) {
        status = no_memory(making);
    }
    if (status == NKI_OK && updates &&
        !(append_prefixed(making, &call->next_subject, NKI_STR("STREAM.UPDATE.")) &&
          nki_buf_append_str(&call->next_subject, name->u.text))) {
        status = no_memory(making);
    }
    return status;
}

/* The one filter of a consumer that goes into the subject, or NULL. */
static const struct nki_doc_node *filter_of(struct making *making)
{
    const struct nki_doc_node *filter = member(making, making->config, NKI_STR("filter_subject"));
    bool one = filter != NULL && filter->type == NKI_DOC_STRING && filter->u.text.len > 0 &&
               member(making, making->config, NKI_STR("filter_subjects")) == NULL;
    return one && !nki_str_eq(filter->u.text, NKI_STR(">")) ? filter : NULL;
}

/* Name and filter of the consumer, behind "CONSUMER.CREATE.<stream>". */
static int32_t append_consumer(struct making *making, struct nki_buf *subject,
                               const struct nki_doc_node *name, bool with_filter)
{
    if (name == NULL) {
        return NKI_OK; /* the server gives it one */
    }
    const struct nki_doc_node *filter = with_filter ? filter_of(making) : NULL;
    const char *fault = filter != NULL ? nki_subject_subscribe_fault(filter->u.text) : NULL;
    if (fault != NULL) {
        return invalid(making, NKI_STR("config/filter_subject"), fault);
    }
    if (!nki_buf_append(subject, ".", 1)) {
        return no_memory(making);
    }
    int32_t status = append_name(making, subject, NKI_STR("config/name"), name);
    bool ok =
        filter == NULL || (nki_buf_append(subject, ".", 1) && nki_buf_append_str(subject, filter->u.text));
    return status == NKI_OK && !ok ? no_memory(making) : status;
}

/* What deliver groups exclude: the server would not refuse all of it (ADR-15). */
static int32_t check_consumer(struct making *making)
{
    const struct nki_doc_node *group = member(making, making->config, NKI_STR("deliver_group"));
    const struct nki_doc_node *flow = member(making, making->config, NKI_STR("flow_control"));
    const struct nki_doc_node *heartbeat = member(making, making->config, NKI_STR("idle_heartbeat"));
    bool wrong = group != NULL && nki_js_is_set(group) &&
                 ((flow != NULL && nki_js_is_set(flow)) || (heartbeat != NULL && nki_js_is_set(heartbeat)));
    return wrong
               ? invalid(making, NKI_STR("config/deliver_group"), "excludes flow_control and idle_heartbeat")
               : NKI_OK;
}

static bool append_consumer_body(struct making *making, const struct nki_doc_node *stream)
{
    struct nki_js_call *call = making->call;
    bool creates = nki_str_eq(nki_str_z(call->row->name), NKI_STR("consumer.create"));
    return nki_buf_append_str(&call->body, NKI_STR("{\"stream_name\":")) &&
           nki_buf_append_json(&call->body, stream->u.text) &&
           nki_buf_append_str(&call->body, NKI_STR(",\"config\":")) &&
           append_value(&call->body, making->config) &&
           nki_buf_append_str(&call->body, creates ? NKI_STR(",\"action\":\"create\"}") : NKI_STR("}")) &&
           append_pedantic(making);
}

/* A consumer's configuration: sent, or kept for the second step. */
static int32_t make_consumer(struct making *making)
{
    struct nki_js_call *call = making->call;
    bool updates = call->row->then == NKI_JS_THEN_UPDATES_CONSUMER;
    const struct nki_doc_node *stream = argument(making, NKI_STR("stream"));
    const struct nki_doc_node *name = member(making, making->config, NKI_STR("name"));
    name = name != NULL ? name : member(making, making->config, NKI_STR("durable_name"));
    int32_t status = check_consumer(making);
    if (status == NKI_OK) {
        status = append_name(making, &call->subject, NKI_STR("stream"), stream);
    }
    if (status == NKI_OK && updates && name == NULL) {
        status = invalid(making, NKI_STR("config/name"), "is missing");
    }
    if (status == NKI_OK) {
        status = append_consumer(making, &call->subject, name, !updates);
    }
    if (status != NKI_OK || !updates) {
        return status != NKI_OK ? status : append_consumer_body(making, stream) ? NKI_OK : no_memory(making);
    }
    bool ok = append_prefixed(making, &call->next_subject, NKI_STR("CONSUMER.CREATE.")) &&
              nki_buf_append_str(&call->next_subject, stream->u.text) &&
              nki_buf_append(&call->next_subject, ".", 1) &&
              nki_buf_append_str(&call->next_subject, name->u.text) &&
              nki_buf_append_json(&call->stream, stream->u.text) &&
              append_value(&call->config, making->config);
    return ok ? NKI_OK : no_memory(making);
}

/* -- the call -------------------------------------------------------------------------------------------- */

static void free_call(struct nki_op_part *part)
{
    struct nki_js_call *call = NKI_CONTAINER_OF(part, struct nki_js_call, chain.part);
    nki_buf_free(&call->subject);
    nki_buf_free(&call->header_block);
    nki_buf_free(&call->body);
    nki_buf_free(&call->config);
    nki_buf_free(&call->next_subject);
    nki_buf_free(&call->stream);
    nki_buf_free(&call->items);
    nki_free(call);
}

void nki_js_call_show(struct nki_js_call *call)
{
    call->chain.out = (struct nki_outgoing_msg){
        .subject = nki_str_make((const char *)call->subject.data, call->subject.len),
        .reply = NKI_STR(""),
        .header_block = nki_str_make((const char *)call->header_block.data, call->header_block.len),
        .data = nki_str_make((const char *)call->body.data, call->body.len),
    };
}

static int32_t make(struct making *making)
{
    int32_t status = check_given(making);
    if (status == NKI_OK) {
        status = make_subject(making);
    }
    if (status != NKI_OK) {
        return status;
    }
    switch (making->call->row->body) {
    case NKI_JS_BODY_ARGS:
        return make_args_body(making);
    case NKI_JS_BODY_STREAM:
        status = find_config(making);
        return status == NKI_OK ? make_stream(making) : status;
    case NKI_JS_BODY_CONSUMER:
        status = find_config(making);
        return status == NKI_OK ? make_consumer(making) : status;
    default:
        return NKI_OK;
    }
}

int32_t nki_js_call_make(struct nki_js *js, struct nki_str name, struct nki_doc *args, struct nki_chain **out,
                         struct nki_error *err)
{
    struct nki_error error;
    const struct nki_js_call_row *row = find_row(name, err != NULL ? err : &error);
    if (row == NULL) {
        return NKI_UNKNOWN_OPTION;
    }
    if (args != NULL && args->root->type != NKI_DOC_OBJECT) {
        return nki_error_set(err, NKI_INVALID, "%s: the arguments are no object", row->name);
    }
    if (row->body == NKI_JS_BODY_ENSURE) {
        return nki_ensure_make(js, args, out, err);
    }
    struct nki_js_call *call = nki_alloc(sizeof *call);
    if (call == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    memset(call, 0, sizeof *call);
    call->chain.ops = &nki_js_call_ops;
    call->chain.part.free = free_call;
    call->row = row;
    call->then = row->then;
    call->retries = js->api_retries;
    call->reads = row->reads || row->then == NKI_JS_THEN_UPDATES_STREAM ||
                  row->then == NKI_JS_THEN_UPDATES_OR_CREATES || row->then == NKI_JS_THEN_UPDATES_CONSUMER;
    struct making making = {.call = call, .js = js, .args = args, .err = err};
    int32_t status = make(&making);
    nki_js_call_show(call);
    /* A filter with wildcards is part of the subject: to the server it is text. */
    const char *fault = status == NKI_OK ? nki_subject_subscribe_fault(call->chain.out.subject) : NULL;
    if (fault != NULL) {
        status = nki_error_set(err, NKI_INVALID, "%s: its subject %s", row->name, fault);
    }
    if (status != NKI_OK) {
        free_call(&call->chain.part);
        return status;
    }
    *out = &call->chain;
    return NKI_OK;
}
