/* Infos of push consumers: see push_answer.h. */
#include "jetstream/push_answer.h"

#include "base/clock.h"
#include "base/json.h"

#define ACK_WAIT_NS (30000 * NKI_NS_PER_MS) /* a server's own */

static bool member(const struct nki_json_value *object, const char *name, struct nki_json_value *out)
{
    return object->type == NKI_JSON_OBJECT && nki_json_member(object, nki_str_z(name), out);
}

static uint64_t number_of(const struct nki_json_value *object, const char *name)
{
    struct nki_json_value value;
    uint64_t out = 0;
    return member(object, name, &value) && nki_json_u64(&value, &out) ? out : 0;
}

static int64_t span_of(const struct nki_json_value *object, const char *name)
{
    uint64_t ns = number_of(object, name);
    return ns > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)ns;
}

static bool is_true(const struct nki_json_value *object, const char *name)
{
    struct nki_json_value value;
    return member(object, name, &value) && value.type == NKI_JSON_TRUE;
}

/* A text of the server's; empty if there is none or it is too long. */
static struct nki_str text_of(const struct nki_json_value *object, const char *name, char *out, size_t cap)
{
    struct nki_json_value value;
    ptrdiff_t len = member(object, name, &value) ? nki_json_text(&value, out, cap) : 0;
    return nki_str_make(out, len > 0 ? (size_t)len : 0);
}

static int64_t longest_backoff(const struct nki_json_value *config)
{
    struct nki_json_value list;
    struct nki_json_value value;
    struct nki_str key;
    int64_t longest = 0;
    int64_t ns;
    size_t at = 0;
    if (member(config, "backoff", &list) && list.type == NKI_JSON_ARRAY) {
        while (nki_json_next(&list, &at, &key, &value)) {
            longest = nki_json_i64(&value, &ns) && ns > longest && ns < INT64_MAX / 4 ? ns : longest;
        }
    }
    return longest;
}

/* How it is looked after. */
static void read_config(const struct nki_json_value *config, struct nki_push_answer *out)
{
    char word[32];
    struct nki_str acks = text_of(config, "ack_policy", word, sizeof word);
    out->acks = acks.len > 0 && !nki_str_eq(acks, NKI_STR("none"));
    out->per_subject =
        nki_str_eq(text_of(config, "deliver_policy", word, sizeof word), NKI_STR("last_per_subject"));
    out->flows = is_true(config, "flow_control");
    out->heartbeat_ns = span_of(config, "idle_heartbeat");
    int64_t wait_ns = span_of(config, "ack_wait");
    int64_t longest_ns = longest_backoff(config);
    wait_ns = wait_ns > 0 ? wait_ns : ACK_WAIT_NS;
    out->window_ns = longest_ns > wait_ns ? longest_ns : wait_ns;
}

static const char *read_names(const struct nki_json_value *answer, const struct nki_json_value *config,
                              struct nki_push_answer *out)
{
    struct nki_str name = text_of(answer, "stream_name", out->stream, sizeof out->stream);
    if (nki_js_name_fault(name) != NULL) {
        return "the consumer's info holds no name of a stream";
    }
    name = text_of(answer, "name", out->consumer, sizeof out->consumer);
    if (nki_js_name_fault(name) != NULL) {
        return "the consumer's info holds no name of a consumer";
    }
    struct nki_str subject = text_of(config, "deliver_subject", out->subject, sizeof out->subject);
    struct nki_str group = text_of(config, "deliver_group", out->group, sizeof out->group);
    if (nki_subject_publish_fault(subject) != NULL ||
        (group.len > 0 && nki_subject_queue_fault(group) != NULL)) {
        return "the consumer's info holds no deliver_subject";
    }
    return NULL;
}

int32_t nki_push_answer_read(struct nki_str text, struct nki_push_answer *out, struct nki_error *err)
{
    struct nki_json_value answer;
    struct nki_json_value config;
    struct nki_json_value delivered;
    memset(out, 0, sizeof *out);
    if (!nki_json_check(text, &answer) || !member(&answer, "config", &config)) {
        return nki_error_set(err, NKI_PROTOCOL, "the consumer's info holds no configuration");
    }
    const char *fault = read_names(&answer, &config, out);
    if (fault != NULL) {
        return nki_error_set(err, NKI_PROTOCOL, "%s", fault);
    }
    read_config(&config, out);
    out->bound = is_true(&answer, "push_bound");
    out->pending = number_of(&answer, "num_pending");
    out->counted = member(&answer, "delivered", &delivered);
    out->come = out->counted ? number_of(&delivered, "consumer_seq") : 0;
    out->before = out->counted ? number_of(&delivered, "stream_seq") : 0;
    return NKI_OK;
}
