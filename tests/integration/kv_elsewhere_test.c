/* Buckets of another domain, behind a leaf node, and of another account, on real servers: read and written
 * there, and mirrored here (ADR-8, ADR-19, ADR-57). */
#include "kv_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LISTEN "listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\n"

static const char hub_config[] =
    LISTEN "server_name: hub\njetstream { store_dir: \"@DIR@/js\", domain: hub }\n"
           "leafnodes { listen: \"127.0.0.1:@PORT1@\" }\n";
static const char leaf_config[] =
    LISTEN "server_name: leaf\njetstream { store_dir: \"@DIR@/js\", domain: leaf }\n"
           "leafnodes { reconnect: 1, remotes: [{ url: \"nats-leaf://127.0.0.1:%u\" }] }\n";

/* Account B sees the API of A and its keys behind the prefix fromA. */
static const char accounts[] =
    "accounts {\n"
    "  A { jetstream: enabled, users: [{ user: a, password: a }], exports: [\n"
    "    { service: \"$JS.API.STREAM.>\" }, { service: \"$JS.API.CONSUMER.>\" }, { service: \"$JS.FC.>\" }\n"
    "    { service: \"$JS.API.DIRECT.>\", response_type: stream }, { service: \"$KV.>\" }\n"
    "    { stream: \"_INBOX_B.>\" }, { stream: \"deliver.b.>\" } ] }\n"
    "  B { jetstream: enabled, users: [{ user: b, password: b }], imports: [\n"
    "    { service: { account: A, subject: \"$JS.API.STREAM.>\" }, to: \"fromA.STREAM.>\" }\n"
    "    { service: { account: A, subject: \"$JS.API.CONSUMER.>\" }, to: \"fromA.CONSUMER.>\" }\n"
    "    { service: { account: A, subject: \"$JS.API.DIRECT.>\" }, to: \"fromA.DIRECT.>\" }\n"
    "    { service: { account: A, subject: \"$JS.FC.>\" } }\n"
    "    { service: { account: A, subject: \"$KV.>\" }, to: \"fromA.$KV.>\" }\n"
    "    { stream: { account: A, subject: \"_INBOX_B.>\" } }\n"
    "    { stream: { account: A, subject: \"deliver.b.>\" } } ] }\n"
    "}\n";

static void pause_ms(long ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000};
    nanosleep(&time, NULL);
}

/* `user` may be NULL: as whoever connects without a name. */
static natskit_conn connect_as(const struct ts_server *server, const char *user, const char *inbox_prefix)
{
    natskit_conn conn;
    natskit_options options;
    natskit_error err = {0};
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    if (user != NULL) {
        assert_ok(natskit_options_set(options, "user", Z, user, Z, NULL));
        assert_ok(natskit_options_set(options, "password", Z, user, Z, NULL));
        assert_ok(natskit_options_set(options, "inbox_prefix", Z, inbox_prefix, Z, NULL));
    }
    natskit_status status = natskit_connect(ts_server_url(server), Z, options, WAIT_MS, &conn, &err);
    if (status != NATSKIT_OK) {
        print_error("connect: %s\n", err.text);
    }
    assert_ok(status);
    assert_ok(natskit_options_close(options));
    return conn;
}

/* What the origin got comes to the mirror a moment later. */
static void await_value(natskit_kv kv, const char *key, const char *value)
{
    for (int tries = 0;; tries++) {
        natskit_msg *entry;
        natskit_kv_view view;
        if (natskit_kv_get(kv, key, Z, 0, WAIT_MS, &entry, NULL) == NATSKIT_OK) {
            assert_ok(natskit_msg_kv(entry, &view, sizeof view));
            bool same = view.value_len == strlen(value) && memcmp(view.value, value, view.value_len) == 0;
            natskit_msg_release(entry);
            if (same) {
                return;
            }
        }
        assert_true(tries < 3000);
        pause_ms(10);
    }
}

/* All that can be done with a bucket that is elsewhere, whose keys the origin sees. Both are empty. */
static void use(natskit_kv kv, natskit_kv origin)
{
    kb_put(kv, "a.b", "1");
    kb_expect(origin, "a.b", 0, "1", 1);
    kb_write(kv, NATSKIT_KV_UPDATE, "a.b", "2", 1);
    (void)kb_write_fails(kv, NATSKIT_WRONG_LAST, NATSKIT_KV_UPDATE, "a.b", "3", 1);
    (void)kb_write_fails(kv, NATSKIT_KEY_EXISTS, NATSKIT_KV_CREATE, "a.b", "3", 0);
    kb_put(origin, "other", "3");
    kb_write(kv, NATSKIT_KV_DELETE, "other", NULL, 0);
    kb_write(kv, NATSKIT_KV_CREATE, "other", "5", 0); /* the leader there is asked what it is */
    kb_expect(origin, "other", 0, "5", 5);
    await_value(kv, "other", "5");
    kb_expect(kv, "a.b", 0, "2", 2);
    kb_expect(kv, "a.b", 1, "1", 1);
    natskit_sub watch = KB_WATCH(kv, "history", "true", "keys", "a.>");
    kb_next(watch, "a.b", "1", 1);
    kb_next(watch, "a.b", "2", 2);
    kb_done(watch);
    kb_put(origin, "a.c", "6");
    kb_next(watch, "a.c", "6", 6);
    kb_write(kv, NATSKIT_KV_PURGE, "a.b", NULL, 2);
    kb_next(watch, "a.b", "!", 7);
    assert_ok(natskit_sub_close(watch));
    (void)kb_get_fails(origin, NATSKIT_KEY_DELETED, "a.b", 0);
    natskit_options options;
    natskit_json answer;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_KV_SWEEP, &options));
    assert_ok(natskit_options_set(options, "keys", Z, "other", Z, NULL));
    assert_ok(natskit_kv_sweep(kv, NATSKIT_KV_DELETE, options, WAIT_MS, &answer, NULL));
    assert_ok(natskit_json_close(answer));
    assert_ok(natskit_options_close(options));
    (void)kb_get_fails(origin, NATSKIT_KEY_DELETED, "other", 0);
}

/* Made here as a mirror of M there; opened by asking, which tells where its keys are. */
static natskit_kv make_mirror(natskit_js js, const char *external)
{
    natskit_json status;
    char more[120];
    (void)snprintf(more, sizeof more, ",'history':5,'mirror':{'name':'M','external':%s}", external);
    natskit_kv kv = kb_make(js, "COPY", more);
    assert_ok(natskit_kv_status(kv, WAIT_MS, &status, NULL));
    assert_ok(natskit_json_close(status));
    return kv;
}

/* The bucket there by a context for there, then a mirror of another one by a context for here. */
static void use_both(natskit_js there, natskit_js to_there, natskit_js here, const char *external)
{
    natskit_kv origin = kb_make(there, "A", ",'history':5");
    natskit_kv kv = kb_open(to_there, "A");
    use(kv, origin);
    assert_ok(natskit_kv_close(kv));
    assert_ok(natskit_kv_close(origin));
    origin = kb_make(there, "M", ",'history':5");
    kv = make_mirror(here, external);
    use(kv, origin);
    assert_ok(natskit_kv_close(kv));
    assert_ok(natskit_kv_close(origin));
    assert_ok(natskit_js_close(there));
    assert_ok(natskit_js_close(to_there));
    assert_ok(natskit_js_close(here));
}

static void test_domain(void **state)
{
    (void)state;
    char config[sizeof leaf_config + 20];
    struct ts_server *hub = ts_server_start(&(struct ts_server_opts){.config = hub_config});
    assert_non_null(hub);
    (void)snprintf(config, sizeof config, leaf_config, (unsigned)ts_server_extra_port(hub, 1));
    struct ts_server *leaf = ts_server_start(&(struct ts_server_opts){.config = config});
    assert_non_null(leaf);
    natskit_conn there = connect_as(hub, NULL, NULL);
    natskit_conn here = connect_as(leaf, NULL, NULL);
    natskit_js to_there = jb_open_with(here, "domain", "hub");
    natskit_json info;
    for (int tries = 0;
         natskit_js_call(to_there, "account.info", Z, (natskit_json){0}, 1000, &info, NULL) != NATSKIT_OK;
         tries++) {
        assert_true(tries < 60); /* until they are linked */
        pause_ms(50);
    }
    assert_ok(natskit_json_close(info));
    use_both(jb_open(there), to_there, jb_open(here), "{'api':'$JS.hub.API'}");
    assert_ok(natskit_conn_close(here, WAIT_MS));
    assert_ok(natskit_conn_close(there, WAIT_MS));
    ts_server_free(leaf);
    ts_server_free(hub);
}

static void test_account(void **state)
{
    (void)state;
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){.extra = accounts});
    assert_non_null(server);
    natskit_conn there = connect_as(server, "a", "_INBOX");
    natskit_conn here = connect_as(server, "b", "_INBOX_B");
    use_both(jb_open(there), jb_open_with(here, "api_prefix", "fromA"), jb_open(here),
             "{'api':'fromA','deliver':'deliver.b'}");
    assert_ok(natskit_conn_close(here, WAIT_MS));
    assert_ok(natskit_conn_close(there, WAIT_MS));
    ts_server_free(server);
}

static int begin(void **state)
{
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domain),
        cmocka_unit_test(test_account),
    };
    return cmocka_run_group_tests(tests, begin, bench_check_clean);
}
