/* When the engine wants TLS, what it believes before, and that nothing is written without it. */
#include "rig.h"

#include <stdio.h>

#define PLAIN "INFO {\"max_payload\":1000}\r\n"
#define OFFERS "INFO {\"max_payload\":1000,\"tls_available\":true}\r\n"
#define REQUIRES "INFO {\"max_payload\":1000,\"tls_required\":true}\r\n"

enum { CONNECTS, SECURES, FIRST, FAILS };

/* Every wish of the client meets every server. */
static const struct decision {
    const char *url;
    const char *settings[5];
    int plain; /* what becomes of it with each INFO */
    int offers;
    int requires;
} decisions[] = {
    {"nats://a:1", {NULL}, CONNECTS, SECURES, SECURES},
    {"tls://a:1", {NULL}, FAILS, SECURES, SECURES},
    {"nats://a:1", {"tls", "require", NULL}, FAILS, SECURES, SECURES},
    {"nats://a:1", {"tls", "off", NULL}, CONNECTS, CONNECTS, FAILS},
    {"nats://a:1", {"tls", "off", "tls_ca_file", "x", NULL}, CONNECTS, CONNECTS, FAILS},
    {"nats://a:1", {"tls_ca_file", "x", NULL}, FAILS, SECURES, SECURES},
    {"nats://a:1", {"tls_ca_path", "x", NULL}, FAILS, SECURES, SECURES},
    {"nats://a:1", {"tls_ca", "x", NULL}, FAILS, SECURES, SECURES},
    {"nats://a:1", {"tls_cert_file", "x", NULL}, FAILS, SECURES, SECURES},
    {"nats://a:1", {"tls_cert", "x", NULL}, FAILS, SECURES, SECURES},
    {"nats://a:1", {"tls_insecure", "true", NULL}, CONNECTS, SECURES, SECURES},
    {"nats://a:1", {"tls_server_name", "x", NULL}, CONNECTS, SECURES, SECURES},
    {"nats://a:1", {"tls_first", "true", NULL}, FIRST, FIRST, FIRST},
    {"tls://a:1", {"tls_first", "true", NULL}, FIRST, FIRST, FIRST},
};

static void decide(const struct decision *decision, const char *info, int outcome)
{
    struct rig *rig = rig_new(decision->url, decision->settings, 5000);
    rig_settle(rig);
    assert_int_equal(rig->tls_wanted, outcome == FIRST);
    if (outcome == FIRST) {
        rig_secure(rig);
        assert_int_equal(rig->written.len, 0); /* INFO comes inside TLS */
    }
    rig_say(rig, info);
    if (outcome == SECURES) {
        assert_int_equal(rig->written.len, 0);
        rig_secure(rig);
    }
    if (outcome == FAILS) {
        assert_false(rig->tls_wanted);
        assert_int_equal(rig->written.len, 0);
        assert_int_equal(rig_connect_status(rig), NKI_TLS_REQUIRED);
    } else {
        assert_true(rig_wrote(rig, outcome == CONNECTS ? "\"tls_required\":false" : "\"tls_required\":true"));
        rig_say(rig, RIG_PONG);
        assert_true(rig_connected(rig));
        assert_int_equal(rig->engine.secured, outcome != CONNECTS);
    }
    rig_free(rig);
}

static void test_decisions(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(decisions); i++) {
        decide(&decisions[i], PLAIN, decisions[i].plain);
        decide(&decisions[i], OFFERS, decisions[i].offers);
        decide(&decisions[i], REQUIRES, decisions[i].requires);
    }
}

/* Below WebSocket TLS comes first or not at all, whatever INFO says. */
static const struct decision websockets[] = {
    {"ws://a:1", {NULL}, CONNECTS, CONNECTS, CONNECTS},
    {"ws://a:1", {"tls", "off", NULL}, CONNECTS, CONNECTS, CONNECTS},
    {"wss://a:1", {NULL}, FIRST, FIRST, FIRST},
    {"ws://a:1,wss://b:1", {NULL}, FIRST, FIRST, FIRST},
    {"ws://a:1", {"tls", "require", NULL}, FIRST, FIRST, FIRST},
    {"ws://a:1", {"tls_ca", "x", NULL}, FIRST, FIRST, FIRST},
    {"ws://a:1", {"tls_cert_file", "x", NULL}, FIRST, FIRST, FIRST},
    {"ws://a:1", {"tls_first", "true", NULL}, FIRST, FIRST, FIRST},
};

static void decide_websocket(const struct decision *decision, const char *info, int outcome)
{
    struct rig *rig = rig_new(decision->url, decision->settings, 5000);
    rig_settle(rig);
    assert_int_equal(rig->tls_wanted, outcome == FIRST);
    if (outcome == FIRST) {
        assert_false(rig->upgrade_wanted);
        rig_secure(rig);
    }
    rig_upgrade(rig);
    rig_say(rig, info);
    assert_true(rig_wrote(rig, outcome == CONNECTS ? "\"tls_required\":false" : "\"tls_required\":true"));
    rig_say(rig, RIG_PONG);
    assert_true(rig_connected(rig));
    rig_say(rig, "INFO {\"connect_urls\":[\"c:2\"]}\r\n"); /* spoken to as the one that told of it */
    struct nki_buf pool = {0};
    assert_true(nki_servers_emit(&rig->engine.servers, &pool) && nki_buf_append(&pool, "", 1));
    const char *scheme =
        rig->engine.servers.current->url.scheme == NKI_SCHEME_WSS ? "wss://c:2" : "\"ws://c:2";
    assert_non_null(strstr((const char *)pool.data, scheme));
    nki_buf_free(&pool);
    rig_free(rig);
}

static void test_websocket(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(websockets); i++) {
        decide_websocket(&websockets[i], PLAIN, websockets[i].plain);
        decide_websocket(&websockets[i], OFFERS, websockets[i].offers);
        decide_websocket(&websockets[i], REQUIRES, websockets[i].requires);
    }
}

/* An answer to the upgrade that does not come costs the attempt its time. */
static void test_upgrade_in_vain(void **state)
{
    (void)state;
    struct rig *rig = rig_new("ws://a:1", NULL, 60000);
    rig_settle(rig);
    assert_true(rig->upgrade_wanted);
    rig_pass(rig, 5001);
    assert_int_equal(rig_connect_status(rig), NKI_TIMEOUT);
    rig_free(rig);
}

/* Plain bytes where TLS begins are an attack or a defect: nothing is believed of them. */
static void test_plain_text_behind_info(void **state)
{
    (void)state;
    static const char *const tails[] = {"PONG\r\n", "MSG x 1 2\r\nhi\r\n", "-ERR 'x'\r\n", "+", "PING\r\n"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(tails); i++) {
        struct rig *rig = rig_new("tls://a:1", NULL, 5000);
        char all[200];
        rig_settle(rig);
        snprintf(all, sizeof all, "%s%s", REQUIRES, tails[i]);
        rig_say(rig, all);
        assert_int_equal(rig_connect_status(rig), NKI_PROTOCOL);
        assert_int_equal(rig->written.len, 0);
        rig_free(rig);
    }
}

static size_t servers(const struct rig *rig)
{
    return rig->engine.servers.count;
}

/* Servers that are told of in plain text do not count, those told of inside TLS do, and get TLS, too. */
static void test_what_is_believed(void **state)
{
    (void)state;
    struct rig *rig = rig_new("tls://name:1", NULL, 5000);
    rig_settle(rig);
    rig_say(rig, "INFO {\"max_payload\":1000,\"tls_required\":true,\"connect_urls\":[\"evil:1\"]}\r\n");
    assert_int_equal(servers(rig), 1);
    rig_secure(rig);
    rig_say(rig, RIG_PONG);
    assert_int_equal(servers(rig), 1);
    rig_say(rig, "INFO {\"max_payload\":2000,\"connect_urls\":[\"name:1\",\"10.0.0.1:2\",\"other:3\"]}\r\n");
    assert_int_equal(servers(rig), 3);
    assert_int_equal(atomic_load(&rig->engine.max_payload), 2000);
    for (size_t i = 0; i < servers(rig); i++) {
        const struct nki_server *server = rig->engine.servers.list[i];
        bool address = strcmp(server->url.host, "10.0.0.1") == 0;
        assert_int_equal(server->url.scheme, NKI_SCHEME_TLS);
        assert_string_equal(server->tls_name, address ? "name" : "");
    }
    /* The next transport of a server that was told of is held to TLS as well. */
    rig_eof(rig);
    assert_string_equal(rig->dialed[1], "10.0.0.1");
    rig_say(rig, PLAIN);
    assert_int_equal(rig->written.len, 0);
    assert_false(rig_connected(rig));
    rig_free(rig);
}

static void test_of_a_plain_server(void **state)
{
    (void)state;
    struct rig *rig = rig_new("nats://a:1", NULL, 5000);
    rig_settle(rig);
    rig_say(rig, "INFO {\"max_payload\":1000,\"connect_urls\":[\"b:1\"]}\r\n");
    assert_int_equal(servers(rig), 2);
    assert_int_equal(rig->engine.servers.list[1]->url.scheme, NKI_SCHEME_NATS);
    rig_say(rig, RIG_PONG);
    rig_free(rig);
}

static void test_the_handshake_has_the_attempts_deadline(void **state)
{
    (void)state;
    static const char *const settings[] = {"attempt_timeout_ms", "700", NULL};
    struct rig *rig = rig_new("tls://a:1", settings, 5000);
    int64_t begin_ns = rig->now_ns;
    rig_settle(rig);
    rig_say(rig, REQUIRES);
    rig_until(rig, begin_ns + RIG_MS(700) - 1);
    assert_int_equal(rig_connect_status(rig), NKI_PENDING);
    rig_until(rig, begin_ns + RIG_MS(700));
    assert_int_equal(rig_connect_status(rig), NKI_TIMEOUT);
    assert_non_null(strstr(rig->engine.last_error.text, "TLS"));
    rig_free(rig);
}

/* What does not fit together is refused before anything is dialed. */
static void test_contradictions(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"tls://a:1", NULL}, {"nats://a:1, tls://b:1", NULL}, {"a", "tls_first"}};
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        struct nki_engine engine;
        struct nki_error error = {0};
        struct nki_options *options = nki_options_new(NKI_SCOPE_CONNECT);
        assert_int_equal(nki_options_set(options, NKI_STR("tls"), NKI_STR("off"), NULL), NKI_OK);
        if (bad[i][1] != NULL) {
            assert_int_equal(nki_options_set(options, nki_str_z(bad[i][1]), NKI_STR("true"), NULL), NKI_OK);
        }
        assert_int_equal(nki_engine_init(&engine, options, nki_str_z(bad[i][0]), &error), NKI_INVALID);
        assert_non_null(strstr(error.text, "tls"));
        nki_engine_free(&engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_websocket),
        cmocka_unit_test(test_upgrade_in_vain),
        cmocka_unit_test(test_plain_text_behind_info),
        cmocka_unit_test(test_what_is_believed),
        cmocka_unit_test(test_of_a_plain_server),
        cmocka_unit_test(test_the_handshake_has_the_attempts_deadline),
        cmocka_unit_test(test_contradictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
