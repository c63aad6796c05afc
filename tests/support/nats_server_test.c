/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the helper that runs real nats-servers: start, restart on the same port and store, pause, kill,
 * log, reload, cluster. Skipped when no server program is there. One thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four headers above it */
#include <cmocka.h>

#include "nats_server.h"
#include "proc.h"
#include "text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char hello[] = "CONNECT {\"verbose\":false}\r\nPING\r\n";

/* INFO, CONNECT, PING, PONG; the descriptor or -1. */
static int handshake(uint16_t port)
{
    char got[8192];
    int fd = ts_connect_raw(port, 5000);
    if (fd < 0 || !ts_receive_until(fd, "\r\n", got, sizeof got, 5000) || strncmp(got, "INFO ", 5) != 0 ||
        !ts_send_text(fd, hello) || !ts_receive_until(fd, "PONG\r\n", got, sizeof got, 5000)) {
        return -1;
    }
    return fd;
}

static void need_server(void)
{
    if (!ts_server_program()) {
        skip();
    }
}

static void test_start_stop(void **state)
{
    (void)state;
    need_server();
    struct ts_server *server = ts_server_start(NULL);
    assert_non_null(server);
    assert_true(ts_server_port(server) > 0);
    assert_true(ts_server_monitor_port(server) > 0);
    assert_true(ts_server_log_contains(server, "Server is ready"));
    assert_false(ts_server_log_contains(server, "no such text"));
    char *dir = ts_strdup(ts_server_dir(server));
    char *varz = ts_server_monitor(server, "/varz");
    assert_non_null(varz);
    assert_non_null(strstr(varz, "\"jetstream\""));
    free(varz);
    int fd = handshake(ts_server_port(server));
    assert_true(fd >= 0);
    pid_t pid = ts_server_pid(server);
    assert_true(pid > 0);
    ts_server_free(server);
    assert_true(ts_wait_closed(fd, 5000));
    close(fd);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(access(dir, F_OK), -1);
    free(dir);
}

static void test_restart_keeps_port(void **state)
{
    (void)state;
    need_server();
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){.name = "again"});
    assert_non_null(server);
    uint16_t port = ts_server_port(server), monitor = ts_server_monitor_port(server);
    for (int i = 0; i < 2; i++) {
        pid_t pid = ts_server_pid(server);
        if (i == 0) {
            ts_server_kill(server);
            assert_int_equal(ts_server_pid(server), 0);
            assert_int_equal(ts_connect_raw(port, 1000), -1);
        }
        assert_true(ts_server_restart(server));
        assert_int_not_equal(ts_server_pid(server), pid);
        assert_int_equal(ts_server_port(server), port);
        assert_int_equal(ts_server_monitor_port(server), monitor);
        int fd = handshake(port);
        assert_true(fd >= 0);
        close(fd);
    }
    ts_server_free(server);
}

static void test_pause_resume(void **state)
{
    (void)state;
    need_server();
    char got[4096];
    struct ts_server *server = ts_server_start(NULL);
    assert_non_null(server);
    int fd = handshake(ts_server_port(server));
    assert_true(fd >= 0);
    /* the second INFO comes right after the PONG */
    assert_true(ts_send_text(fd, "PING\r\n") && ts_receive_until(fd, "PONG\r\n", got, sizeof got, 5000));
    assert_true(ts_server_pause(server));
    assert_true(ts_send_text(fd, "PING\r\n"));
    assert_int_equal(ts_receive(fd, got, sizeof got, 100), -2);
    assert_true(ts_server_resume(server));
    assert_true(ts_receive_until(fd, "PONG\r\n", got, sizeof got, 5000));
    assert_true(ts_server_pause(server));
    close(fd);
    ts_server_free(server); /* a stopped one ends too */
}

static void test_config_and_reload(void **state)
{
    (void)state;
    need_server();
    char got[4096];
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){
        .config = "listen: \"127.0.0.1:-1\"\nmax_payload: 1000\nwebsocket { listen: \"127.0.0.1:@PORT1@\", "
                  "no_tls: true }\n",
        .extra = "# @DIR@\n"});
    assert_non_null(server);
    assert_int_equal(ts_server_monitor_port(server), 0);
    assert_null(ts_server_monitor(server, "/varz"));
    int web = ts_connect_raw(ts_server_extra_port(server, 1), 5000);
    assert_true(web >= 0);
    close(web);
    assert_true(ts_server_reload(server, "listen: \"127.0.0.1:-1\"\nmax_payload: 2000\nwebsocket { listen: "
                                         "\"127.0.0.1:@PORT1@\", no_tls: true }\n"));
    int fd = ts_connect_raw(ts_server_port(server), 5000);
    assert_true(ts_receive_until(fd, "\r\n", got, sizeof got, 5000));
    assert_non_null(strstr(got, "\"max_payload\":2000"));
    close(fd);
    ts_server_free(server);
}

static void test_bad_config(void **state)
{
    (void)state;
    need_server();
    print_message("(a server's complaint follows: it is expected)\n");
    assert_null(ts_server_start(&(struct ts_server_opts){.config = "listen: [[["}));
}

static void test_cluster(void **state)
{
    (void)state;
    need_server();
    struct ts_cluster *cluster = ts_cluster_start(3);
    assert_non_null(cluster);
    char subscribe[128], got[8192];
    snprintf(subscribe, sizeof subscribe, "SUB over.there 1\r\nPING\r\n");
    int a = handshake(ts_server_port(ts_cluster_node(cluster, 0)));
    int b = handshake(ts_server_port(ts_cluster_node(cluster, 2)));
    assert_true(a >= 0 && b >= 0);
    assert_true(ts_send_text(a, subscribe) && ts_receive_until(a, "PONG\r\n", got, sizeof got, 5000));
    /* interest travels between the servers in its own time: publish until it arrives */
    int64_t deadline = ts_now_ms() + 10000;
    bool arrived = false;
    while (!arrived && ts_now_ms() < deadline) {
        assert_true(ts_send_text(b, "PUB over.there 2\r\nhi\r\n"));
        arrived = ts_receive_until(a, "MSG over.there 1 2\r\nhi\r\n", got, sizeof got, 50);
    }
    assert_true(arrived);
    close(a);
    close(b);
    ts_server_kill(ts_cluster_node(cluster, 1));
    assert_true(ts_server_restart(ts_cluster_node(cluster, 1)));
    assert_true(ts_cluster_wait_ready(cluster, 60000));
    ts_cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_stop),   cmocka_unit_test(test_restart_keeps_port),
        cmocka_unit_test(test_pause_resume), cmocka_unit_test(test_config_and_reload),
        cmocka_unit_test(test_bad_config),   cmocka_unit_test(test_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
