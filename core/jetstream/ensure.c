/* A consumer that has to be there: see ensure.h. */
#include "jetstream/ensure.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/rfc3339.h"
#include "jetstream/api_error.h"
#include "jetstream/fields.h"
#include "wire/header.h"
#include "wire/subject.h"

#define NO_CONSUMER 10014
#define EXISTS 10148     /* it was made by somebody else meanwhile, and otherwise */
#define EXISTS_OLD 10013 /* the same by servers before 2.10 */
#define LOOKS_MAX 2      /* so often it is looked at: a second time when somebody was faster */
#define TRY_MS 250       /* before it is asked once more */
#define TEXT_MAX 256     /* of a value that is compared as text */

enum step { FINDING, LOOKING, MAKING };

struct ensure {
    struct nki_chain chain;
    struct nki_ensure_watch *watch; /* or NULL */
    enum step step;
    enum nki_ensure_kind kind;
    bool made_only;
    bool bind;
    bool made;
    unsigned looks;
    unsigned level;
    int64_t retries;
    struct nki_buf prefix;
    struct nki_buf stream;
    struct nki_buf consumer;
    struct nki_buf wanted;
    struct nki_buf config;
    struct nki_buf subject; /* of the request */
    struct nki_buf body;
    struct nki_buf header_block;
};

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

static struct ensure *of(struct nki_chain *chain)
{
    return NKI_CONTAINER_OF(chain, struct ensure, chain);
}

static void free_ensure(struct nki_op_part *part)
{
    struct ensure *ensure = NKI_CONTAINER_OF(part, struct ensure, chain.part);
    nki_buf_free(&ensure->prefix);
    nki_buf_free(&ensure->stream);
    nki_buf_free(&ensure->consumer);
    nki_buf_free(&ensure->wanted);
    nki_buf_free(&ensure->config);
    nki_buf_free(&ensure->subject);
    nki_buf_free(&ensure->body);
    nki_buf_free(&ensure->header_block);
    nki_free(ensure);
}

void nki_ensure_watch(struct nki_chain *chain, struct nki_ensure_watch *watch)
{
    of(chain)->watch = watch;
}

/* -- whether a configuration is as wanted ---------------------------------------------------------------- */

static bool is_unset(const struct nki_json_value *value)
{
    int64_t number;
    return value->type == NKI_JSON_NULL || value->type == NKI_JSON_FALSE ||
           (value->type == NKI_JSON_STRING && value->raw.len == 2) ||
           (value->type == NKI_JSON_NUMBER && nki_json_i64(value, &number) && number == 0) ||
           ((value->type == NKI_JSON_ARRAY || value->type == NKI_JSON_OBJECT) && value->raw.len == 2);
}

static bool same_text(const struct nki_json_value *a, const struct nki_json_value *b)
{
    char own[TEXT_MAX];
    char other[TEXT_MAX];
    int64_t own_ns;
    int64_t other_ns;
    if (nki_str_eq(a->raw, b->raw)) {
        return true;
    }
    if (nki_json_text(a, own, sizeof own) < 0 || nki_json_text(b, other, sizeof other) < 0) {
        return false;
    }
    /* Times may be written with another offset, or fewer digits. */
    return strcmp(own, other) == 0 || (nki_rfc3339_read(nki_str_z(own), &own_ns) &&
                                       nki_rfc3339_read(nki_str_z(other), &other_ns) && own_ns == other_ns);
}

static bool same_value(const struct nki_json_value *a, const struct nki_json_value *b)
{
    if (a->type != b->type) {
        return is_unset(a) && is_unset(b);
    }
    return a->type == NKI_JSON_STRING ? same_text(a, b) : nki_str_eq(a->raw, b->raw);
}

static bool same_list(const struct nki_json_value *a, const struct nki_json_value *b)
{
    struct nki_json_value own;
    struct nki_json_value other;
    struct nki_str key;
    size_t own_at = 0;
    size_t other_at = 0;
    for (;;) {
        bool more = nki_json_next(a, &own_at, &key, &own);
        if (more != nki_json_next(b, &other_at, &key, &other)) {
            return false;
        }
        if (!more || !same_value(&own, &other)) {
            return !more;
        }
    }
}

/* Whether `b` has all members of `a`: a server adds some of its own. */
static bool within(const struct nki_json_value *a, const struct nki_json_value *b)
{
    struct nki_json_value own;
    struct nki_json_value other;
    struct nki_str key;
    size_t at = 0;
    while (nki_json_next(a, &at, &key, &own)) {
        if (!nki_json_member(b, key, &other) || !same_value(&own, &other)) {
            return false;
        }
    }
    return true;
}

static bool agree(const struct nki_json_value *a, const struct nki_json_value *b)
{
    if (a->type == NKI_JSON_ARRAY && b->type == NKI_JSON_ARRAY) {
        return same_list(a, b);
    }
    if (a->type == NKI_JSON_OBJECT && b->type == NKI_JSON_OBJECT) {
        return within(a, b);
    }
    return same_value(a, b);
}

/* The only element of a list; false if there are none or more. */
static bool only(const struct nki_json_value *list, struct nki_json_value *out)
{
    struct nki_json_value first;
    struct nki_json_value next;
    struct nki_str key;
    size_t at = 0;
    bool one = list->type == NKI_JSON_ARRAY && nki_json_next(list, &at, &key, &first) &&
               !nki_json_next(list, &at, &key, &next);
    *out = one ? first : *out; /* which may be the list */
    return one;
}

/* One filter may stand as one or in a list of one; all subjects as > or not at all. */
static bool same_filter(const struct nki_json_value *wanted, const struct nki_json_value *config, bool many)
{
    struct nki_json_value own = *wanted;
    struct nki_json_value other;
    if (many && !only(wanted, &own)) {
        return false;
    }
    struct nki_str all = NKI_STR("\">\"");
    if (nki_json_member(config, NKI_STR("filter_subject"), &other) && !is_unset(&other)) {
        return same_value(&own, &other);
    }
    if (nki_json_member(config, NKI_STR("filter_subjects"), &other) && !is_unset(&other)) {
        return only(&other, &other) && same_value(&own, &other);
    }
    return nki_str_eq(own.raw, all);
}

static bool is(struct nki_str key, const char *name)
{
    return nki_str_eq(key, nki_str_z(name));
}

struct nki_str nki_ensure_differs(const struct nki_json_value *wanted, const struct nki_json_value *config)
{
    struct nki_json_value own;
    struct nki_json_value other;
    struct nki_str key;
    size_t at = 0;
    while (nki_json_next(wanted, &at, &key, &own)) {
        if (is(key, "name") || is(key, "durable_name") || is(key, "action")) {
            continue; /* it was found by its name */
        }
        bool has = nki_json_member(config, key, &other);
        bool same = has ? agree(&own, &other) : is_unset(&own);
        bool filter = is(key, "filter_subject");
        if (!same && (filter || is(key, "filter_subjects"))) {
            same = same_filter(&own, config, !filter);
        }
        if (!same) {
            return key;
        }
    }
    return NKI_STR("");
}

/* -- requests -------------------------------------------------------------------------------------------- */

static bool append_endpoint(struct ensure *ensure, const char *endpoint)
{
    ensure->subject.len = 0;
    ensure->body.len = 0;
    return nki_buf_append_str(&ensure->subject, str_of(&ensure->prefix)) &&
           nki_buf_append_str(&ensure->subject, nki_str_z(endpoint));
}

static bool append_names(struct ensure *ensure)
{
    return nki_buf_append_str(&ensure->subject, str_of(&ensure->stream)) &&
           (ensure->consumer.len == 0 || (nki_buf_append(&ensure->subject, ".", 1) &&
                                          nki_buf_append_str(&ensure->subject, str_of(&ensure->consumer))));
}

static void show(struct ensure *ensure, struct nki_str header_block)
{
    ensure->chain.out = (struct nki_outgoing_msg){.subject = str_of(&ensure->subject),
                                                  .reply = NKI_STR(""),
                                                  .header_block = header_block,
                                                  .data = str_of(&ensure->body)};
}

static bool ask_stream(struct ensure *ensure, struct nki_str subject)
{
    ensure->step = FINDING;
    bool ok = append_endpoint(ensure, ".STREAM.NAMES") &&
              nki_buf_append_str(&ensure->body, NKI_STR("{\"subject\":")) &&
              nki_buf_append_json(&ensure->body, subject) && nki_buf_append(&ensure->body, "}", 1);
    show(ensure, NKI_STR(""));
    return ok;
}

static bool ask_info(struct ensure *ensure)
{
    ensure->step = LOOKING;
    ensure->looks++;
    bool ok = append_endpoint(ensure, ".CONSUMER.INFO.") && append_names(ensure);
    show(ensure, NKI_STR(""));
    return ok;
}

/* The one filter goes into the subject, so that permissions may depend on it. */
static bool append_filter(struct ensure *ensure)
{
    struct nki_json_value config;
    struct nki_json_value filter;
    char text[NKI_SUBJECT_MAX + 1];
    bool ok = nki_json_check(str_of(&ensure->config), &config);
    assert(ok); /* it was written from a document */
    ok = nki_json_member(&config, NKI_STR("filter_subject"), &filter) &&
         nki_json_text(&filter, text, sizeof text) > 0 && strcmp(text, ">") != 0 &&
         nki_subject_subscribe_fault(nki_str_z(text)) == NULL;
    return !ok || ensure->consumer.len == 0 ||
           (nki_buf_append(&ensure->subject, ".", 1) &&
            nki_buf_append_str(&ensure->subject, nki_str_z(text)));
}

static bool ask_create(struct ensure *ensure)
{
    ensure->step = MAKING;
    bool ok = append_endpoint(ensure, ".CONSUMER.CREATE.") && append_names(ensure) && append_filter(ensure) &&
              nki_buf_append_str(&ensure->body, NKI_STR("{\"stream_name\":")) &&
              nki_buf_append_json(&ensure->body, str_of(&ensure->stream)) &&
              nki_buf_append_str(&ensure->body, NKI_STR(",\"config\":")) &&
              nki_buf_append_str(&ensure->body, str_of(&ensure->config)) &&
              nki_buf_append_str(&ensure->body, NKI_STR(",\"action\":\"create\"}"));
    show(ensure, str_of(&ensure->header_block));
    return ok;
}

/* The stream is known. */
static bool ask_consumer(struct ensure *ensure)
{
    return ensure->consumer.len > 0 && !ensure->made_only ? ask_info(ensure) : ask_create(ensure);
}

/* -- answers --------------------------------------------------------------------------------------------- */

static enum nki_chain_next ends(struct ensure *ensure, struct nki_chain_end *end)
{
    if (ensure->watch != NULL) {
        ensure->watch->done(ensure->watch, end, ensure->made, ensure->chain.now_ns);
        ensure->watch = NULL;
    }
    return NKI_CHAIN_ENDS;
}

static enum nki_chain_next ends_with(struct ensure *ensure, struct nki_chain_end *end, int32_t status,
                                     const char *text)
{
    end->status = status;
    end->outcome =
        status == NKI_NO_MEMORY || status == NKI_PROTOCOL ? NKI_OUTCOME_UNKNOWN : NKI_OUTCOME_REJECTED;
    nki_error_set(&end->error, status, text != NULL ? "%s" : NULL, text);
    return ends(ensure, end);
}

static enum nki_chain_next asks(struct ensure *ensure, struct nki_chain_end *end, bool ok)
{
    return ok ? NKI_CHAIN_ASKS : ends_with(ensure, end, NKI_NO_MEMORY, NULL);
}

static enum nki_chain_next found(struct ensure *ensure, const struct nki_json_value *answer,
                                 struct nki_chain_end *end)
{
    struct nki_json_value names;
    struct nki_json_value name;
    char text[NKI_JS_NAME_MAX + 1];
    bool list = nki_json_member(answer, NKI_STR("streams"), &names) && names.type == NKI_JSON_ARRAY;
    if (!list || names.raw.len == 2) {
        return ends_with(ensure, end, NKI_STREAM_NOT_FOUND, "no stream takes the subject");
    }
    if (!only(&names, &name) || nki_json_text(&name, text, sizeof text) <= 0) {
        return ends_with(ensure, end, NKI_INVALID, "more than one stream takes subjects like this");
    }
    if (nki_js_name_fault(nki_str_z(text)) != NULL) {
        return ends_with(ensure, end, NKI_PROTOCOL, "the answer holds no name of a stream");
    }
    return asks(ensure, end, nki_buf_append_str(&ensure->stream, nki_str_z(text)) && ask_consumer(ensure));
}

static enum nki_chain_next looked_at(struct ensure *ensure, struct nki_msg *msg,
                                     const struct nki_json_value *answer, struct nki_chain_end *end)
{
    struct nki_json_value config;
    struct nki_json_value wanted;
    struct nki_json_value deliver;
    bool has = nki_json_member(answer, NKI_STR("config"), &config) && config.type == NKI_JSON_OBJECT;
    if (!has) {
        nki_msg_release(msg);
        return ends_with(ensure, end, NKI_PROTOCOL, "the answer to an info holds no configuration");
    }
    bool pushes = nki_json_member(&config, NKI_STR("deliver_subject"), &deliver) && !is_unset(&deliver);
    bool ok = nki_json_check(str_of(&ensure->wanted), &wanted);
    assert(ok);
    (void)ok;
    struct nki_str differs = nki_ensure_differs(&wanted, &config);
    bool wrong_kind =
        (ensure->kind == NKI_ENSURE_PUSH && !pushes) || (ensure->kind == NKI_ENSURE_PULL && pushes);
    end->msg = msg;
    if (!wrong_kind && differs.len == 0) {
        return ends(ensure, end);
    }
    nki_msg_release(msg);
    end->msg = NULL;
    struct nki_str name = str_of(&ensure->consumer);
    end->outcome = NKI_OUTCOME_REJECTED;
    end->status = NKI_ALREADY_EXISTS;
    int shown = differs.len < 64 ? (int)differs.len : 64;
    if (wrong_kind) {
        nki_error_set(&end->error, NKI_ALREADY_EXISTS, "consumer %.*s exists, and %s", (int)name.len,
                      name.ptr, pushes ? "delivers to a subject" : "is one that is pulled from");
    } else {
        nki_error_set(&end->error, NKI_ALREADY_EXISTS, "consumer %.*s exists with another %.*s",
                      (int)name.len, name.ptr, shown, differs.ptr);
    }
    return ends(ensure, end);
}

static enum nki_chain_next try_again(struct ensure *ensure, struct nki_chain_end *end)
{
    if (ensure->retries == 0) {
        return ends(ensure, end);
    }
    ensure->retries -= ensure->retries > 0;
    ensure->chain.wait_ms = TRY_MS;
    return NKI_CHAIN_WAITS;
}

static enum nki_chain_next refused(struct ensure *ensure, const struct nki_json_value *error,
                                   struct nki_chain_end *end)
{
    end->status = nki_js_read_error(error, &end->error);
    end->outcome = NKI_OUTCOME_REJECTED;
    int32_t code = end->error.err_code;
    if (ensure->step == LOOKING && code == NO_CONSUMER && !ensure->bind) {
        return asks(ensure, end, ask_create(ensure));
    }
    bool faster = ensure->step == MAKING && (code == EXISTS || code == EXISTS_OLD);
    if (faster && !ensure->made_only && ensure->consumer.len > 0 && ensure->looks < LOOKS_MAX) {
        return asks(ensure, end, ask_info(ensure));
    }
    if (nki_js_may_pass(&end->error)) {
        return try_again(ensure, end);
    }
    return ends(ensure, end);
}

static enum nki_chain_next answered(struct ensure *ensure, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_json_value answer;
    struct nki_json_value error;
    enum nki_chain_next next;
    if (!nki_json_check(nki_msg_data(msg), &answer) || answer.type != NKI_JSON_OBJECT) {
        next = ends_with(ensure, end, NKI_PROTOCOL, "the answer is no JSON object");
    } else if (nki_json_member(&answer, NKI_STR("error"), &error) && error.type == NKI_JSON_OBJECT) {
        next = refused(ensure, &error, end);
    } else if (ensure->step == FINDING) {
        next = found(ensure, &answer, end);
    } else if (ensure->step == LOOKING) {
        return looked_at(ensure, msg, &answer, end);
    } else {
        ensure->made = true;
        end->msg = msg;
        return ends(ensure, end);
    }
    nki_msg_release(msg);
    return next;
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct ensure *ensure = of(chain);
    if (status == NKI_OK) {
        return answered(ensure, msg, end);
    }
    end->status = status == NKI_DISCONNECTED ? status : NKI_JS_NOT_ENABLED;
    end->outcome = status == NKI_DISCONNECTED ? NKI_OUTCOME_UNKNOWN : NKI_OUTCOME_REJECTED;
    nki_error_set(&end->error, end->status, NULL);
    return status == NKI_DISCONNECTED ? ends(ensure, end) : try_again(ensure, end);
}

static const struct nki_chain_ops ops = {.reply = reply};

/* -- making it ------------------------------------------------------------------------------------------- */

static bool begin(struct ensure *ensure, const struct nki_ensure_params *params)
{
    char digit = (char)('0' + params->level);
    return nki_buf_append_str(&ensure->prefix, params->prefix) &&
           nki_buf_append_str(&ensure->stream, params->stream) &&
           nki_buf_append_str(&ensure->consumer, params->consumer) &&
           nki_buf_append_str(&ensure->wanted, params->wanted) &&
           nki_buf_append_str(&ensure->config, params->config) &&
           (params->level == 0 || nki_header_append(&ensure->header_block, NKI_STR("Nats-Required-Api-Level"),
                                                    nki_str_make(&digit, 1), NULL) == NKI_OK) &&
           (params->stream.len > 0 ? ask_consumer(ensure) : ask_stream(ensure, params->subject));
}

struct nki_chain *nki_ensure_new(const struct nki_ensure_params *params)
{
    struct ensure *ensure = nki_calloc(1, sizeof *ensure);
    if (ensure == NULL) {
        return NULL;
    }
    ensure->chain.ops = &ops;
    ensure->chain.part.free = free_ensure;
    ensure->kind = params->kind;
    ensure->made_only = params->made_only;
    ensure->bind = params->bind;
    ensure->level = params->level;
    ensure->retries = params->retries;
    if (!begin(ensure, params)) {
        free_ensure(&ensure->chain.part);
        return NULL;
    }
    return &ensure->chain;
}

/* -- as a call ------------------------------------------------------------------------------------------- */

static struct nki_doc_node *argument(struct nki_doc *args, const char *name)
{
    return args != NULL ? nki_doc_find(args, args->root, nki_str_z(name), NULL) : NULL;
}

static int32_t wrong(struct nki_error *err, const char *name, const char *fault)
{
    return nki_error_set(err, NKI_INVALID, "consumer.ensure: argument %s %s", name, fault);
}

static int32_t read_text(struct nki_doc *args, const char *name, const char *(*check)(struct nki_str),
                         struct nki_str *out, struct nki_error *err)
{
    const struct nki_doc_node *node = argument(args, name);
    *out = NKI_STR("");
    if (node == NULL || node->type == NKI_DOC_NULL) {
        return NKI_OK;
    }
    if (node->type != NKI_DOC_STRING) {
        return wrong(err, name, "is no string");
    }
    *out = node->u.text;
    const char *fault = check(*out);
    return fault == NULL ? NKI_OK : wrong(err, name, fault);
}

static int32_t read_bool(struct nki_doc *args, const char *name, bool *given, bool *out,
                         struct nki_error *err)
{
    const struct nki_doc_node *node = argument(args, name);
    *given = node != NULL && node->type != NKI_DOC_NULL;
    *out = *given && node->type == NKI_DOC_BOOL && node->u.integer != 0;
    return *given && node->type != NKI_DOC_BOOL ? wrong(err, name, "is no boolean") : NKI_OK;
}

static bool write_node(const struct nki_doc_node *node, struct nki_buf *out)
{
    size_t len = nki_doc_write(node, NULL, 0);
    if (!nki_buf_reserve(out, len)) {
        return false;
    }
    nki_doc_write(node, (char *)out->data, len);
    out->len = len;
    return true;
}

/* The members of `config` and those of `defaults` that it lacks. */
static int32_t lay_over(struct nki_doc *args, struct nki_doc_node *config, struct nki_doc_node *defaults,
                        struct nki_buf *out)
{
    if (!nki_buf_append(out, "{", 1)) {
        return NKI_NO_MEMORY;
    }
    struct nki_doc_node *const sources[] = {config, defaults};
    for (size_t s = 0; s < NKI_ARRAY_LEN(sources); s++) {
        for (uint32_t i = 0; sources[s] != NULL && i < sources[s]->u.list.count; i++) {
            const struct nki_doc_node *node = sources[s]->u.list.items[i];
            struct nki_buf value = {0};
            bool own = s > 0 && nki_doc_find(args, config, node->key, NULL) != NULL;
            bool ok = own || (write_node(node, &value) && (out->len == 1 || nki_buf_append(out, ",", 1)) &&
                              nki_buf_append_json(out, node->key) && nki_buf_append(out, ":", 1) &&
                              nki_buf_append_str(out, str_of(&value)));
            nki_buf_free(&value);
            if (!ok) {
                return NKI_NO_MEMORY;
            }
        }
    }
    return nki_buf_append(out, "}", 1) ? NKI_OK : NKI_NO_MEMORY;
}

static int32_t read_config(struct nki_doc *args, struct nki_ensure_params *params, struct nki_buf *wanted,
                           struct nki_buf *config, struct nki_error *err)
{
    struct nki_doc_node *own = argument(args, "config");
    struct nki_doc_node *defaults = argument(args, "defaults");
    if (own == NULL || own->type != NKI_DOC_OBJECT) {
        return wrong(err, "config", own == NULL ? "is missing" : "is no object");
    }
    if (defaults != NULL && defaults->type != NKI_DOC_OBJECT) {
        return wrong(err, "defaults", "is no object");
    }
    const char *const names[] = {"name", "durable_name"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(names) && params->consumer.len == 0; i++) {
        const struct nki_doc_node *name = nki_doc_find(args, own, nki_str_z(names[i]), NULL);
        if (name != NULL && name->type == NKI_DOC_STRING && name->u.text.len > 0) {
            const char *fault = nki_js_name_fault(name->u.text);
            if (fault != NULL) {
                return nki_error_set(err, NKI_INVALID, "consumer.ensure: argument config/%s %s", names[i],
                                     fault);
            }
            params->consumer = name->u.text;
        }
    }
    params->level = nki_js_config_level(args, own, "consumer");
    bool ok = write_node(own, wanted) && lay_over(args, own, defaults, config) == NKI_OK;
    params->wanted = str_of(wanted);
    params->config = str_of(config);
    return ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

static int32_t read_args(struct nki_doc *args, struct nki_ensure_params *params, struct nki_error *err)
{
    bool given;
    bool push;
    int32_t status = read_text(args, "stream", nki_js_name_fault, &params->stream, err);
    if (status == NKI_OK) {
        status = read_text(args, "subject", nki_subject_subscribe_fault, &params->subject, err);
    }
    if (status == NKI_OK) {
        status = read_bool(args, "bind", &given, &params->bind, err);
    }
    if (status == NKI_OK) {
        status = read_bool(args, "push", &given, &push, err);
        params->kind = !given ? NKI_ENSURE_ANY : push ? NKI_ENSURE_PUSH : NKI_ENSURE_PULL;
    }
    if (status == NKI_OK && params->stream.len == 0 && params->subject.len == 0) {
        status = wrong(err, "stream", "is missing, and so is subject");
    }
    return status;
}

int32_t nki_ensure_make(struct nki_js *js, struct nki_doc *args, struct nki_chain **out,
                        struct nki_error *err)
{
    struct nki_ensure_params params = {.prefix = nki_js_prefix(js), .retries = js->api_retries};
    struct nki_buf wanted = {0};
    struct nki_buf config = {0};
    int32_t status = read_args(args, &params, err);
    if (status == NKI_OK) {
        status = read_config(args, &params, &wanted, &config, err);
    }
    if (status == NKI_OK && params.bind && params.consumer.len == 0) {
        status = wrong(err, "bind", "needs a name in config");
    }
    if (status == NKI_OK) {
        *out = nki_ensure_new(&params);
        status = *out != NULL ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_buf_free(&wanted);
    nki_buf_free(&config);
    return status;
}
