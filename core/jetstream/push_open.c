/* Push consumers by options: see push_open.h. Any thread. */
#include "jetstream/push_open.h"

#include "base/buf.h"
#include "base/rfc3339.h"
#include "jetstream/fields.h"
#include "wire/subject.h"
#include "json/doc.h"

#include <stdio.h>

#define SHOWN 80 /* of a text in an error */
#define HEARTBEAT_NS (5000 * NKI_NS_PER_MS)
#define HEARTBEAT_LEAST_MS 100

/* What is read from the options, and made of it. */
struct making {
    const struct nki_options *options;
    struct nki_error *err;
    struct nki_doc doc;    /* the configuration as it is wanted */
    struct nki_buf wanted; /* it as text */
    struct nki_buf config; /* of one that is made, without name, deliver_subject and begin */
    struct nki_buf start;  /* members: where it begins */
    struct nki_push_params params;
};

static int shown(struct nki_str text)
{
    return text.len < SHOWN ? (int)text.len : SHOWN;
}

static int32_t no_memory(const struct making *making)
{
    return nki_error_set(making->err, NKI_NO_MEMORY, NULL);
}

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

/* -- the configuration ----------------------------------------------------------------------------------- */

static int32_t set(struct making *making, const char *path, const struct nki_doc_item *item)
{
    return nki_doc_set(&making->doc, nki_str_z(path), item, making->err);
}

static int32_t set_text(struct making *making, const char *path, struct nki_str text)
{
    struct nki_doc_item item = {.type = NKI_DOC_STRING, .text = text};
    return text.len == 0 ? NKI_OK : set(making, path, &item);
}

static int32_t set_int(struct making *making, const char *path, int64_t value)
{
    struct nki_doc_item item = {.type = NKI_DOC_INT, .integer = value};
    return value == 0 ? NKI_OK : set(making, path, &item);
}

static int32_t set_true(struct making *making, const char *path, bool value)
{
    struct nki_doc_item item = {.type = NKI_DOC_BOOL, .boolean = 1};
    return value ? set(making, path, &item) : NKI_OK;
}

static int32_t parse_config(struct making *making)
{
    struct nki_str text = nki_options_str(making->options, NKI_OPT_PUSH_config);
    struct nki_error why;
    if (text.len == 0) {
        int32_t status = nki_doc_init(&making->doc, NKI_DOC_OBJECT);
        return status == NKI_OK ? NKI_OK : no_memory(making);
    }
    int32_t status = nki_doc_parse(&making->doc, text, &why);
    if (status != NKI_OK) {
        return nki_error_set(making->err, status == NKI_NO_MEMORY ? status : NKI_INVALID, "option config: %s",
                             why.text);
    }
    if (making->doc.root->type != NKI_DOC_OBJECT) {
        nki_doc_free(&making->doc);
        return nki_error_set(making->err, NKI_INVALID, "option config is no JSON object");
    }
    return NKI_OK;
}

/* Options that are members of the configuration as they are; what is not given has the value 0. */
struct plain {
    enum nki_option_id id;
    const char *path;
    int64_t factor; /* of the number */
};

static const struct plain numbers[] = {
    {NKI_OPT_PUSH_opt_start_seq, "/opt_start_seq", 1},
    {NKI_OPT_PUSH_ack_wait_ms, "/ack_wait", NKI_NS_PER_MS},
    {NKI_OPT_PUSH_max_deliver, "/max_deliver", 1},
    {NKI_OPT_PUSH_max_ack_pending, "/max_ack_pending", 1},
    {NKI_OPT_PUSH_rate_limit_bps, "/rate_limit_bps", 1},
    {NKI_OPT_PUSH_inactive_threshold_ms, "/inactive_threshold", NKI_NS_PER_MS},
    {NKI_OPT_PUSH_num_replicas, "/num_replicas", 1},
};

/* "default" is the first word of each. */
static const struct {
    enum nki_option_id id;
    const char *path;
    const char *words[7];
} choices[] = {
    {NKI_OPT_PUSH_deliver_policy,
     "/deliver_policy",
     {"", "all", "new", "last", "last_per_subject", "by_start_sequence", "by_start_time"}},
    {NKI_OPT_PUSH_ack_policy, "/ack_policy", {"", "none", "all", "explicit", "flow_control"}},
    {NKI_OPT_PUSH_replay_policy, "/replay_policy", {"", "instant", "original"}},
};

static int32_t set_plain(struct making *making)
{
    const struct nki_options *options = making->options;
    int32_t status = NKI_OK;
    for (size_t i = 0; i < NKI_ARRAY_LEN(numbers) && status == NKI_OK; i++) {
        status =
            set_int(making, numbers[i].path, nki_options_int(options, numbers[i].id) * numbers[i].factor);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(choices) && status == NKI_OK; i++) {
        size_t word = nki_options_choice(options, choices[i].id);
        status = set_text(making, choices[i].path, nki_str_z(choices[i].words[word]));
    }
    if (status == NKI_OK) {
        status = set_text(making, "/opt_start_time", nki_options_str(options, NKI_OPT_PUSH_opt_start_time));
    }
    if (status == NKI_OK) {
        status = set_text(making, "/description", nki_options_str(options, NKI_OPT_PUSH_description));
    }
    if (status == NKI_OK) {
        status = set_true(making, "/headers_only", nki_options_bool(options, NKI_OPT_PUSH_headers_only));
    }
    if (status == NKI_OK) {
        status = set_true(making, "/mem_storage", nki_options_bool(options, NKI_OPT_PUSH_mem_storage));
    }
    return status;
}

static int32_t set_begin(struct making *making)
{
    struct nki_str time = nki_options_str(making->options, NKI_OPT_PUSH_opt_start_time);
    int64_t seq = nki_options_int(making->options, NKI_OPT_PUSH_opt_start_seq);
    size_t policy = nki_options_choice(making->options, NKI_OPT_PUSH_deliver_policy);
    int64_t ns;
    if (time.len > 0 && !nki_rfc3339_read(time, &ns)) {
        return nki_error_set(making->err, NKI_INVALID,
                             "option opt_start_time: \"%.*s\" is no time of RFC 3339", shown(time), time.ptr);
    }
    if (time.len > 0 && seq > 0) {
        return nki_error_set(making->err, NKI_INVALID,
                             "options opt_start_seq and opt_start_time: only one may be given");
    }
    if (seq > 0 && policy == 0) {
        return set_text(making, "/deliver_policy", NKI_STR("by_start_sequence"));
    }
    return time.len > 0 && policy == 0 ? set_text(making, "/deliver_policy", NKI_STR("by_start_time"))
                                       : NKI_OK;
}

static int32_t set_sample(struct making *making)
{
    char text[8];
    int64_t percent = nki_options_int(making->options, NKI_OPT_PUSH_sample_percent);
    if (percent == 0) {
        return NKI_OK;
    }
    (void)snprintf(text, sizeof text, "%d%%", (int)percent);
    return set_text(making, "/sample_freq", nki_str_z(text));
}

static struct nki_doc_node *member(struct making *making, const char *name)
{
    return nki_doc_find(&making->doc, making->doc.root, nki_str_z(name), NULL);
}

static struct nki_str text_member(struct making *making, const char *name)
{
    const struct nki_doc_node *node = member(making, name);
    return node != NULL && node->type == NKI_DOC_STRING ? node->u.text : NKI_STR("");
}

static bool is_given(struct making *making, const char *name)
{
    const struct nki_doc_node *node = member(making, name);
    return node != NULL && nki_js_is_set(node);
}

static int32_t set_filters(struct making *making, struct nki_str subject)
{
    const struct nki_options *options = making->options;
    size_t count = nki_options_list_len(options, NKI_OPT_PUSH_subjects);
    if (count == 0) {
        return set_text(making, "/filter_subject", subject);
    }
    struct nki_doc_item list = {.type = NKI_DOC_ARRAY};
    int32_t status = set(making, "/filter_subjects", &list);
    for (size_t i = 0; i < count && status == NKI_OK; i++) {
        struct nki_str filter = nki_options_list_at(options, NKI_OPT_PUSH_subjects, i);
        const char *fault = nki_subject_subscribe_fault(filter);
        status = fault == NULL ? set_text(making, "/filter_subjects/-", filter)
                               : nki_error_set(making->err, NKI_INVALID, "option subjects: \"%.*s\" %s",
                                               shown(filter), filter.ptr, fault);
    }
    return status == NKI_OK && subject.len > 0 ? set_text(making, "/filter_subjects/-", subject) : status;
}

/* -- names ----------------------------------------------------------------------------------------------- */

static int32_t check(struct making *making, const char *option, struct nki_str text,
                     const char *(*fault_of)(struct nki_str))
{
    const char *fault = text.len > 0 ? fault_of(text) : NULL;
    return fault == NULL ? NKI_OK
                         : nki_error_set(making->err, NKI_INVALID, "option %s: \"%.*s\" %s", option,
                                         shown(text), text.ptr, fault);
}

static int32_t check_names(struct making *making)
{
    const struct nki_push_params *params = &making->params;
    int32_t status = check(making, "stream", params->stream, nki_js_name_fault);
    if (status == NKI_OK) {
        status = check(making, params->durable ? "durable" : "name", params->consumer, nki_js_name_fault);
    }
    if (status == NKI_OK) {
        status = check(making, "deliver_subject", params->deliver_subject, nki_subject_publish_fault);
    }
    if (status == NKI_OK) {
        status = check(making, "queue", params->deliver_group, nki_subject_queue_fault);
    }
    if (status == NKI_OK && params->stream.len == 0 && params->subject.len == 0) {
        status = nki_error_set(making->err, NKI_INVALID, "option stream is missing, and there is no subject");
    }
    if (status == NKI_OK && params->bind && params->consumer.len == 0) {
        status = nki_error_set(making->err, NKI_INVALID, "option bind: it needs durable or name");
    }
    return status;
}

/* Which consumer it is, by the options or the configuration, into the latter. */
static int32_t set_names(struct making *making)
{
    static const struct plain texts[] = {{NKI_OPT_PUSH_deliver_subject, "/deliver_subject", 0},
                                         {NKI_OPT_PUSH_queue, "/deliver_group", 0},
                                         {NKI_OPT_PUSH_durable, "/durable_name", 0},
                                         {NKI_OPT_PUSH_name, "/name", 0}};
    int32_t status = NKI_OK;
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts) && status == NKI_OK; i++) {
        status = set_text(making, texts[i].path, nki_options_str(making->options, texts[i].id));
    }
    struct nki_str durable = text_member(making, "durable_name");
    struct nki_str name = text_member(making, "name");
    if (status == NKI_OK && durable.len > 0 && name.len > 0 && !nki_str_eq(durable, name)) {
        return nki_error_set(making->err, NKI_INVALID, "options durable and name: only one may be given");
    }
    struct nki_str group = text_member(making, "deliver_group");
    if (status == NKI_OK && durable.len == 0 && name.len == 0) {
        status = set_text(making, "/durable_name", group);
    }
    return status;
}

/* Of a document that is not changed any more before they are copied. */
static int32_t read_names(struct making *making, struct nki_str subject)
{
    struct nki_push_params *params = &making->params;
    params->subject = subject;
    params->stream = nki_options_str(making->options, NKI_OPT_PUSH_stream);
    params->bind = nki_options_bool(making->options, NKI_OPT_PUSH_bind);
    params->deliver_group = text_member(making, "deliver_group");
    params->deliver_subject = text_member(making, "deliver_subject");
    params->consumer = text_member(making, "durable_name");
    params->durable = params->consumer.len > 0;
    if (!params->durable) {
        params->consumer = text_member(making, "name");
    }
    return check_names(making);
}

/* -- flow control and heartbeats ------------------------------------------------------------------------- */

static int32_t set_liveness(struct making *making)
{
    int64_t beat_ms = nki_options_int(making->options, NKI_OPT_PUSH_heartbeat_ms);
    size_t flow = nki_options_choice(making->options, NKI_OPT_PUSH_flow_control);
    if (beat_ms > 0 && beat_ms < HEARTBEAT_LEAST_MS) {
        return nki_error_set(making->err, NKI_INVALID, "option heartbeat_ms: %d is less than %d",
                             (int)beat_ms, HEARTBEAT_LEAST_MS);
    }
    int32_t status = set_int(making, "/idle_heartbeat", beat_ms > 0 ? beat_ms * NKI_NS_PER_MS : 0);
    if (status == NKI_OK) {
        status = set_true(making, "/flow_control", flow == 1);
    }
    bool group = is_given(making, "deliver_group");
    bool flows = is_given(making, "flow_control");
    bool beats = is_given(making, "idle_heartbeat");
    if (status == NKI_OK && group && (flows || beats)) {
        return nki_error_set(making->err, NKI_INVALID,
                             "option queue: it excludes flow_control and heartbeats");
    }
    if (status == NKI_OK && flows && beat_ms == 0) {
        return nki_error_set(making->err, NKI_INVALID, "option flow_control: it needs heartbeats");
    }
    return status;
}

/* What one that is made has besides. */
static int32_t set_defaults(struct making *making)
{
    bool group = is_given(making, "deliver_group");
    bool beats = nki_options_int(making->options, NKI_OPT_PUSH_heartbeat_ms) != 0 && !group;
    bool flows = nki_options_choice(making->options, NKI_OPT_PUSH_flow_control) != 2 && beats;
    int32_t status = NKI_OK;
    if (!is_given(making, "ack_policy")) {
        status = set_text(making, "/ack_policy", NKI_STR("explicit"));
    }
    if (status == NKI_OK && beats && !is_given(making, "idle_heartbeat")) {
        status = set_int(making, "/idle_heartbeat", HEARTBEAT_NS);
    }
    return status == NKI_OK ? set_true(making, "/flow_control", flows) : status;
}

/* -- texts ----------------------------------------------------------------------------------------------- */

static bool write_node(const struct nki_doc_node *node, struct nki_buf *out)
{
    size_t len = nki_doc_write(node, NULL, 0);
    if (!nki_buf_reserve(out, len)) {
        return false;
    }
    nki_doc_write(node, (char *)out->data + out->len, len);
    out->len += len;
    return true;
}

/* Moves members that say where it begins out of the configuration. */
static int32_t cut_start(struct making *making)
{
    static const char *const names[] = {"deliver_policy", "opt_start_seq", "opt_start_time"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(names); i++) {
        char path[32];
        const struct nki_doc_node *node = member(making, names[i]);
        if (node == NULL) {
            continue;
        }
        bool ok = (making->start.len == 0 || nki_buf_append(&making->start, ",", 1)) &&
                  nki_buf_append_json(&making->start, nki_str_z(names[i])) &&
                  nki_buf_append(&making->start, ":", 1) && write_node(node, &making->start);
        (void)snprintf(path, sizeof path, "/%s", names[i]);
        if (!ok || nki_doc_remove(&making->doc, nki_str_z(path), making->err) != NKI_OK) {
            return no_memory(making);
        }
    }
    return NKI_OK;
}

static int32_t remove_member(struct making *making, const char *path)
{
    int32_t status = nki_doc_remove(&making->doc, nki_str_z(path), NULL);
    return status == NKI_NOT_FOUND ? NKI_OK : status;
}

/* Texts of names are copied before: they belong to the document. */
static int32_t write_texts(struct making *making, struct nki_buf names[3])
{
    struct nki_push_params *params = &making->params;
    if (!write_node(making->doc.root, &making->wanted) || !nki_buf_append_str(&names[0], params->consumer) ||
        !nki_buf_append_str(&names[1], params->deliver_subject) ||
        !nki_buf_append_str(&names[2], params->deliver_group)) {
        return no_memory(making);
    }
    params->consumer = str_of(&names[0]);
    params->deliver_subject = str_of(&names[1]);
    params->deliver_group = str_of(&names[2]);
    params->level = nki_js_config_level(&making->doc, making->doc.root, "consumer");
    int32_t status = set_defaults(making);
    status = status == NKI_OK ? cut_start(making) : status;
    status = status == NKI_OK ? remove_member(making, "/name") : status;
    status = status == NKI_OK ? remove_member(making, "/deliver_subject") : status;
    if (status == NKI_OK && !write_node(making->doc.root, &making->config)) {
        status = no_memory(making);
    }
    params->wanted = str_of(&making->wanted);
    params->config = str_of(&making->config);
    params->start = str_of(&making->start);
    return status;
}

static int32_t read_all(struct making *making, struct nki_str subject)
{
    const struct nki_options *options = making->options;
    struct nki_push_params *params = &making->params;
    int32_t status = set_plain(making);
    status = status == NKI_OK ? set_begin(making) : status;
    status = status == NKI_OK ? set_sample(making) : status;
    status = status == NKI_OK ? set_filters(making, subject) : status;
    status = status == NKI_OK ? set_names(making) : status;
    status = status == NKI_OK ? set_liveness(making) : status;
    status = status == NKI_OK ? read_names(making, subject) : status;
    params->destroy = (enum nki_push_destroy)nki_options_choice(options, NKI_OPT_PUSH_destroy);
    params->notices = nki_options_bool(options, NKI_OPT_PUSH_status_events);
    params->max_msgs = (uint64_t)nki_options_int(options, NKI_OPT_PUSH_max_msgs);
    params->limits = (struct nki_inlet_limits){
        .msgs = (uint64_t)nki_options_int(options, NKI_OPT_PUSH_pending_msgs_limit),
        .bytes = (uint64_t)nki_options_int(options, NKI_OPT_PUSH_pending_bytes_limit)};
    return status;
}

static int32_t open_with(struct nki_js *js, struct nki_str subject, struct making *making,
                         struct nki_sub **sub, struct nki_op **op)
{
    struct nki_buf names[3] = {0};
    int32_t status = parse_config(making);
    if (status != NKI_OK) {
        return status;
    }
    status = read_all(making, subject);
    status = status == NKI_OK ? write_texts(making, names) : status;
    if (status == NKI_OK) {
        status = nki_push_open(js, &making->params, sub, op, making->err);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(names); i++) {
        nki_buf_free(&names[i]);
    }
    nki_buf_free(&making->wanted);
    nki_buf_free(&making->config);
    nki_buf_free(&making->start);
    nki_doc_free(&making->doc);
    return status;
}

int32_t nki_js_push(struct nki_js *js, struct nki_str subject, const struct nki_options *options,
                    int64_t deadline_ns, struct nki_sub **sub, struct nki_op **op, struct nki_error *err)
{
    _Static_assert(NKI_DESTROY_MADE == 0 && NKI_DESTROY_ALWAYS == 1 && NKI_DESTROY_NEVER == 2,
                   "the words of option destroy stand in this order");
    struct nki_options *defaults = options == NULL ? nki_options_new(NKI_SCOPE_PUSH) : NULL;
    if (options == NULL && defaults == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct making making = {.options = options != NULL ? options : defaults, .err = err};
    making.params.deadline_ns = deadline_ns;
    int32_t status = open_with(js, subject, &making, sub, op);
    nki_options_free(defaults);
    return status;
}
