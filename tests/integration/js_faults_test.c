/* What may go wrong around calls of the JetStream API: servers and accounts without it, other prefixes,
 * denied subjects, levels, missing leaders, odd answers, and connections that are cut while a call is under
 * way. */
#include "kv_bench.h"

#include "support/scripted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- servers of all kinds -------------------------------------------------------------------------------- */

static natskit_conn connect_as(struct ts_server *server, const char *user)
{
    natskit_conn conn;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    if (user != NULL) {
        assert_ok(natskit_options_set(options, "user", Z, user, Z, NULL));
        assert_ok(natskit_options_set(options, "password", Z, "pw", Z, NULL));
    }
    assert_ok(natskit_connect(ts_server_url(server), Z, options, WAIT_MS, &conn, NULL));
    assert_ok(natskit_options_close(options));
    return conn;
}

static void close_both(natskit_js js, natskit_conn conn)
{
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* A server without JetStream: nobody answers, and that shows at once. */
static void test_server_without(void **state)
{
    (void)state;
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){.no_jetstream = true});
    assert_non_null(server);
    natskit_conn conn = connect_as(server, NULL);
    natskit_js js = jb_open(conn);
    int64_t begin_ms = ts_now_ms();
    (void)jb_fails(js, NATSKIT_JS_NOT_ENABLED, "account.info", "%s", "");
    (void)jb_fails(js, NATSKIT_JS_NOT_ENABLED, "stream.create", "{'config':{'name':'S'}}");
    (void)jb_fails(js, NATSKIT_JS_NOT_ENABLED, "stream.update", "{'config':{'name':'S'}}");
    (void)jb_fails(js, NATSKIT_JS_NOT_ENABLED, "stream.names", "%s", "");
    assert_true(ts_now_ms() - begin_ms < WAIT_MS / 2); /* not the deadline */
    close_both(js, conn);
    ts_server_free(server);
}

#define ACCOUNTS                                                                                             \
    "accounts {\n"                                                                                           \
    "  JS: { jetstream: enabled, users: [ { user: js, password: pw } ],\n"                                   \
    "    exports: [ { service: \"$JS.API.>\" }, { service: \"$KV.>\" } ] }\n"                                \
    "  NONE: { users: [ { user: none, password: pw } ] }\n"                                                  \
    "  GUEST: { users: [ { user: guest, password: pw } ],\n"                                                 \
    "    imports: [ { service: { account: JS, subject: \"$JS.API.>\" }, to: \"far.js.>\" },\n"               \
    "               { service: { account: JS, subject: \"$KV.>\" }, to: \"far.js.$KV.>\" } ] }\n"            \
    "  FEW: { jetstream: enabled, users: [ { user: few, password: pw, permissions: {\n"                      \
    "    publish: { deny: [ \"$JS.API.STREAM.DELETE.>\", \"$JS.API.INFO\" ] } } } ] }\n"                     \
    "}\n"

static void test_accounts(void **state)
{
    (void)state;
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){.extra = ACCOUNTS});
    assert_non_null(server);
    natskit_conn none = connect_as(server, "none");
    natskit_js js = jb_open(none);
    natskit_error err = jb_fails(js, NATSKIT_JS_NOT_ENABLED, "account.info", "%s", "");
    assert_int_equal(err.err_code, 10039);
    assert_int_equal(err.server_code, 503);
    close_both(js, none);

    natskit_conn owner = connect_as(server, "js");
    js = jb_open(owner);
    jb_do(js, "stream.create", "{'config':{'name':'OWN','subjects':['own'],'storage':'memory'}}");
    close_both(js, owner);
    natskit_conn guest = connect_as(server, "guest"); /* by another prefix */
    js = jb_open_with(guest, "api_prefix", "far.js.");
    natskit_json info = jb_call(js, "stream.info", "{'stream':'OWN'}");
    assert_at(info, "/config/name", "'OWN'");
    assert_ok(natskit_json_close(info));
    info = jb_call(js, "stream.update", "{'config':{'name':'OWN','description':'far'}}");
    assert_at(info, "/config/description", "'far'");
    assert_ok(natskit_json_close(info));
    close_both(js, guest);

    natskit_conn few = connect_as(server, "few"); /* denied: at once, not at the deadline */
    js = jb_open(few);
    int64_t begin_ms = ts_now_ms();
    err = jb_fails(js, NATSKIT_PERMISSION, "account.info", "%s", "");
    assert_non_null(strstr(err.text, "$JS.API.INFO"));
    (void)jb_fails(js, NATSKIT_PERMISSION, "stream.delete", "{'stream':'X'}");
    assert_true(ts_now_ms() - begin_ms < WAIT_MS / 2);
    (void)jb_fails(js, NATSKIT_STREAM_NOT_FOUND, "stream.info", "{'stream':'X'}"); /* it goes on */
    close_both(js, few);
    ts_server_free(server);
}

/* Keys of another account's bucket go behind the prefix of its API; they are stored without it. */
static void test_bucket_of_another_account(void **state)
{
    (void)state;
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){.extra = ACCOUNTS});
    assert_non_null(server);
    natskit_conn owner = connect_as(server, "js");
    natskit_js js = jb_open(owner);
    natskit_kv own = kb_make(js, "SHARED", ",'history':5");
    natskit_conn guest = connect_as(server, "guest");
    natskit_js far = jb_open_with(guest, "api_prefix", "far.js");
    natskit_kv kv = kb_open(far, "SHARED");
    assert_int_equal(kb_put(kv, "a", "1"), 1);
    kb_expect(own, "a", 0, "1", 1);
    kb_expect(kv, "a", 0, "1", 1);
    kb_expect(kv, "a", 1, "1", 1);
    (void)kb_write_fails(kv, NATSKIT_KEY_EXISTS, NATSKIT_KV_CREATE, "a", "x", 0);
    assert_int_equal(kb_write(kv, NATSKIT_KV_DELETE, "a", NULL, 1), 2);
    assert_int_equal(kb_write(kv, NATSKIT_KV_CREATE, "a", "2", 0), 3);
    kb_expect(own, "a", 0, "2", 3);
    (void)kb_write_fails(kv, NATSKIT_WRONG_LAST, NATSKIT_KV_UPDATE, "a", "x", 1);
    assert_int_equal(kb_write(kv, NATSKIT_KV_PURGE, "a", NULL, 0), 4);
    (void)kb_get_fails(kv, NATSKIT_KEY_DELETED, "a", 0);
    assert_ok(natskit_kv_close(kv));
    assert_ok(natskit_kv_close(own));
    close_both(far, guest);
    close_both(js, owner);
    ts_server_free(server);
}

static void test_domain(void **state)
{
    (void)state;
    struct ts_server *server = ts_server_start(
        &(struct ts_server_opts){.extra = "jetstream { store_dir: \"@DIR@/hub\", domain: hub }\n"});
    assert_non_null(server);
    natskit_conn conn = connect_as(server, NULL);
    natskit_js js = jb_open_with(conn, "domain", "hub");
    natskit_json info = jb_call(js, "account.info", "%s", "");
    assert_at(info, "/domain", "'hub'");
    assert_ok(natskit_json_close(info));
    jb_do(js, "stream.create", "{'config':{'name':'D','subjects':['d'],'storage':'memory'}}");
    natskit_kv kv = kb_make(js, "DB", "");
    natskit_sub watch = KB_WATCH(kv, "history", "true");
    kb_done(watch);
    assert_int_equal(kb_put(kv, "a", "1"), 1);
    kb_next(watch, "a", "1", 1);
    kb_expect(kv, "a", 0, "1", 1);
    (void)kb_write_fails(kv, NATSKIT_KEY_EXISTS, NATSKIT_KV_CREATE, "a", "x", 0);
    assert_ok(natskit_sub_close(watch));
    assert_ok(natskit_kv_close(kv));
    natskit_js other = jb_open_with(conn, "domain", "nowhere");
    (void)jb_fails(other, NATSKIT_JS_NOT_ENABLED, "stream.info", "{'stream':'D'}");
    assert_ok(natskit_js_close(other));
    close_both(js, conn);
    ts_server_free(server);
}

static void test_options_exclude(void **state)
{
    (void)state;
    natskit_options options;
    natskit_js js;
    natskit_error err;
    natskit_conn conn = bench_connect();
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_JETSTREAM, &options));
    assert_ok(natskit_options_set(options, "domain", Z, "a", Z, NULL));
    assert_ok(natskit_options_set(options, "api_prefix", Z, "b", Z, NULL));
    assert_status(natskit_js_open(conn, options, &js, &err), NATSKIT_INVALID);
    assert_ok(natskit_options_set(options, "api_prefix", Z, "$JS.API", Z, NULL));
    assert_ok(natskit_options_set(options, "domain", Z, "a.b", Z, NULL));
    assert_status(natskit_js_open(conn, options, &js, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "domain"));
    assert_ok(natskit_options_set(options, "domain", Z, "", Z, NULL));
    assert_ok(natskit_options_set(options, "api_prefix", Z, "a.*", Z, NULL));
    assert_status(natskit_js_open(conn, options, &js, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "api_prefix"));
    assert_int_equal(js.id, 0);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* -- scripted servers ------------------------------------------------------------------------------------ */

/* A script, line by line; lines that begin with ! become an answer to the request "r" with that text. */
static struct ts_scripted *play(const char *const *lines)
{
    struct ts_buf script = {0};
    ts_buf_printf(&script, "handshake\npong-auto on\n<~ SUB _INBOX.* as sub\n");
    for (; *lines != NULL; lines++) {
        if (**lines == '!') {
            ts_buf_printf(&script, "> MSG ${r.reply} ${sub.sid} %zu\n> %s\n", strlen(*lines) - 1, *lines + 1);
        } else if (**lines == '#') {
            ts_buf_printf(&script, "> HMSG ${r.reply} ${sub.sid} 16 16\n> NATS/1.0 503\n> \n> \n");
        } else {
            ts_buf_printf(&script, "%s\n", *lines);
        }
    }
    ts_buf_printf(&script, "wait-close\n");
    ts_buf_add(&script, "", 1);
    struct ts_scripted *server = ts_scripted_start(script.at);
    ts_buf_free(&script);
    assert_non_null(server);
    return server;
}

#define PLAY(...) play((const char *const[]){__VA_ARGS__, NULL})

struct scripted {
    struct ts_scripted *server;
    natskit_conn conn;
    natskit_js js;
};

static struct scripted join(struct ts_scripted *server, const char *retries)
{
    struct scripted all = {.server = server};
    assert_ok(natskit_connect(ts_scripted_url(server), Z, NO_OPTIONS, WAIT_MS, &all.conn, NULL));
    all.js = jb_open_with(all.conn, "api_retries", retries);
    return all;
}

static void leave(struct scripted all)
{
    close_both(all.js, all.conn);
    assert_true(ts_scripted_wait(all.server, WAIT_MS));
    assert_true(ts_scripted_stop(all.server));
}

/* An update sends back what it does not know, digit by digit. */
static void test_update_keeps_the_unknown(void **state)
{
    (void)state;
    struct scripted all = join(
        PLAY("< PUB $JS.API.STREAM.INFO.S @* as r",
             "!{\"type\":\"x\",\"config\":{\"name\":\"S\",\"max_age\":5,\"new_field\":{\"a\":[1.50,\"é\"]},"
             "\"big\":18446744073709551615},\"state\":{}}",
             "< PUB $JS.API.STREAM.UPDATE.S @* ={\"new_field\":{\"a\":[1.50,\"é\"]},"
             "\"big\":18446744073709551615,\"max_age\":7,\"name\":\"S\"} as r",
             "!{\"config\":{}}"),
        "0");
    jb_do(all.js, "stream.update", "{'config':{'max_age':7,'name':'S'}}");
    leave(all);
}

/* Without a leader nobody answers, or the server says 503: option api_retries asks again. */
static void test_retries(void **state)
{
    (void)state;
    struct scripted all = join(
        PLAY("< PUB $JS.API.STREAM.INFO.S @* as r", "#", "< PUB $JS.API.STREAM.INFO.S @* as r",
             "!{\"error\":{\"code\":503,\"err_code\":10008,\"description\":\"no leader\"}}",
             "< PUB $JS.API.STREAM.INFO.S @* as r", "!{\"config\":{}}", "< PUB $JS.API.STREAM.INFO.T @* as r",
             "#", "< PUB $JS.API.STREAM.INFO.T @* as r", "#", "< PUB $JS.API.STREAM.INFO.T @* as r",
             "!{\"error\":{\"code\":503,\"err_code\":10008,\"description\":\"no leader\"}}"),
        "2");
    jb_do(all.js, "stream.info", "{'stream':'S'}");
    natskit_error err = jb_fails(all.js, NATSKIT_JS_NOT_ENABLED, "stream.info", "{'stream':'T'}");
    assert_int_equal(err.err_code, 10008);
    assert_string_equal(err.text, "no leader");
    leave(all);
}

/* The level that the last request of a scripted server has asked for; 0: none. */
static int level_asked(struct ts_scripted *server)
{
    size_t len;
    int level = 0;
    char *block = ts_scripted_get(server, "header", &len);
    const char *at = block != NULL ? strstr(block, "Nats-Required-Api-Level: ") : NULL;
    if (at != NULL) {
        assert_int_equal(sscanf(at, "Nats-Required-Api-Level: %d\r\n", &level), 1);
    }
    free(block);
    return level;
}

/* The level of the API that the fields want goes along, and a server that does not have it says so. */
static void test_level(void **state)
{
    (void)state;
    static const struct {
        int level;
        const char *call;
        const char *args;
    } rows[] = {
        {1, "stream.create", "{'config':{'name':'S','allow_msg_ttl':true}}"},
        {4, "stream.create",
         "{'config':{'name':'S','sources':[{'name':'O'},{'name':'P','consumer':{'name':'c'}}]}}"},
        {2, "stream.create", "{'config':{'name':'S','persist_mode':'async','allow_msg_ttl':true}}"},
        {1, "consumer.create", "{'stream':'S','config':{'name':'c','priority_groups':['g']}}"},
        {2, "consumer.create", "{'stream':'S','config':{'name':'c','priority_policy':'prioritized'}}"},
        {4, "consumer.create", "{'stream':'S','config':{'name':'c','ack_policy':'flow_control'}}"},
        {0, "stream.create", "{'config':{'name':'S','allow_msg_ttl':false,'persist_mode':''}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scripted all = join(PLAY(rows[i].level > 0 ? "< HPUB * @* as r" : "< PUB * @* as r",
                                        "!{\"error\":{\"code\":412,\"err_code\":10185,"
                                        "\"description\":\"JetStream minimum api level required\"}}"),
                                   "0");
        natskit_error err = jb_fails(all.js, NATSKIT_API_LEVEL, rows[i].call, "%s", rows[i].args);
        assert_int_equal(err.server_code, 412);
        assert_int_equal(err.err_code, 10185);
        assert_int_equal(level_asked(all.server), rows[i].level);
        leave(all);
    }
}

/* Pages of any size, a list that shrinks between them, and answers that are none. */
static void test_odd_pages_and_answers(void **state)
{
    (void)state;
    struct scripted all =
        join(PLAY("< PUB $JS.API.STREAM.NAMES @* as r",
                  "!{\"total\":5,\"offset\":0,\"limit\":2,\"streams\":[\"a\",\"b\"]}",
                  "< PUB $JS.API.STREAM.NAMES @* ={\"offset\":2} as r",
                  "!{\"total\":5,\"offset\":2,\"limit\":2,\"streams\":[\"c\",\"d\"]}",
                  "< PUB $JS.API.STREAM.NAMES @* ={\"offset\":4} as r", /* it has shrunk */
                  "!{\"total\":4,\"offset\":4,\"limit\":2,\"streams\":[]}",
                  "< PUB $JS.API.STREAM.LIST @* ={\"subject\":\"x\"} as r",
                  "!{\"total\":2,\"offset\":0,\"limit\":1,\"streams\":[{}]}",
                  "< PUB $JS.API.STREAM.LIST @* ={\"subject\":\"x\",\"offset\":1} as r",
                  "!{\"total\":2,\"offset\":1,\"limit\":1,\"streams\":null}",
                  "< PUB $JS.API.CONSUMER.NAMES.S @* as r", "!{\"total\":0,\"consumers\":null}",
                  "< PUB $JS.API.INFO @* as r", "![1]", "< PUB $JS.API.INFO @* as r", "!{\"a\":",
                  "< PUB $JS.API.INFO @* as r", "!{\"error\":null,\"a\":1}", "< PUB $JS.API.INFO @* as r",
                  "!{\"error\":{}}", "< PUB $JS.API.STREAM.INFO.S @* as r", "!{\"config\":7}"),
             "0");
    natskit_json answer = jb_call(all.js, "stream.names", "%s", "");
    assert_at(answer, "/streams", "['a','b','c','d']");
    assert_ok(natskit_json_close(answer));
    (void)jb_fails(all.js, NATSKIT_PROTOCOL, "stream.list", "{'subject':'x'}");
    answer = jb_call(all.js, "consumer.names", "{'stream':'S'}");
    assert_at(answer, "/consumers", "null");
    assert_ok(natskit_json_close(answer));
    (void)jb_fails(all.js, NATSKIT_PROTOCOL, "account.info", "%s", "");
    (void)jb_fails(all.js, NATSKIT_PROTOCOL, "account.info", "%s", "");
    answer = jb_call(all.js, "account.info", "%s", "");
    assert_at(answer, "/a", "1");
    assert_ok(natskit_json_close(answer));
    natskit_error err = jb_fails(all.js, NATSKIT_JS_REFUSED, "account.info", "%s", "");
    assert_int_equal(err.err_code, 0);
    (void)jb_fails(all.js, NATSKIT_PROTOCOL, "stream.update", "{'config':{'name':'S'}}");
    leave(all);
}

/* -- cut connections ------------------------------------------------------------------------------------- */

static uint64_t requests(void)
{
    return ts_tap_stat(bench.tap, "pub") + ts_tap_stat(bench.tap, "hpub");
}

/* Through TLS the tap sees no request. */
static void skip_if_unseen(void)
{
    if (bench_scheme_is("wss")) {
        skip();
    }
}

/* Begins a call whose answer does not come through, and cuts the connection when the request has gone. */
static natskit_op start_and_cut(natskit_js js, const char *call, const char *args)
{
    assert_true(ts_tap_command(bench.tap, "live down stall on"));
    uint64_t before = requests();
    natskit_op op = jb_start(js, call, "%s", args);
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    while (requests() == before && ts_now_ms() < end_ms) {
        ts_pause_ms(1);
    }
    assert_true(requests() > before);
    assert_true(ts_tap_command(bench.tap, "live cut"));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    return op;
}

static void test_cut_while_reading(void **state)
{
    (void)state;
    skip_if_unseen();
    static const char *const calls[][2] = {
        {"stream.info", "{'stream':'CUT'}"},    {"stream.names", "{'subject':'cut'}"},
        {"stream.find", "{'subject':'cut'}"},   {"stream.message.get", "{'stream':'CUT','seq':1}"},
        {"consumer.names", "{'stream':'CUT'}"}, {"account.info", ""},
    };
    natskit_msg *ack;
    natskit_conn conn = bench_connect();
    natskit_js js = jb_open(conn);
    jb_do(js, "stream.create", "{'config':{'name':'CUT','subjects':['cut'],'storage':'memory'}}");
    assert_ok(natskit_request(conn, "cut", Z, NO_HEADERS, "x", 1, WAIT_MS, &ack, NULL));
    assert_ok(natskit_msg_release(ack));
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        natskit_json answer;
        natskit_op op = start_and_cut(js, calls[i][0], calls[i][1]);
        assert_ok(natskit_op_result(op, NULL, NULL));
        assert_ok(natskit_op_json(op, &answer, NULL));
        assert_null(strstr(jb_at(answer, ""), "\"error\""));
        assert_ok(natskit_json_close(answer));
        assert_ok(natskit_op_close(op));
    }
    jb_do(js, "stream.delete", "{'stream':'CUT'}");
    close_both(js, conn);
}

static bool is_flushed(void *arg)
{
    return natskit_flush(*(natskit_conn *)arg, WAIT_MS) == NATSKIT_OK;
}

/* Whether it was done nobody knows; it is not done again. */
static void test_cut_while_changing(void **state)
{
    (void)state;
    skip_if_unseen();
    static const char *const calls[][2] = {
        {"consumer.create", "{'stream':'CUT','config':{'durable_name':'c'}}"},
        {"stream.purge", "{'stream':'CUT'}"},
        {"stream.delete", "{'stream':'CUT'}"},
    };
    natskit_conn conn = bench_connect();
    natskit_js js = jb_open(conn);
    jb_do(js, "stream.create", "{'config':{'name':'CUT','subjects':['cut'],'storage':'memory'}}");
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int32_t outcome;
        natskit_json answer;
        natskit_error err;
        uint64_t before = requests();
        natskit_op op = start_and_cut(js, calls[i][0], calls[i][1]);
        assert_status(natskit_op_result(op, &outcome, &err), NATSKIT_DISCONNECTED);
        assert_int_equal(outcome, NATSKIT_OUTCOME_UNKNOWN);
        assert_status(natskit_op_json(op, &answer, NULL), NATSKIT_DISCONNECTED);
        assert_ok(natskit_op_close(op));
        jb_wait(is_flushed, &conn);
        assert_int_equal(requests(), before + 1);
    }
    /* The server did what it was told. */
    (void)jb_fails(js, NATSKIT_STREAM_NOT_FOUND, "stream.info", "{'stream':'CUT'}");
    close_both(js, conn);
}

/* The first step of an update only reads. */
static void test_cut_within_an_update(void **state)
{
    (void)state;
    skip_if_unseen();
    natskit_conn conn = bench_connect();
    natskit_js js = jb_open(conn);
    natskit_json answer;
    jb_do(js, "stream.create", "{'config':{'name':'CUT','subjects':['cut'],'storage':'memory'}}");
    natskit_op op = start_and_cut(js, "stream.update", "{'config':{'name':'CUT','description':'d'}}");
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_json(op, &answer, NULL));
    assert_at(answer, "/config/description", "'d'");
    assert_ok(natskit_json_close(answer));
    assert_ok(natskit_op_close(op));
    jb_do(js, "stream.delete", "{'stream':'CUT'}");
    close_both(js, conn);
}

/* Closing an operation cancels it, closing the context or connection leaves nothing hanging. */
static void test_closed_meanwhile(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_js js = jb_open(conn);
    natskit_json answer;
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_true(ts_tap_command(bench.tap, "live down stall on"));
    natskit_op first = jb_start(js, "account.info", "%s", "");
    natskit_op second = jb_start(js, "stream.update", "{'config':{'name':'NONE'}}");
    assert_status(natskit_op_json(first, &answer, NULL), NATSKIT_PENDING);
    assert_ok(natskit_js_close(js));
    assert_status(natskit_js_call(js, "account.info", Z, NO_ARGS, WAIT_MS, &answer, NULL), NATSKIT_CLOSED);
    assert_ok(natskit_op_close(first));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_op_wait(second, WAIT_MS));
    assert_status(natskit_op_result(second, NULL, NULL), NATSKIT_CLOSED);
    assert_ok(natskit_op_close(second));
    assert_true(ts_tap_command(bench.tap, "clear"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_without),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_bucket_of_another_account),
        cmocka_unit_test(test_domain),
        cmocka_unit_test(test_options_exclude),
        cmocka_unit_test(test_update_keeps_the_unknown),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_level),
        cmocka_unit_test(test_odd_pages_and_answers),
        cmocka_unit_test(test_cut_while_reading),
        cmocka_unit_test(test_cut_while_changing),
        cmocka_unit_test(test_cut_within_an_update),
        cmocka_unit_test(test_closed_meanwhile),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
