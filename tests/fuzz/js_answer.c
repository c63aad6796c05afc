/* Fuzzes what answers of JetStream are read by: acks of published messages, errors, and calls, whose second
 * requests and joined pages have to be JSON whatever the server says.
 *
 * The first byte chooses: the number of a call whose answers follow line by line, or beyond those an ack, or
 * an error. One thread. */
#include "base/alloc.h"
#include "base/json.h"
#include "jetstream/api_error.h"
#include "jetstream/call_inside.h"
#include "jetstream/pub_ack.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#define CALLER "{\"name\":\"S\",\"max_age\":7,\"metadata\":{\"a\":\"b\"}}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct nki_str part, const char *data, size_t size)
{
    return part.len == 0 || (part.ptr >= data && part.ptr + part.len <= data + size);
}

static void check_ack(struct nki_str text)
{
    struct nki_pub_ack ack;
    char *copy = malloc(text.len > 0 ? text.len : 1);
    CHECK(copy != NULL);
    memcpy(copy, text.ptr, text.len);
    int32_t status = nki_pub_ack_read(copy, text.len, &ack);
    CHECK(status == ack.status && status <= 0);
    CHECK((status == NKI_OK) == (ack.outcome == NKI_OUTCOME_DONE));
    CHECK((status == NKI_INVALID_ACK) == (ack.outcome == NKI_OUTCOME_UNKNOWN));
    CHECK(inside(ack.stream, copy, text.len) && inside(ack.domain, copy, text.len) &&
          inside(ack.text, copy, text.len) && inside(ack.batch, copy, text.len) &&
          inside(ack.value, copy, text.len));
    CHECK(status != NKI_OK || (ack.stream.len > 0 && nki_str_utf8_valid(ack.stream) && ack.seq > 0));
    free(copy);
}

/* What an ack becomes lies in the message that it came in. */
static void check_turned(struct nki_str text)
{
    struct nki_pub_ack ack;
    struct nki_pub_ack got;
    struct nki_msg *msg =
        nki_msg_new(NULL, NKI_STR("i.AAAAAAAAAAAAAAAAAAAAAA.0"), NKI_STR(""), 0, (uint32_t)text.len);
    CHECK(msg != NULL);
    memcpy((char *)nki_msg_body(msg), text.ptr, text.len);
    (void)nki_pub_ack_read((char *)nki_msg_body(msg), msg->data_len, &ack);
    nki_pub_ack_turn(msg, &ack);
    nki_pub_ack_of(msg, &got);
    CHECK(got.status == ack.status && got.seq == ack.seq && got.count == ack.count);
    CHECK(got.batch.len == ack.batch.len && got.value.len == ack.value.len);
    nki_msg_release(msg);
}

static void check_error(struct nki_str text)
{
    struct nki_json_value value;
    struct nki_error error;
    if (nki_json_check(text, &value)) {
        memset(&error, 0xaa, sizeof error);
        int32_t status = nki_js_read_error(&value, &error);
        CHECK(status < 0 && status == error.status);
        CHECK(error.server_code >= 0 && error.err_code >= 0);
        CHECK(memchr(error.text, '\0', sizeof error.text) != NULL &&
              nki_str_utf8_valid(nki_str_z(error.text)));
    }
}

/* -- calls ----------------------------------------------------------------------------------------------- */

static bool put(struct nki_buf *buf, const char *text)
{
    return nki_buf_append_str(buf, nki_str_z(text));
}

/* As call.c makes it, of arguments that take every way. */
static void make(struct nki_js_call *call, const struct nki_js_call_row *row)
{
    bool consumer = row->then == NKI_JS_THEN_UPDATES_CONSUMER;
    memset(call, 0, sizeof *call);
    call->row = row;
    call->then = row->then;
    call->retries = 3;
    call->reads = row->reads;
    CHECK(put(&call->subject, "$JS.API.CALL") && put(&call->body, "{\"offset\":1,\"subject\":\"a.>\"}"));
    CHECK(put(&call->config, CALLER) && put(&call->stream, "\"S\""));
    CHECK(put(&call->next_subject, consumer ? "$JS.API.CONSUMER.CREATE.S.c" : "$JS.API.STREAM.UPDATE.S"));
    nki_js_call_show(call);
}

static void unmake(struct nki_js_call *call)
{
    nki_buf_free(&call->subject);
    nki_buf_free(&call->header_block);
    nki_buf_free(&call->body);
    nki_buf_free(&call->config);
    nki_buf_free(&call->next_subject);
    nki_buf_free(&call->stream);
    nki_buf_free(&call->items);
}

static void check_object(struct nki_str text)
{
    struct nki_json_value value;
    CHECK(nki_json_check(text, &value) && value.type == NKI_JSON_OBJECT);
}

/* What a second request holds: the caller's own members as they are. */
static void check_update(const struct nki_js_call *call)
{
    struct nki_json_value body;
    struct nki_json_value config;
    struct nki_json_value own;
    CHECK(nki_json_check(call->chain.out.data, &body) && body.type == NKI_JSON_OBJECT);
    config = body;
    if (call->row->then == NKI_JS_THEN_UPDATES_CONSUMER) {
        CHECK(nki_json_member(&body, NKI_STR("config"), &config) && config.type == NKI_JSON_OBJECT);
        CHECK(nki_json_member(&body, NKI_STR("stream_name"), &own) && nki_str_eq(own.raw, NKI_STR("\"S\"")));
    }
    CHECK(nki_json_member(&config, NKI_STR("max_age"), &own) && nki_str_eq(own.raw, NKI_STR("7")));
    CHECK(nki_json_member(&config, NKI_STR("metadata"), &own) &&
          nki_str_eq(own.raw, NKI_STR("{\"a\":\"b\"}")));
}

/* One answer; whether it goes on. */
static bool answer(struct nki_js_call *call, struct nki_str text)
{
    enum nki_js_then before = call->then;
    size_t pages = call->items.len;
    struct nki_chain_end end = {.outcome = NKI_OUTCOME_DONE};
    struct nki_msg *msg = nki_msg_new(NULL, NKI_STR("inbox"), NKI_STR(""), 0, (uint32_t)text.len);
    CHECK(msg != NULL);
    memcpy(nki_msg_body(msg), text.ptr, text.len);
    enum nki_chain_next next = nki_js_call_ops.reply(&call->chain, NKI_OK, msg, &end);
    if (next != NKI_CHAIN_ENDS) {
        CHECK(call->chain.out.subject.len > 0);
        check_object(call->chain.out.data);
        CHECK(next != NKI_CHAIN_WAITS || call->chain.wait_ms > 0);
        if (next == NKI_CHAIN_ASKS && before != call->then) {
            check_update(call);
        }
        return true;
    }
    CHECK(end.status <= 0 && (end.status == NKI_OK) == (end.msg != NULL));
    CHECK(end.status == NKI_OK || end.error.status == end.status);
    if (end.msg != NULL && (pages > 0 || before == NKI_JS_THEN_FINDS)) {
        check_object(nki_msg_data(end.msg));
    }
    nki_msg_release(end.msg);
    return false;
}

static void check_call(const struct nki_js_call_row *row, struct nki_str answers)
{
    struct nki_js_call call;
    make(&call, row);
    bool more = true;
    while (more && answers.ptr != NULL) {
        more = answer(&call, nki_str_cut(&answers, '\n'));
    }
    unmake(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct nki_str rest = nki_str_make((const char *)data + 1, size - 1);
    const struct nki_js_call_row *row = data[0] >= 'a' ? nki_js_call_at((size_t)(data[0] - 'a')) : NULL;
    if (row != NULL) {
        check_call(row, rest);
    } else if (data[0] == 'E') {
        check_error(rest);
    } else {
        check_ack(rest);
        check_turned(rest);
    }
    CHECK(nki_alloc_bytes() == 0);
    return 0;
}
