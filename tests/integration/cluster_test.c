/* Servers of a connection, against real ones: what a cluster tells, the pool that the application sets, names
 * with several addresses, servers that take no more connections. */
#include "bench.h"

#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 3 };

static struct ts_cluster *cluster;
static struct ts_tap *taps[NODES];

static int begin(void **state)
{
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    cluster = ts_cluster_start_with(NODES, &(struct ts_server_opts){.no_jetstream = true});
    for (int i = 0; cluster != NULL && i < NODES; i++) {
        taps[i] = ts_tap_start(ts_server_url(ts_cluster_node(cluster, i)));
    }
    return taps[NODES - 1] != NULL ? 0 : 1;
}

static int end(void **state)
{
    bool clean = bench_check_clean(state) == 0;
    for (int i = 0; i < NODES; i++) {
        clean = ts_tap_stop(taps[i]) == 0 && clean;
    }
    ts_cluster_free(cluster);
    return clean ? 0 : 1;
}

static const char *node_url(int index)
{
    return ts_server_url(ts_cluster_node(cluster, index));
}

static void set(natskit_options options, const char *name, const char *value)
{
    assert_ok(natskit_options_set(options, name, Z, value, Z, NULL));
}

static natskit_options connect_options(void)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    set(options, "reconnect_jitter_ms", "0");
    return options;
}

/* The options are closed. */
static natskit_conn connect_to(const char *urls, natskit_options options)
{
    natskit_conn conn;
    natskit_error err = {0};
    natskit_status status = natskit_connect(urls, Z, options, WAIT_MS, &conn, &err);
    if (status != NATSKIT_OK) {
        print_error("connect: %s\n", err.text);
    }
    assert_ok(status);
    if (options.id != 0) {
        assert_ok(natskit_options_close(options));
    }
    return conn;
}

static natskit_sub open_events(natskit_conn conn)
{
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    return events;
}

/* The next event of a type; its numbers, and its text as `text` (200 bytes) if that is not NULL. */
static natskit_event_view next_event(natskit_sub events, int32_t type, char *text)
{
    natskit_event_view view = {0};
    while (view.type != type) {
        natskit_msg *msg;
        assert_ok(natskit_sub_next(events, WAIT_MS, &msg));
        assert_ok(natskit_msg_event(msg, &view, sizeof view));
        if (text != NULL) {
            snprintf(text, 200, "%.*s", (int)view.text_len, view.text);
        }
        assert_ok(natskit_msg_release(msg));
    }
    return view;
}

static int count_events(natskit_sub events, int32_t type)
{
    natskit_msg *msg;
    int count = 0;
    while (natskit_sub_next(events, 0, &msg) == NATSKIT_OK) {
        natskit_event_view view;
        assert_ok(natskit_msg_event(msg, &view, sizeof view));
        count += view.type == type;
        assert_ok(natskit_msg_release(msg));
    }
    return count;
}

static const char *pool(natskit_conn conn)
{
    static char text[4096];
    size_t len = 0;
    assert_ok(natskit_conn_servers(conn, text, sizeof text - 1, &len));
    text[len] = '\0';
    return text;
}

static void expect_entry(natskit_conn conn, const char *url, bool discovered, bool current)
{
    char entry[200];
    snprintf(entry, sizeof entry, "{\"url\":\"%s\",\"discovered\":%s,\"failures\":0,\"current\":%s}", url,
             discovered ? "true" : "false", current ? "true" : "false");
    if (strstr(pool(conn), entry) == NULL) {
        fail_msg("%s is not in %s", entry, pool(conn));
    }
}

static void expect_url(natskit_conn conn, const char *url)
{
    natskit_conn_info info;
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_string_equal(info.url, url);
}

/* -- what the cluster tells -------------------------------------------------------------------------------
 */

/* The INFO behind the first PONG tells the same servers again: that is no event. The first INFO is held back
 * until somebody takes the events. */
static void test_discovery(void **state)
{
    (void)state;
    natskit_conn conn;
    natskit_op op;
    assert_true(ts_tap_command(taps[0], "new down stall on"));
    assert_ok(natskit_connect_start(ts_tap_url(taps[0]), Z, NO_OPTIONS, WAIT_MS, &conn, &op, NULL));
    natskit_sub events = open_events(conn);
    assert_true(ts_tap_command(taps[0], "clear"));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_int_equal(count_events(events, NATSKIT_EVENT_SERVERS), 1);
    expect_entry(conn, ts_tap_url(taps[0]), false, true);
    expect_entry(conn, node_url(1), true, false);
    expect_entry(conn, node_url(2), true, false);
    ts_server_kill(ts_cluster_node(cluster, 1));
    assert_int_equal(next_event(events, NATSKIT_EVENT_SERVERS, NULL).count, 3);
    assert_null(strstr(pool(conn), node_url(1)));
    assert_true(ts_server_restart(ts_cluster_node(cluster, 1)));
    assert_int_equal(next_event(events, NATSKIT_EVENT_SERVERS, NULL).count, 4);
    expect_entry(conn, node_url(1), true, false);
    /* What it has learned is good for something. */
    ts_server_kill(ts_cluster_node(cluster, 0));
    next_event(events, NATSKIT_EVENT_RECONNECTED, NULL);
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_true(ts_server_restart(ts_cluster_node(cluster, 0)));
    assert_true(ts_cluster_wait_ready(cluster, WAIT_MS));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

static void test_discovery_is_not_wanted(void **state)
{
    (void)state;
    natskit_options options = connect_options();
    set(options, "use_discovered", "false");
    natskit_conn conn = connect_to(node_url(0), options);
    assert_ok(natskit_flush(conn, WAIT_MS));
    char wanted[200];
    snprintf(wanted, sizeof wanted, "[{\"url\":\"%s\",\"discovered\":false,\"failures\":0,\"current\":true}]",
             node_url(0));
    assert_string_equal(pool(conn), wanted);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* -- the pool ---------------------------------------------------------------------------------------------
 */

static natskit_options own_servers(void)
{
    natskit_options options = connect_options();
    set(options, "use_discovered", "false");
    return options;
}

/* The connection stays at a server that is in the pool no more until it is left, and then forgets it. */
static void test_the_pool_is_set(void **state)
{
    (void)state;
    natskit_conn conn = connect_to(ts_tap_url(taps[0]), own_servers());
    natskit_sub events = open_events(conn);
    natskit_sub sub = bench_subscribe(conn, "here", NULL);
    assert_ok(natskit_conn_servers_set(conn, ts_tap_url(taps[1]), Z, NULL));
    assert_int_equal(next_event(events, NATSKIT_EVENT_SERVERS, NULL).count, 1);
    bench_publish(conn, "here", "still");
    bench_expect(sub, "still");
    expect_url(conn, ts_tap_url(taps[0]));
    expect_entry(conn, ts_tap_url(taps[1]), false, false);
    assert_null(strstr(pool(conn), ts_tap_url(taps[0])));
    assert_ok(natskit_conn_reconnect(conn, NULL));
    next_event(events, NATSKIT_EVENT_RECONNECTED, NULL);
    expect_url(conn, ts_tap_url(taps[1]));
    expect_entry(conn, ts_tap_url(taps[1]), false, true);
    bench_publish(conn, "here", "there");
    bench_expect(sub, "there");
    assert_ok(natskit_conn_reconnect(conn, NULL)); /* the only one: the same again */
    next_event(events, NATSKIT_EVENT_RECONNECTED, NULL);
    expect_url(conn, ts_tap_url(taps[1]));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* During an outage the new servers are tried at once, however long the pause is. */
static void test_the_pool_is_set_in_an_outage(void **state)
{
    (void)state;
    natskit_options options = own_servers();
    set(options, "reconnect_wait_ms", "3600000");
    set(options, "reconnect_wait_max_ms", "3600000");
    natskit_conn conn = connect_to(ts_tap_url(taps[0]), options);
    natskit_sub events = open_events(conn);
    assert_true(ts_tap_command(taps[0], "refuse on"));
    assert_true(ts_tap_command(taps[0], "cut"));
    next_event(events, NATSKIT_EVENT_ASYNC_ERROR, NULL); /* refused: the pause begins */
    assert_ok(natskit_conn_servers_set(conn, ts_tap_url(taps[2]), Z, NULL));
    next_event(events, NATSKIT_EVENT_RECONNECTED, NULL);
    expect_url(conn, ts_tap_url(taps[2]));
    assert_true(ts_tap_command(taps[0], "refuse off"));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* Nothing changes unless all of it is right. */
static void test_the_pool_is_set_wrongly(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", " ", "a,,b", "nats://a:0", "http://a", "a,b c"};
    natskit_conn conn = connect_to(ts_tap_url(taps[0]), own_servers());
    char before[4096];
    snprintf(before, sizeof before, "%s", pool(conn));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        natskit_error err = {0};
        assert_status(natskit_conn_servers_set(conn, wrong[i], Z, &err), NATSKIT_INVALID);
        assert_true(err.text[0] != '\0');
        assert_string_equal(pool(conn), before);
    }
    char many[65 * 8] = "";
    for (int i = 0; i < 65; i++) {
        snprintf(many + strlen(many), sizeof many - strlen(many), "%sm%d", i > 0 ? "," : "", i);
    }
    assert_status(natskit_conn_servers_set(conn, many, Z, NULL), NATSKIT_LIMIT);
    assert_string_equal(pool(conn), before);
    size_t len = 0;
    assert_status(natskit_conn_servers(conn, NULL, 0, &len), NATSKIT_LIMIT);
    assert_int_equal(len, strlen(before));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_status(natskit_conn_servers_set(conn, "a", Z, NULL), NATSKIT_CLOSED);
}

static void test_a_port_instead_of_urls(void **state)
{
    (void)state;
    if (!bench_scheme_is("nats")) {
        skip(); /* the port is one for nats:// */
    }
    natskit_conn conn;
    natskit_error err;
    char port[8];
    snprintf(port, sizeof port, "%u", ts_tap_port(taps[0]));
    natskit_options options = own_servers();
    set(options, "port", port);
    assert_ok(natskit_connect(NULL, 0, options, WAIT_MS, &conn, NULL));
    expect_url(conn, ts_tap_url(taps[0]));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_status(natskit_connect("a", Z, options, WAIT_MS, &conn, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "option port"));
    set(options, "servers", "a");
    assert_status(natskit_connect(NULL, 0, options, WAIT_MS, &conn, &err), NATSKIT_INVALID);
    assert_ok(natskit_options_close(options));
}

/* -- names ------------------------------------------------------------------------------------------------
 */

/* Of the name "many.test": 127.0.0.3 and 127.0.0.2, where nobody listens, then 127.0.0.1. */
static atomic_int asked;
static atomic_int usable; /* 127.0.0.1 is among them */
static char mine[] = "";  /* tells these answers from others */

struct answer {
    struct addrinfo info;
    struct sockaddr_in addr;
};

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (node == NULL || strcmp(node, "many.test") != 0) {
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(node, service, hints, out);
    }
    atomic_fetch_add(&asked, 1);
    *out = NULL;
    for (uint32_t host = atomic_load(&usable) ? 1 : 2; host <= 3; host++) {
        /* Each is put before the others, and 127.0.0.1 behind them. */
        struct answer *answer = calloc(1, sizeof *answer);
        if (answer == NULL) {
            return EAI_MEMORY;
        }
        answer->addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(0x7f000000 + host)}};
        answer->info = (struct addrinfo){.ai_family = AF_INET,
                                         .ai_socktype = SOCK_STREAM,
                                         .ai_addrlen = sizeof answer->addr,
                                         .ai_addr = (struct sockaddr *)&answer->addr,
                                         .ai_canonname = mine,
                                         .ai_next = *out};
        *out = &answer->info;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    static void (*real)(struct addrinfo *);
    if (list != NULL && list->ai_canonname != mine) {
        *(void **)&real = dlsym(RTLD_NEXT, "freeaddrinfo");
        real(list);
        return;
    }
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list); /* the first member of its answer */
        list = next;
    }
}

static void named_url(char *out, size_t cap, int tap)
{
    snprintf(out, cap, "nats://many.test:%u", ts_tap_port(taps[tap]));
}

/* Each address is tried, and the name is asked again at each attempt: it may lead elsewhere by then. */
static void test_a_name_with_several_addresses(void **state)
{
    (void)state;
    if (!bench_scheme_is("nats")) {
        skip(); /* certificates are for no such name, and taps for one address */
    }
    char url[64];
    named_url(url, sizeof url, 0);
    for (int ordered = 0; ordered < 2; ordered++) {
        natskit_options options = own_servers();
        set(options, "randomize", ordered ? "false" : "true");
        set(options, "reconnect_wait_ms", "1");
        atomic_store(&usable, 1);
        atomic_store(&asked, 0);
        natskit_conn conn = connect_to(url, options);
        natskit_sub events = open_events(conn);
        assert_int_equal(atomic_load(&asked), 1);
        expect_url(conn, url);
        atomic_store(&usable, 0);
        assert_true(ts_tap_command(taps[0], "cut"));
        char text[200];
        assert_int_equal(next_event(events, NATSKIT_EVENT_ASYNC_ERROR, text).status, NATSKIT_CONNECT_REFUSED);
        atomic_store(&usable, 1);
        next_event(events, NATSKIT_EVENT_RECONNECTED, NULL);
        assert_true(atomic_load(&asked) >= 3);
        assert_ok(natskit_sub_close(events));
        assert_ok(natskit_conn_close(conn, WAIT_MS));
    }
}

static void test_the_first_address_alone(void **state)
{
    (void)state;
    char url[64];
    natskit_conn conn;
    natskit_error err;
    named_url(url, sizeof url, 0);
    natskit_options options = own_servers();
    set(options, "resolve", "false");
    atomic_store(&usable, 1);
    assert_status(natskit_connect(url, Z, options, WAIT_MS, &conn, &err), NATSKIT_CONNECT_REFUSED);
    assert_non_null(strstr(err.text, "127.0.0.3"));
    assert_ok(natskit_options_close(options));
}

/* -- servers that take no more ----------------------------------------------------------------------------
 */

static void test_a_full_server(void **state)
{
    (void)state;
    struct ts_server *full =
        ts_server_start(&(struct ts_server_opts){.no_jetstream = true, .extra = "max_connections: 1"});
    assert_non_null(full);
    natskit_conn first = connect_to(ts_server_url(full), NO_OPTIONS);
    natskit_conn conn;
    natskit_error err;
    assert_status(natskit_connect(ts_server_url(full), Z, NO_OPTIONS, WAIT_MS, &conn, &err),
                  NATSKIT_SERVER_LIMIT);
    assert_non_null(strstr(err.text, "maximum connections exceeded"));

    /* The next server is taken. */
    char urls[200];
    snprintf(urls, sizeof urls, "%s,%s", ts_server_url(full), ts_tap_url(taps[0]));
    natskit_options options = own_servers();
    set(options, "randomize", "false");
    conn = connect_to(urls, options);
    expect_url(conn, ts_tap_url(taps[0]));
    assert_ok(natskit_conn_close(conn, WAIT_MS));

    /* Without one it is tried again, with pauses, until there is room. */
    natskit_op op;
    options = own_servers();
    set(options, "first_connect", "retry");
    set(options, "reconnect_wait_ms", "20");
    assert_ok(natskit_connect_start(ts_server_url(full), Z, options, WAIT_MS, &conn, &op, NULL));
    natskit_sub events = open_events(conn);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(next_event(events, NATSKIT_EVENT_ASYNC_ERROR, NULL).status, NATSKIT_SERVER_LIMIT);
    }
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
    assert_ok(natskit_conn_close(first, WAIT_MS));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    ts_server_free(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_discovery_is_not_wanted),
        cmocka_unit_test(test_the_pool_is_set),
        cmocka_unit_test(test_the_pool_is_set_in_an_outage),
        cmocka_unit_test(test_the_pool_is_set_wrongly),
        cmocka_unit_test(test_a_port_instead_of_urls),
        cmocka_unit_test(test_a_name_with_several_addresses),
        cmocka_unit_test(test_the_first_address_alone),
        cmocka_unit_test(test_a_full_server),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
