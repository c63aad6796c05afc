/* Calls about buckets: see call.h. Each wraps a call about the stream: it hands requests and answers through,
 * and makes another answer of the last one. Replies are looked at under the engine lock, by whoever reads the
 * connection: texts are scanned, not parsed into trees. */
#include "kv/call.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "jetstream/api_error.h"
#include "kv/config.h"

#define SUGGEST_EDITS 4
#define MARKER_LEVEL 1 /* of the API that knows limit markers: server 2.11 */
#define ATOMIC_LEVEL 2 /* that knows atomic batches: server 2.12 */

enum kind { CREATE, UPDATE, CREATE_OR_UPDATE, STATUS, NAMES, LIST, DELETE, KIND_COUNT };

static const struct nki_js_call_row rows[] = {
#define CALL(name, endpoint, body, then, reads, args, since, text)                                           \
    {(name), (endpoint), NKI_JS_BODY_##body, NKI_JS_THEN_##then, (reads) != 0, (args), (since), (text)},
#include "kv/calls.def"
#undef CALL
};
_Static_assert(NKI_ARRAY_LEN(rows) == KIND_COUNT, "the rows stand in the order of the kinds");

/* The calls about streams that they wrap. */
static const char *const wrapped[KIND_COUNT] = {"stream.create", "stream.update", "stream.create_or_update",
                                                "stream.info",   "stream.names",  "stream.list",
                                                "stream.delete"};

struct call {
    struct nki_chain chain;
    struct nki_chain *inner;
    enum kind kind;
    struct nki_kv *kv;  /* a reference, if it is bound by the answer; else NULL */
    bool asking_level;  /* the first request is for the level of the API, */
    bool wants_markers; /* of which these have to be there */
    bool wants_atomic;
    struct nki_buf level; /* subject of that */
};

const struct nki_js_call_row *nki_kv_call_at(size_t index)
{
    return index < NKI_ARRAY_LEN(rows) ? &rows[index] : NULL;
}

static void free_call(struct nki_op_part *part)
{
    struct call *call = NKI_CONTAINER_OF(part, struct call, chain.part);
    if (call->inner != NULL) {
        call->inner->part.free(&call->inner->part);
    }
    if (call->kv != NULL) {
        nki_kv_release(call->kv);
    }
    nki_buf_free(&call->level);
    nki_free(call);
}

/* -- answers --------------------------------------------------------------------------------------------- */

static bool member_of(const struct nki_json_value *object, struct nki_str name, struct nki_json_value *out)
{
    const struct nki_json_value parent = *object; /* `out` may be the same */
    return parent.type == NKI_JSON_OBJECT && nki_json_member(&parent, name, out);
}

static bool append_key(struct nki_buf *out, const char *name)
{
    return (out->data[out->len - 1] == '{' || nki_buf_append(out, ",", 1)) && nki_buf_append(out, "\"", 1) &&
           nki_buf_append_str(out, nki_str_z(name)) && nki_buf_append(out, "\":", 2);
}

/* Members of the status, from the configuration (`state` false) or the state of the stream, where they have
 * the second name; without a default they are left out if the stream has none. */
static const struct {
    const char *name;
    const char *from;
    bool state;
    const char *otherwise;
} members[] = {
    {"values", "messages", true, "0"},
    {"bytes", "bytes", true, "0"},
    {"history", "max_msgs_per_subject", false, "1"},
    {"ttl", "max_age", false, "0"},
    {"limit_marker_ttl", "subject_delete_marker_ttl", false, "0"},
    {"max_bytes", "max_bytes", false, "-1"},
    {"max_value_size", "max_msg_size", false, "-1"},
    {"storage", "storage", false, "\"file\""},
    {"num_replicas", "num_replicas", false, "1"},
    {"allow_atomic", "allow_atomic", false, "false"},
    {"description", "description", false, NULL},
    {"placement", "placement", false, NULL},
    {"republish", "republish", false, NULL},
    {"mirror", "mirror", false, NULL},
    {"sources", "sources", false, NULL},
    {"metadata", "metadata", false, "{}"},
};

/* Appends the status of the bucket that a stream's info is about. */
static bool append_status(struct nki_buf *out, const struct nki_json_value *info, struct nki_str bucket)
{
    struct nki_json_value config = {.type = NKI_JSON_NULL};
    struct nki_json_value state = {.type = NKI_JSON_NULL};
    struct nki_json_value value;
    (void)member_of(info, NKI_STR("config"), &config);
    (void)member_of(info, NKI_STR("state"), &state);
    bool ok = nki_buf_append(out, "{", 1) && append_key(out, "bucket") && nki_buf_append_json(out, bucket);
    for (size_t i = 0; ok && i < NKI_ARRAY_LEN(members); i++) {
        bool has = member_of(members[i].state ? &state : &config, nki_str_z(members[i].from), &value);
        if (has || members[i].otherwise != NULL) {
            ok = append_key(out, members[i].name) &&
                 nki_buf_append_str(out, has ? value.raw : nki_str_z(members[i].otherwise));
        }
    }
    bool packed = member_of(&config, NKI_STR("compression"), &value) &&
                  !nki_str_eq(value.raw, NKI_STR("\"none\"")) && !nki_str_eq(value.raw, NKI_STR("\"\""));
    return ok && append_key(out, "compression") &&
           nki_buf_append_str(out, packed ? NKI_STR("true") : NKI_STR("false")) &&
           append_key(out, "backing_store") && nki_buf_append_str(out, NKI_STR("\"JetStream\"")) &&
           append_key(out, "stream") && nki_buf_append_str(out, info->raw) && nki_buf_append(out, "}", 1);
}

/* The bucket whose stream has this name, which is a JSON string; false if it is none's. */
static bool bucket_of(const struct nki_json_value *name, char out[NKI_JS_NAME_MAX + 1],
                      struct nki_str *bucket)
{
    ptrdiff_t len = nki_json_text(name, out, NKI_JS_NAME_MAX + 1);
    *bucket = nki_str_make(out + 3, len > 3 ? (size_t)len - 3 : 0);
    return len > 3 && nki_str_starts(nki_str_make(out, (size_t)len), NKI_STR(NKI_KV_STREAM_PREFIX)) &&
           nki_kv_bucket_fault(*bucket) == NULL;
}

static bool stream_name(const struct nki_json_value *info, struct nki_json_value *name)
{
    struct nki_json_value config;
    return member_of(info, NKI_STR("config"), &config) && member_of(&config, NKI_STR("name"), name);
}

/* {"buckets": [...]}: their names, or their statuses. */
static bool append_buckets(struct nki_buf *out, const struct nki_json_value *answer, bool names)
{
    struct nki_json_value streams;
    struct nki_json_value item;
    struct nki_json_value name;
    struct nki_str key;
    struct nki_str bucket;
    char text[NKI_JS_NAME_MAX + 1];
    size_t at = 0;
    bool first = true;
    bool ok = nki_buf_append_str(out, NKI_STR("{\"buckets\":["));
    bool some = member_of(answer, NKI_STR("streams"), &streams) && streams.type == NKI_JSON_ARRAY;
    while (ok && some && nki_json_next(&streams, &at, &key, &item)) {
        bool found = names || stream_name(&item, &name);
        if (found && bucket_of(names ? &item : &name, text, &bucket)) {
            ok = (first || nki_buf_append(out, ",", 1)) &&
                 (names ? nki_buf_append_json(out, bucket) : append_status(out, &item, bucket));
            first = false;
        }
    }
    return ok && nki_buf_append_str(out, NKI_STR("]}"));
}

static enum nki_chain_next end_with(struct nki_chain_end *end, int32_t status, const char *text)
{
    end->status = status;
    end->outcome =
        status == NKI_NO_MEMORY || status == NKI_PROTOCOL ? NKI_OUTCOME_UNKNOWN : NKI_OUTCOME_REJECTED;
    nki_error_set(&end->error, status, text != NULL ? "%s" : NULL, text);
    return NKI_CHAIN_ENDS;
}

static struct nki_str text_of(const struct nki_json_value *value, char *out, size_t cap)
{
    ptrdiff_t len = nki_json_text(value, out, cap);
    return nki_str_make(out, len > 0 ? (size_t)len : 0);
}

/* What the stream says of where the keys are. */
static int32_t bind_to(struct nki_kv *kv, const struct nki_json_value *config)
{
    struct nki_json_value value;
    struct nki_json_value name;
    struct nki_json_value external;
    char origin_text[NKI_JS_NAME_MAX + 1];
    char api_text[NKI_JS_PREFIX_MAX + 1];
    struct nki_str origin = NKI_STR("");
    struct nki_str api = NKI_STR("");
    bool direct = false;
    if (member_of(config, NKI_STR("allow_direct"), &value)) {
        (void)nki_json_bool(&value, &direct);
    }
    if (member_of(config, NKI_STR("mirror"), &value) && member_of(&value, NKI_STR("name"), &name)) {
        origin = text_of(&name, origin_text, sizeof origin_text);
        if (member_of(&value, NKI_STR("external"), &external) &&
            member_of(&external, NKI_STR("api"), &name)) {
            api = text_of(&name, api_text, sizeof api_text);
        }
    }
    return nki_kv_bind(kv, direct, origin, api);
}

/* NKI_OK, or why the stream is no bucket that can be used. */
static int32_t check_stream(const struct call *call, const struct nki_json_value *info)
{
    struct nki_json_value config;
    struct nki_json_value value;
    int64_t history = 0;
    if (!member_of(info, NKI_STR("config"), &config)) {
        return NKI_PROTOCOL;
    }
    if (!member_of(&config, NKI_STR("max_msgs_per_subject"), &value) || !nki_json_i64(&value, &history) ||
        history < 1) {
        return NKI_NOT_A_BUCKET;
    }
    int32_t status = call->kv != NULL ? bind_to(call->kv, &config) : NKI_OK;
    return status == NKI_INVALID ? NKI_NOT_A_BUCKET : status;
}

static bool append_answer(const struct call *call, const struct nki_json_value *answer, struct nki_buf *out)
{
    struct nki_json_value name;
    struct nki_str bucket = NKI_STR("");
    char text[NKI_JS_NAME_MAX + 1];
    if (call->kind == NAMES || call->kind == LIST) {
        return append_buckets(out, answer, call->kind == NAMES);
    }
    if (stream_name(answer, &name)) {
        (void)bucket_of(&name, text, &bucket);
    }
    return append_status(out, answer, bucket);
}

/* Makes the answer of the one about streams. */
static enum nki_chain_next answered(struct call *call, struct nki_chain_end *end)
{
    struct nki_msg *msg = end->msg;
    struct nki_json_value answer;
    struct nki_buf text = {0};
    end->msg = NULL;
    int32_t status = nki_json_check(nki_msg_data(msg), &answer) ? NKI_OK : NKI_PROTOCOL;
    if (status == NKI_OK && call->kind == STATUS) {
        status = check_stream(call, &answer);
    }
    if (status == NKI_OK) {
        bool ok = append_answer(call, &answer, &text) && text.len <= UINT32_MAX;
        end->msg = ok ? nki_msg_new(NULL, nki_msg_subject(msg), NKI_STR(""), 0, (uint32_t)text.len) : NULL;
        status = end->msg != NULL ? NKI_OK : NKI_NO_MEMORY;
    }
    if (end->msg != NULL) {
        memcpy(nki_msg_body(end->msg), text.data, text.len);
        end->msg->origin = msg->origin;
    }
    nki_buf_free(&text);
    nki_msg_release(msg);
    return status == NKI_OK ? NKI_CHAIN_ENDS : end_with(end, status, NULL);
}

/* -- requests -------------------------------------------------------------------------------------------- */

/* What the wrapped call asks now. */
static void follow(struct call *call)
{
    call->chain.out = call->inner->out;
    call->chain.wait_ms = call->inner->wait_ms;
}

/* What the account's info says. */
static enum nki_chain_next told_level(struct call *call, int32_t status, struct nki_msg *msg,
                                      struct nki_chain_end *end)
{
    struct nki_json_value answer;
    struct nki_json_value value;
    int64_t level = 0;
    if (status == NKI_DISCONNECTED) {
        return NKI_CHAIN_ASKS;
    }
    if (status != NKI_OK) {
        return end_with(end, NKI_JS_NOT_ENABLED, NULL);
    }
    bool object = nki_json_check(nki_msg_data(msg), &answer) && answer.type == NKI_JSON_OBJECT;
    if (object && member_of(&answer, NKI_STR("error"), &value)) {
        end->status = nki_js_read_error(&value, &end->error);
        end->outcome = NKI_OUTCOME_REJECTED;
        nki_msg_release(msg);
        return NKI_CHAIN_ENDS;
    }
    if (object && member_of(&answer, NKI_STR("api"), &value) && member_of(&value, NKI_STR("level"), &value)) {
        (void)nki_json_i64(&value, &level);
    }
    nki_msg_release(msg);
    bool marks = !call->wants_markers || level >= MARKER_LEVEL;
    if (!marks || (call->wants_atomic && level < ATOMIC_LEVEL)) {
        return end_with(end, NKI_API_LEVEL,
                        marks ? "allow_atomic: the server is older than 2.12 and knows no batches"
                              : "limit_marker_ttl: the server is older than 2.11 and knows no markers");
    }
    call->asking_level = false;
    follow(call);
    return NKI_CHAIN_ASKS;
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct call *call = NKI_CONTAINER_OF(chain, struct call, chain);
    if (call->asking_level) {
        return told_level(call, status, msg, end);
    }
    enum nki_chain_next next = call->inner->ops->reply(call->inner, status, msg, end);
    if (next != NKI_CHAIN_ENDS) {
        follow(call);
        return next;
    }
    bool about = call->kind != DELETE && end->status == NKI_OK && end->msg != NULL;
    return about ? answered(call, end) : NKI_CHAIN_ENDS;
}

static const struct nki_chain_ops ops = {.reply = reply};

/* -- making ---------------------------------------------------------------------------------------------- */

static const struct nki_js_call_row *find_row(struct nki_str name, enum kind *kind, struct nki_error *err)
{
    const struct nki_js_call_row *nearest = NULL;
    size_t least = SUGGEST_EDITS;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_str own = nki_str_z(rows[i].name);
        size_t edits = nki_str_distance(own, name, SUGGEST_EDITS);
        *kind = (enum kind)i;
        if (nki_str_eq(own, name)) {
            return &rows[i];
        }
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

/* The one argument, where the call has one, and none besides. */
static int32_t check_args(const struct nki_js_call_row *row, struct nki_doc *args, struct nki_doc_node **out,
                          struct nki_error *err)
{
    struct nki_str wanted = nki_str_z(row->args);
    wanted.len -= wanted.len > 0 ? 1 : 0; /* the mark */
    *out = NULL;
    if (args != NULL && args->root->type != NKI_DOC_OBJECT) {
        return nki_error_set(err, NKI_INVALID, "%s: the arguments are no object", row->name);
    }
    for (uint32_t i = 0; args != NULL && i < args->root->u.list.count; i++) {
        struct nki_doc_node *node = args->root->u.list.items[i];
        if (!nki_str_eq(node->key, wanted)) {
            int shown = node->key.len < 64 ? (int)node->key.len : 64;
            return nki_error_set(err, NKI_INVALID, "%s: argument %.*s does not exist", row->name, shown,
                                 node->key.ptr);
        }
        *out = node;
    }
    bool missing = wanted.len > 0 && *out == NULL;
    return !missing ? NKI_OK
                    : nki_error_set(err, NKI_INVALID, "%s: argument %.*s is missing", row->name,
                                    (int)wanted.len, wanted.ptr);
}

/* Arguments of a call about the stream of a bucket. */
static int32_t append_stream(const struct nki_js_call_row *row, const struct nki_doc_node *bucket,
                             struct nki_buf *out, struct nki_error *err)
{
    if (bucket->type != NKI_DOC_STRING) {
        return nki_error_set(err, NKI_INVALID, "%s: argument bucket is no string", row->name);
    }
    struct nki_str name = bucket->u.text;
    const char *fault = nki_kv_bucket_fault(name);
    if (fault != NULL) {
        int shown = name.len < 80 ? (int)name.len : 80;
        return nki_error_set(err, NKI_INVALID, "bucket \"%.*s\" %s", shown, name.len > 0 ? name.ptr : "",
                             fault);
    }
    bool ok = nki_buf_append_str(out, NKI_STR("{\"stream\":\"" NKI_KV_STREAM_PREFIX)) &&
              nki_buf_append_str(out, name) && nki_buf_append(out, "\"}", 2);
    return ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

/* Arguments of a call with the configuration of a stream, which is made of a bucket's. */
static int32_t append_config(enum kind kind, const struct nki_doc_node *config, struct nki_buf *out,
                             struct nki_error *err)
{
    struct nki_buf text = {0};
    struct nki_doc bucket;
    struct nki_doc stream;
    size_t len = nki_doc_write(config, NULL, 0);
    bool ok = nki_buf_reserve(&text, len);
    if (ok) {
        text.len = nki_doc_write(config, (char *)text.data, len);
    }
    int32_t status = ok ? nki_doc_parse(&bucket, nki_str_make((const char *)text.data, text.len), err)
                        : nki_error_set(err, NKI_NO_MEMORY, NULL);
    if (status == NKI_OK) {
        status = nki_kv_config(&bucket, kind != UPDATE, &stream, err);
        nki_doc_free(&bucket);
    }
    if (status == NKI_OK) {
        len = nki_doc_write(stream.root, NULL, 0);
        ok = nki_buf_append_str(out, NKI_STR("{\"config\":")) && nki_buf_reserve(out, len);
        if (ok) {
            out->len += nki_doc_write(stream.root, (char *)out->data + out->len, len);
        }
        ok = ok && nki_buf_append(out, "}", 1);
        status = ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
        nki_doc_free(&stream);
    }
    nki_buf_free(&text);
    return status;
}

static int32_t append_args(const struct nki_js_call_row *row, enum kind kind, const struct nki_doc_node *arg,
                           struct nki_buf *out, struct nki_error *err)
{
    switch (kind) {
    case STATUS:
    case DELETE:
        return append_stream(row, arg, out, err);
    case NAMES:
    case LIST:
        return nki_buf_append(out, "{}", 2) ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
    default:
        return append_config(kind, arg, out, err);
    }
}

/* What the server has to know; true if it is anything. */
static bool wants_level(struct call *call, struct nki_doc *args)
{
    struct nki_doc_node *config = nki_doc_find(args, args->root, NKI_STR("config"), NULL);
    if (config == NULL) {
        return false;
    }
    const struct nki_doc_node *atomic = nki_doc_find(args, config, NKI_STR("allow_atomic"), NULL);
    call->wants_markers = nki_doc_find(args, config, NKI_STR("subject_delete_marker_ttl"), NULL) != NULL;
    call->wants_atomic = atomic != NULL && atomic->u.integer != 0;
    return call->wants_markers || call->wants_atomic;
}

static struct call *wrap(struct nki_js *js, enum kind kind, struct nki_doc *args, struct nki_error *err)
{
    struct call *call = nki_alloc(sizeof *call);
    if (call == NULL) {
        nki_error_set(err, NKI_NO_MEMORY, NULL);
        return NULL;
    }
    memset(call, 0, sizeof *call);
    call->chain.ops = &ops;
    call->chain.part.free = free_call;
    call->kind = kind;
    int32_t status = nki_js_call_make(js, nki_str_z(wrapped[kind]), args, &call->inner, err);
    if (status == NKI_OK && wants_level(call, args)) {
        call->asking_level = true;
        bool ok = nki_buf_append_str(&call->level, nki_js_prefix(js)) &&
                  nki_buf_append_str(&call->level, NKI_STR(".INFO"));
        status = ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    if (status != NKI_OK) {
        free_call(&call->chain.part);
        return NULL;
    }
    follow(call);
    if (call->asking_level) {
        call->chain.out = (struct nki_outgoing_msg){
            .subject = nki_str_make((const char *)call->level.data, call->level.len),
            .reply = NKI_STR(""),
            .header_block = NKI_STR(""),
            .data = NKI_STR("")};
    }
    return call;
}

/* With the arguments of the wrapped call as text, which is freed. */
static int32_t make(struct nki_js *js, enum kind kind, struct nki_buf *text, struct call **out,
                    struct nki_error *err)
{
    struct nki_doc args;
    struct nki_error error;
    int32_t status = nki_doc_parse(&args, nki_str_make((const char *)text->data, text->len), &error);
    nki_buf_free(text);
    if (status == NKI_OK) {
        *out = wrap(js, kind, &args, &error);
        nki_doc_free(&args);
        status = *out != NULL ? NKI_OK : error.status;
    }
    if (status != NKI_OK && err != NULL) {
        *err = error;
    }
    return status;
}

int32_t nki_kv_call_make(struct nki_js *js, struct nki_str name, struct nki_doc *args, struct nki_chain **out,
                         struct nki_error *err)
{
    enum kind kind;
    struct nki_doc_node *arg;
    struct nki_buf text = {0};
    struct call *call;
    const struct nki_js_call_row *row = find_row(name, &kind, err);
    if (row == NULL) {
        return NKI_UNKNOWN_OPTION;
    }
    int32_t status = check_args(row, args, &arg, err);
    status = status == NKI_OK ? append_args(row, kind, arg, &text, err) : status;
    if (status != NKI_OK) {
        nki_buf_free(&text);
        return status;
    }
    status = make(js, kind, &text, &call, err);
    if (status == NKI_OK) {
        *out = &call->chain;
    }
    return status;
}

int32_t nki_kv_status_make(struct nki_kv *kv, struct nki_chain **out, struct nki_error *err)
{
    struct nki_buf text = {0};
    struct call *call;
    bool ok = nki_buf_append_str(&text, NKI_STR("{\"stream\":\"")) &&
              nki_buf_append_str(&text, nki_kv_stream(kv)) && nki_buf_append(&text, "\"}", 2);
    if (!ok) {
        nki_buf_free(&text);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    int32_t status = make(kv->js, STATUS, &text, &call, err);
    if (status == NKI_OK) {
        call->kv = kv;
        nki_kv_retain(kv);
        *out = &call->chain;
    }
    return status;
}
