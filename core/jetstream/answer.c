/* What follows the answers to a call: its end, a second request, the next page. Under the engine lock, by
 * whoever reads the connection: texts are scanned, not parsed into trees. */
#include "jetstream/api_error.h"
#include "jetstream/call_inside.h"

#include "base/json.h"

/* An error is small; an answer of more bytes is none, and is not looked at. */
#define ERROR_MAX ((size_t)16 * NKI_KIB)
#define NOT_FOUND_STREAM 10059

static enum nki_chain_next end_with(struct nki_chain_end *end, int32_t status, int32_t outcome,
                                    const char *text)
{
    end->status = status;
    end->outcome = outcome;
    nki_error_set(&end->error, status, text != NULL ? "%s" : NULL, text);
    return NKI_CHAIN_ENDS;
}

static enum nki_chain_next no_memory(struct nki_chain_end *end)
{
    return end_with(end, NKI_NO_MEMORY, NKI_OUTCOME_UNKNOWN, NULL);
}

/* Milliseconds before the next try. */
static int64_t pause_ms(unsigned tries)
{
    static const int64_t pauses[] = {250, 250, 500, 500, 1000, 2000, 3000};
    return pauses[tries < NKI_ARRAY_LEN(pauses) ? tries : NKI_ARRAY_LEN(pauses) - 1];
}

/* Whether it is asked once more. */
static bool try_again(struct nki_js_call *call)
{
    if (call->retries == 0) {
        return false;
    }
    call->retries -= call->retries > 0;
    call->chain.wait_ms = pause_ms(call->tries++);
    return true;
}

/* -- updates --------------------------------------------------------------------------------------------- */

static bool append_raw_member(struct nki_buf *out, struct nki_str key, struct nki_str value)
{
    return (out->data[out->len - 1] == '{' || nki_buf_append(out, ",", 1)) && nki_buf_append(out, "\"", 1) &&
           nki_buf_append_str(out, key) && nki_buf_append(out, "\":", 2) && nki_buf_append_str(out, value);
}

/* Appends the server's configuration with the caller's members in place of its own. */
static bool append_laid_over(struct nki_buf *out, const struct nki_json_value *server,
                             struct nki_str caller_text)
{
    struct nki_json_value caller;
    struct nki_json_value value;
    struct nki_json_value own;
    struct nki_str key;
    size_t at = 0;
    bool ok = nki_json_check(caller_text, &caller);
    assert(ok); /* it was written from a document */
    ok = nki_buf_append(out, "{", 1);
    while (ok && nki_json_next(server, &at, &key, &value)) {
        ok = nki_json_member(&caller, key, &own) || append_raw_member(out, key, value.raw);
    }
    at = 0;
    while (ok && nki_json_next(&caller, &at, &key, &value)) {
        ok = append_raw_member(out, key, value.raw);
    }
    return ok && nki_buf_append(out, "}", 1);
}

static void take_over(struct nki_buf *to, struct nki_buf *from)
{
    nki_buf_free(to);
    *to = *from;
    *from = (struct nki_buf){0};
}

static enum nki_chain_next second_step(struct nki_js_call *call)
{
    call->then = NKI_JS_THEN_ENDS;
    call->reads = false;
    nki_js_call_show(call);
    return NKI_CHAIN_ASKS;
}

static enum nki_chain_next update(struct nki_js_call *call, const struct nki_json_value *answer,
                                  struct nki_chain_end *end)
{
    struct nki_json_value config;
    if (!nki_json_member(answer, NKI_STR("config"), &config) || config.type != NKI_JSON_OBJECT) {
        return end_with(end, NKI_PROTOCOL, NKI_OUTCOME_NOT_SENT,
                        "the answer to an info holds no configuration");
    }
    struct nki_str own = nki_str_make((const char *)call->config.data, call->config.len);
    bool consumer = call->then == NKI_JS_THEN_UPDATES_CONSUMER;
    struct nki_buf body = {0};
    bool ok = !consumer || (nki_buf_append_str(&body, NKI_STR("{\"stream_name\":")) &&
                            nki_buf_append(&body, call->stream.data, call->stream.len) &&
                            nki_buf_append_str(&body, NKI_STR(",\"action\":\"update\",\"config\":")));
    ok = ok && append_laid_over(&body, &config, own) && (!consumer || nki_buf_append(&body, "}", 1));
    if (!ok) {
        nki_buf_free(&body);
        return no_memory(end);
    }
    take_over(&call->body, &body);
    take_over(&call->subject, &call->next_subject);
    return second_step(call);
}

/* There is no stream to update: STREAM.CREATE instead of STREAM.UPDATE, which is as long. */
static enum nki_chain_next create(struct nki_js_call *call)
{
    static const char update_word[] = ".STREAM.UPDATE.";
    static const char create_word[] = ".STREAM.CREATE.";
    size_t len = sizeof update_word - 1;
    size_t at = call->next_subject.len - len;
    while (memcmp(call->next_subject.data + at, update_word, len) != 0) { /* a name holds no dot */
        assert(at > 0);
        at--;
    }
    memcpy(call->next_subject.data + at, create_word, len);
    take_over(&call->body, &call->config);
    take_over(&call->subject, &call->next_subject);
    return second_step(call);
}

/* -- pages ----------------------------------------------------------------------------------------------- */

static bool is_paged(const struct nki_js_call *call)
{
    return call->then == NKI_JS_THEN_PAGES_STREAMS || call->then == NKI_JS_THEN_PAGES_CONSUMERS ||
           call->then == NKI_JS_THEN_PAGES_SUBJECTS;
}

/* What the pages hold parts of. */
static bool find_items(const struct nki_js_call *call, const struct nki_json_value *answer,
                       struct nki_json_value *out)
{
    struct nki_json_value state;
    switch (call->then) {
    case NKI_JS_THEN_PAGES_STREAMS:
        return nki_json_member(answer, NKI_STR("streams"), out) && out->type == NKI_JSON_ARRAY;
    case NKI_JS_THEN_PAGES_CONSUMERS:
        return nki_json_member(answer, NKI_STR("consumers"), out) && out->type == NKI_JSON_ARRAY;
    default:
        return nki_json_member(answer, NKI_STR("state"), &state) && state.type == NKI_JSON_OBJECT &&
               nki_json_member(&state, NKI_STR("subjects"), out) && out->type == NKI_JSON_OBJECT;
    }
}

static uint64_t count_items(const struct nki_json_value *items)
{
    struct nki_json_value value;
    struct nki_str key;
    size_t at = 0;
    uint64_t count = 0;
    while (nki_json_next(items, &at, &key, &value)) {
        count++;
    }
    return count;
}

static uint64_t number_of(const struct nki_json_value *answer, struct nki_str name)
{
    struct nki_json_value value;
    uint64_t number = 0;
    return nki_json_member(answer, name, &value) && nki_json_u64(&value, &number) ? number : 0;
}

/* Appends the inside of a page to what has come. */
static bool keep_items(struct nki_js_call *call, const struct nki_json_value *items)
{
    struct nki_str inside = nki_str_make(items->raw.ptr + 1, items->raw.len - 2);
    return (call->items.len == 0 || nki_buf_append(&call->items, ",", 1)) &&
           nki_buf_append_str(&call->items, inside);
}

/* The body again with another offset. */
static bool move_offset(struct nki_js_call *call)
{
    struct nki_json_value old;
    struct nki_json_value value;
    struct nki_str key;
    struct nki_buf body = {0};
    size_t at = 0;
    bool has = nki_json_check(nki_str_make((const char *)call->body.data, call->body.len), &old);
    bool ok = nki_buf_append(&body, "{", 1);
    while (ok && has && nki_json_next(&old, &at, &key, &value)) {
        ok = nki_str_eq(key, NKI_STR("offset")) || append_raw_member(&body, key, value.raw);
    }
    ok = ok && (body.len == 1 || nki_buf_append(&body, ",", 1)) &&
         nki_buf_append_str(&body, NKI_STR("\"offset\":")) && nki_buf_append_u64(&body, call->offset) &&
         nki_buf_append(&body, "}", 1);
    if (!ok) {
        nki_buf_free(&body);
        return false;
    }
    take_over(&call->body, &body);
    nki_js_call_show(call);
    return true;
}

/* The last page with the items of all in place of its own. */
static struct nki_msg *join(const struct nki_js_call *call, const struct nki_msg *msg,
                            const struct nki_json_value *items)
{
    struct nki_str data = nki_msg_data(msg);
    size_t before = (size_t)(items->raw.ptr + 1 - data.ptr);
    size_t after = data.len - before - (items->raw.len - 2);
    size_t len = before + call->items.len + after;
    struct nki_msg *whole =
        len <= UINT32_MAX ? nki_msg_new(NULL, nki_msg_subject(msg), NKI_STR(""), 0, (uint32_t)len) : NULL;
    if (whole != NULL) {
        uint8_t *out = nki_msg_body(whole);
        memcpy(out, data.ptr, before);
        memcpy(out + before, call->items.data, call->items.len);
        memcpy(out + before + call->items.len, data.ptr + data.len - after, after);
        whole->origin = msg->origin;
    }
    return whole;
}

static enum nki_chain_next page(struct nki_js_call *call, struct nki_msg *msg,
                                const struct nki_json_value *answer, struct nki_chain_end *end)
{
    struct nki_json_value items;
    bool some = find_items(call, answer, &items);
    uint64_t count = some ? count_items(&items) : 0;
    uint64_t begin = number_of(answer, NKI_STR("offset"));
    bool more =
        count > 0 && begin + count < number_of(answer, NKI_STR("total")) && begin + count > call->offset;
    if (!more && (call->items.len == 0 || !some)) {
        if (call->items.len == 0) {
            end->msg = msg; /* all in one, which is not copied */
            return NKI_CHAIN_ENDS;
        }
        nki_msg_release(msg);
        return end_with(end, NKI_PROTOCOL, NKI_OUTCOME_UNKNOWN, "a further page of the answer holds no list");
    }
    if (call->items.len + items.raw.len > NKI_DOC_TEXT_MAX) {
        nki_msg_release(msg);
        return end_with(end, NKI_LIMIT, NKI_OUTCOME_REJECTED,
                        "the answer has more than 64 MiB: ask for a part of it");
    }
    call->offset = begin + count;
    bool ok = count == 0 || keep_items(call, &items);
    if (ok && !more) {
        end->msg = join(call, msg, &items);
        ok = end->msg != NULL;
    } else {
        ok = ok && move_offset(call);
    }
    nki_msg_release(msg);
    return !ok ? no_memory(end) : more ? NKI_CHAIN_ASKS : NKI_CHAIN_ENDS;
}

/* -- find ------------------------------------------------------------------------------------------------ */

static enum nki_chain_next find(struct nki_msg *msg, const struct nki_json_value *answer,
                                struct nki_chain_end *end)
{
    struct nki_json_value names;
    struct nki_json_value name;
    struct nki_str key;
    size_t at = 0;
    bool list = nki_json_member(answer, NKI_STR("streams"), &names) && names.type == NKI_JSON_ARRAY;
    uint64_t count = list ? count_items(&names) : 0;
    if (count != 1) {
        nki_msg_release(msg);
        return count == 0
                   ? end_with(end, NKI_STREAM_NOT_FOUND, NKI_OUTCOME_REJECTED, "no stream takes the subject")
                   : end_with(end, NKI_INVALID, NKI_OUTCOME_REJECTED,
                              "more than one stream takes subjects like this");
    }
    nki_json_next(&names, &at, &key, &name);
    struct nki_str begin = NKI_STR("{\"stream\":");
    uint32_t len = (uint32_t)(begin.len + name.raw.len + 1);
    end->msg = nki_msg_new(NULL, nki_msg_subject(msg), NKI_STR(""), 0, len);
    if (end->msg != NULL) {
        uint8_t *out = nki_msg_body(end->msg);
        memcpy(out, begin.ptr, begin.len);
        memcpy(out + begin.len, name.raw.ptr, name.raw.len);
        out[len - 1] = '}';
        end->msg->origin = msg->origin;
    }
    nki_msg_release(msg);
    return end->msg != NULL ? NKI_CHAIN_ENDS : no_memory(end);
}

/* -- answers --------------------------------------------------------------------------------------------- */

static enum nki_chain_next refused(struct nki_js_call *call, const struct nki_json_value *error,
                                   struct nki_chain_end *end)
{
    end->status = nki_js_read_error(error, &end->error);
    end->outcome = NKI_OUTCOME_REJECTED;
    if (call->then == NKI_JS_THEN_UPDATES_OR_CREATES && end->error.err_code == NOT_FOUND_STREAM) {
        return create(call);
    }
    return nki_js_may_pass(&end->error) && try_again(call) ? NKI_CHAIN_WAITS : NKI_CHAIN_ENDS;
}

static enum nki_chain_next answered(struct nki_js_call *call, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_str data = nki_msg_data(msg);
    struct nki_json_value answer;
    struct nki_json_value error;
    enum nki_js_then then = call->then;
    if (then == NKI_JS_THEN_ENDS && data.len > ERROR_MAX) {
        end->msg = msg;
        return NKI_CHAIN_ENDS;
    }
    if (!nki_json_check(data, &answer) || answer.type != NKI_JSON_OBJECT) {
        nki_msg_release(msg);
        return end_with(end, NKI_PROTOCOL, NKI_OUTCOME_UNKNOWN, "the answer is no JSON object");
    }
    enum nki_chain_next next;
    if (nki_json_member(&answer, NKI_STR("error"), &error) && error.type == NKI_JSON_OBJECT) {
        next = refused(call, &error, end);
    } else if (is_paged(call)) {
        return page(call, msg, &answer, end);
    } else if (then == NKI_JS_THEN_FINDS) {
        return find(msg, &answer, end);
    } else if (then == NKI_JS_THEN_ENDS) {
        end->msg = msg;
        return NKI_CHAIN_ENDS;
    } else {
        next = update(call, &answer, end);
    }
    nki_msg_release(msg);
    return next;
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct nki_js_call *call = NKI_CONTAINER_OF(chain, struct nki_js_call, chain);
    if (status == NKI_OK) {
        return answered(call, msg, end);
    }
    if (status == NKI_DISCONNECTED) {
        return call->reads ? NKI_CHAIN_ASKS : end_with(end, status, NKI_OUTCOME_UNKNOWN, NULL);
    }
    if (try_again(call)) {
        return NKI_CHAIN_WAITS;
    }
    return end_with(end, NKI_JS_NOT_ENABLED, NKI_OUTCOME_REJECTED, NULL);
}

const struct nki_chain_ops nki_js_call_ops = {.reply = reply};
