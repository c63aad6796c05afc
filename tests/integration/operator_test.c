/* What only a cluster has, here of three servers: peers, alternates; and what only operators may do, as its
 * system account: other leaders of all of JetStream, what a server keeps moved away, servers and accounts
 * taken out. */
#include "js_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 3 };

static struct ts_cluster *cluster;
static natskit_conn conns[2];
static natskit_js user;
static natskit_js system_js;

static natskit_conn connect_as(const char *name)
{
    natskit_conn conn = {0};
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "user", Z, name, Z, NULL));
    assert_ok(natskit_options_set(options, "password", Z, name, Z, NULL));
    assert_ok(natskit_connect(ts_server_url(ts_cluster_node(cluster, 0)), Z, options, WAIT_MS, &conn, NULL));
    assert_ok(natskit_options_close(options));
    return conn;
}

static int begin(void **state)
{
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    cluster = ts_cluster_start_with(
        NODES,
        &(struct ts_server_opts){.extra = "accounts {\n"
                                          "  USERS { jetstream: enabled, users: [{user: u, password: u}] }\n"
                                          "  SYS { users: [{user: s, password: s}] }\n"
                                          "}\nsystem_account: SYS\n"});
    if (cluster == NULL) {
        return 1;
    }
    conns[0] = connect_as("u");
    conns[1] = connect_as("s");
    user = jb_open(conns[0]);
    system_js = jb_open(conns[1]);
    return 0;
}

static int end(void **state)
{
    assert_ok(natskit_js_close(user));
    assert_ok(natskit_js_close(system_js));
    assert_ok(natskit_conn_close(conns[0], WAIT_MS));
    assert_ok(natskit_conn_close(conns[1], WAIT_MS));
    bool clean = bench_check_clean(state) == 0;
    ts_cluster_free(cluster);
    return clean ? 0 : 1;
}

struct call {
    natskit_js *js;
    const char *name;
    const char *args;
    int32_t err_codes[2]; /* 0: it is done */
};

/* While leaders change nobody answers, or one who knows nothing yet. */
static bool ends_so(void *arg)
{
    const struct call *call = arg;
    natskit_error err = {0};
    natskit_json answer;
    natskit_json args = jb_json("%s", call->args);
    natskit_status status = natskit_js_call(*call->js, call->name, Z, args, WAIT_MS / 10, &answer, &err);
    assert_ok(natskit_json_close(args));
    if (status == NATSKIT_OK) {
        assert_ok(natskit_json_close(answer));
        return call->err_codes[0] == 0 || call->err_codes[1] == 0;
    }
    print_message("%s: %d %s\n", call->name, err.err_code, err.text);
    return err.err_code != 0 && (err.err_code == call->err_codes[0] || err.err_code == call->err_codes[1]);
}

static void expect(const struct call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct call call = calls[i];
        jb_wait(ends_so, &call);
    }
}

#define EXPECT(calls) expect(calls, sizeof(calls) / sizeof(calls)[0])

/* What the account itself may ask for; there is no such server. */
static void test_peers(void **state)
{
    (void)state;
    const struct call calls[] = {
        {&user,
         "stream.create",
         "{'config':{'name':'S','subjects':['s.>'],'num_replicas':3,'storage':'memory'}}",
         {0, 0}},
        {&user, "consumer.create", "{'stream':'S','config':{'name':'c','ack_policy':'explicit'}}", {0, 0}},
        {&user, "stream.peer.evacuate", "{'stream':'S','peer':'nobody'}", {10040, 10040}},
        {&user, "consumer.peer.remove", "{'stream':'S','consumer':'c','peer':'nobody'}", {10040, 10040}},
        {&user, "consumer.peer.evacuate", "{'stream':'S','consumer':'c','peer':'nobody'}", {10040, 10040}},
        {&user, "stream.cancel_move", "{'stream':'S'}", {10129, 10129}},
    };
    EXPECT(calls);
}

/* Itself, and the mirror. */
static bool has_alternates(void *arg)
{
    (void)arg;
    natskit_json info = jb_call(user, "stream.info", "{'stream':'ORIGIN'}");
    size_t count = 0;
    bool both = natskit_json_size(info, "/alternates", Z, &count, NULL) == NATSKIT_OK && count == 2 &&
                jb_at(info, "/alternates/0/cluster")[0] != '\0';
    assert_ok(natskit_json_close(info));
    return both;
}

static void test_alternates(void **state)
{
    (void)state;
    const struct call calls[] = {
        {&user, "stream.create", "{'config':{'name':'ORIGIN','subjects':['o']}}", {0, 0}},
        {&user, "stream.create", "{'config':{'name':'COPY','mirror':{'name':'ORIGIN'}}}", {0, 0}},
    };
    EXPECT(calls);
    jb_wait(has_alternates, NULL);
}

static void test_system(void **state)
{
    (void)state;
    char move[128];
    const struct call create = {
        &user, "stream.create", "{'config':{'name':'ONE','subjects':['one']}}", {0, 0}};
    expect(&create, 1);
    natskit_json info = jb_call(user, "stream.info", "{'stream':'ONE'}");
    (void)snprintf(move, sizeof move, "{'account':'USERS','stream':'ONE','server':%s}",
                   jb_at(info, "/cluster/leader"));
    assert_ok(natskit_json_close(info));
    const struct call calls[] = {
        {&system_js, "meta.leader.stepdown", "{}", {0, 0}},
        {&system_js,
         "account.stream.move",
         "{'account':'USERS','stream':'NONE','server':'n1'}",
         {10059, 10059}},
        {&system_js, "account.stream.move", move, {0, 0}},
        /* it may be done */
        {&system_js, "account.stream.cancel_move", "{'account':'USERS','stream':'ONE'}", {0, 10129}},
        {&system_js, "server.remove", "{'peer':'nobody'}", {10044, 10044}},
        {&system_js, "server.evacuate", "{'peer':'nobody'}", {10044, 10044}},
        {&system_js, "meta.rescue", "{}", {10003, 10003}}, /* nothing is lost */
        {&system_js, "account.purge", "{'account':'USERS'}", {0, 0}},
        {&user, "stream.info", "{'stream':'ONE'}", {10059, 10059}},
    };
    EXPECT(calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_peers), cmocka_unit_test(test_alternates),
                                       cmocka_unit_test(test_system)};
    return cmocka_run_group_tests(tests, begin, end);
}
