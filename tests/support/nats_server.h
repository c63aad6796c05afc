/* SPDX-License-Identifier: Apache-2.0
 *
 * Real nats-servers for C tests: started on free ports of 127.0.0.1 in a temporary folder, stopped and
 * removed at the end of the process at the latest.
 *
 * The program is $NATS_SERVER, else what tools/nats-server of the source tree prints; the tree is
 * $NATSKIT_SOURCE_DIR or the compile definition of that name. Without one it is `nats-server` of PATH.
 *
 * With NATSKIT_TEST_SCHEME=ws or wss each server listens for WebSocket, too, and its URL is that: so tests
 * run over it as they are. wss has the certificates of $NATSKIT_TEST_WALLET or the process's own wallet, and
 * SSL_CERT_FILE names their authority then.
 *
 * Start servers from the main thread (see proc.h); one server from one thread at a time. Failures print the
 * reason and the end of the server's log to standard error.
 */
#ifndef TS_NATS_SERVER_H
#define TS_NATS_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "net.h" /* for ts_connect_raw */

struct ts_server;
struct ts_cluster;

/* {0} or NULL: a server with JetStream. */
struct ts_server_opts {
    /*
     * The whole configuration; NULL takes the default. @DIR@ becomes the temporary folder, @PORT1@ to @PORT9@
     * free ports that stay the same over restarts.
     */
    const char *config;
    const char *extra;  /* lines after the default (or the given) configuration */
    bool no_jetstream;  /* for the default configuration */
    uint16_t port;      /* client port; 0 takes a free one */
    const char *name;   /* server_name */
    int64_t timeout_ms; /* for the start; default 30000 */
};

/* The path of the server program or NULL (tests then skip). */
const char *ts_server_program(void);

struct ts_server *ts_server_start(const struct ts_server_opts *opts);

/* SIGTERM, SIGKILL after 10 s, then the folder is removed and the handle freed. NULL does nothing. */
void ts_server_free(struct ts_server *server);

const char *
ts_server_url(const struct ts_server *server); /* nats://127.0.0.1:PORT, or as NATSKIT_TEST_SCHEME says */
uint16_t ts_server_port(const struct ts_server *server);
uint16_t ts_server_monitor_port(const struct ts_server *server);           /* 0 without monitoring */
uint16_t ts_server_extra_port(const struct ts_server *server, int number); /* what @PORTn@ became */
const char *ts_server_dir(const struct ts_server *server);
pid_t ts_server_pid(const struct ts_server *server); /* 0 when it does not run */

void ts_server_stop(struct ts_server *server); /* SIGTERM; can be restarted */
void ts_server_kill(struct ts_server *server); /* SIGKILL; can be restarted */
bool ts_server_restart(
    struct ts_server *server); /* same port, configuration and store; stops it when it runs */
bool ts_server_pause(struct ts_server *server);                     /* SIGSTOP, returns when it is stopped */
bool ts_server_resume(struct ts_server *server);                    /* SIGCONT */
bool ts_server_signal(struct ts_server *server, int signal_number); /* SIGUSR2 is lame duck mode */

/* Writes a new configuration and makes the running server read it; waits for the log to say so. */
bool ts_server_reload(struct ts_server *server, const char *config);

bool ts_server_log_contains(const struct ts_server *server, const char *text);
bool ts_server_wait_log(const struct ts_server *server, const char *text, int64_t timeout_ms);

/* An answer of the monitoring port ("/varz", "/connz?subs=1"); free() it. NULL on failure. */
char *ts_server_monitor(const struct ts_server *server, const char *path);

/*
 * n servers, one cluster, JetStream on each. Returns when every server has a route to every other and a meta
 * leader is elected.
 */
struct ts_cluster *ts_cluster_start(int n);
/* The same with no_jetstream (then there is no meta leader to wait for) and extra of `opts`, for each node.
 */
struct ts_cluster *ts_cluster_start_with(int n, const struct ts_server_opts *opts);
void ts_cluster_free(struct ts_cluster *cluster);
int ts_cluster_size(const struct ts_cluster *cluster);
struct ts_server *ts_cluster_node(const struct ts_cluster *cluster, int index);

/* Waits again, for instance after restarts: all nodes have their routes and, with JetStream, agree on a meta
 * leader. */
bool ts_cluster_wait_ready(const struct ts_cluster *cluster, int64_t timeout_ms);

#endif
