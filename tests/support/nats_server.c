/* SPDX-License-Identifier: Apache-2.0
 *
 * Real nats-servers for C tests.
 * The list of what has to be cleaned up at exit is under a mutex; everything else belongs to the caller's
 * thread.
 */
#include "nats_server.h"

#include "json_check.h"
#include "proc.h"
#include "text.h"
#include "wallet.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXTRA_PORTS = 9, START_TIMEOUT_MS = 60000, STOP_TIMEOUT_MS = 10000, START_ATTEMPTS = 5 };

struct ts_server {
    struct ts_proc proc;
    char *dir;
    char *config_path;
    char *log_path;
    char url[64];
    uint16_t port;
    uint16_t monitor_port;
    uint16_t ws_port; /* with NATSKIT_TEST_SCHEME; the same over restarts */
    uint16_t extra_ports[EXTRA_PORTS];
    int64_t timeout_ms;
    pid_t owner; /* a forked child must not clean up what its parent uses */
    struct ts_server *next;
};

struct ts_cluster {
    int size;
    bool no_jetstream;
    struct ts_server *nodes[9];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ts_server *servers;
static bool at_exit_set;

static void clean_at_exit(void)
{
    for (struct ts_server *s = servers; s; s = s->next) {
        if (s->owner == getpid()) {
            ts_proc_stop(&s->proc, 0);
            ts_remove_tree(s->dir);
        }
    }
}

static void enlist(struct ts_server *server)
{
    pthread_mutex_lock(&lock);
    server->next = servers;
    servers = server;
    if (!at_exit_set) {
        atexit(clean_at_exit);
        at_exit_set = true;
    }
    pthread_mutex_unlock(&lock);
}

static void delist(const struct ts_server *server)
{
    pthread_mutex_lock(&lock);
    struct ts_server **at = &servers;
    while (*at && *at != server) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = server->next;
    }
    pthread_mutex_unlock(&lock);
}

static bool search_path(char *path, size_t cap)
{
    const char *at = getenv("PATH");
    while (at && *at) {
        size_t len = strcspn(at, ":");
        int wrote = snprintf(path, cap, "%.*s/nats-server", (int)len, at);
        if (len > 0 && wrote > 0 && (size_t)wrote < cap && access(path, X_OK) == 0) {
            return true;
        }
        at += len + (at[len] == ':');
    }
    fprintf(stderr, "there is no nats-server: put one into PATH or name it with NATS_SERVER\n");
    return false;
}

/* tools/nats-server of the source tree; without one PATH. */
static bool ask_tool(char *path, size_t cap)
{
    const char *root = getenv("NATSKIT_SOURCE_DIR");
#ifdef NATSKIT_SOURCE_DIR
    root = root && *root ? root : NATSKIT_SOURCE_DIR;
#endif
    if (!root || !*root) {
        return search_path(path, cap);
    }
    struct ts_buf tool = {0};
    ts_buf_printf(&tool, "%s/tools/nats-server", root);
    const char *argv[] = {tool.at, NULL};
    struct ts_proc proc;
    bool good = ts_proc_start(&proc, argv, NULL);
    if (good) {
        /* fetching one may take minutes, once per machine */
        good = ts_proc_read_line(&proc, path, cap, 600000) && path[0] == '/';
        ts_proc_wait(&proc, 10000);
        ts_proc_stop(&proc, 0);
    }
    if (!good) {
        fprintf(stderr, "test support: %s printed no path of a nats-server\n", tool.at);
    }
    ts_buf_free(&tool);
    return good;
}

const char *ts_server_program(void)
{
    static char path[4096];
    static bool asked;
    pthread_mutex_lock(&lock);
    if (!asked) {
        const char *given = getenv("NATS_SERVER");
        asked = true;
        if (given && *given) {
            snprintf(path, sizeof path, "%s", given);
        } else if (!ask_tool(path, sizeof path)) {
            path[0] = '\0';
        }
    }
    pthread_mutex_unlock(&lock);
    return path[0] ? path : NULL;
}

/* What clients are to speak to the servers: "ws", "wss", or "nats". */
static const char *scheme(void)
{
    const char *given = getenv("NATSKIT_TEST_SCHEME");
    return given && *given ? given : "nats";
}

/* Adds a listener for WebSocket to a configuration that has none. For wss its authority becomes the one that
 * this process, and those that it starts, believe by themselves. */
static bool add_websocket(struct ts_server *server, struct ts_buf *config)
{
    if (strcmp(scheme(), "nats") == 0 || strstr(config->at, "websocket")) {
        return true;
    }
    server->ws_port = server->ws_port ? server->ws_port : ts_free_port();
    ts_buf_printf(config, "websocket { listen: \"127.0.0.1:%u\", ", server->ws_port);
    if (strcmp(scheme(), "wss") != 0) {
        ts_buf_printf(config, "no_tls: true }\n");
        return true;
    }
    const char *given = getenv("NATSKIT_TEST_WALLET");
    const char *wallet = given && *given ? given : ts_wallet();
    if (!wallet) {
        return false;
    }
    ts_buf_printf(config, "tls { cert_file: \"%s/server.pem\", key_file: \"%s/server.key\" } }\n", wallet,
                  wallet);
    struct ts_buf authority = {0};
    ts_buf_printf(&authority, "%s/ca.pem", wallet);
    bool good = setenv("SSL_CERT_FILE", authority.at, 1) == 0;
    ts_buf_free(&authority);
    return good;
}

/* The port of the first URL in a list of the ports file, 0 when there is none. */
static uint16_t listed_port(const char *json, size_t len, const char *name)
{
    struct ts_json_member list;
    if (!ts_json_find(json, len, name, &list) || list.type != TS_JSON_ARRAY) {
        return 0;
    }
    const char *first = memchr(list.raw, '"', list.raw_len);
    const char *end = first ? memchr(first + 1, '"', (size_t)(list.raw + list.raw_len - first - 1)) : NULL;
    const char *colon = end ? memrchr(first, ':', (size_t)(end - first)) : NULL;
    uint64_t port = 0;
    return colon && ts_parse_u64(colon + 1, (size_t)(end - colon - 1), 65535, &port) ? (uint16_t)port : 0;
}

static bool read_ports(struct ts_server *server)
{
    struct ts_buf path = {0};
    const char *program = strrchr(ts_server_program(), '/');
    size_t len = 0;
    ts_buf_printf(&path, "%s/%s_%d.ports", server->dir, program ? program + 1 : ts_server_program(),
                  (int)server->proc.pid);
    char *json = ts_read_file(path.at, &len);
    ts_buf_free(&path);
    if (!json) {
        return false;
    }
    while (len && (json[len - 1] == '\n' || json[len - 1] == ' ')) {
        len--;
    }
    /* a file that is half written is not valid JSON: look again later */
    uint16_t port = listed_port(json, len, "nats");
    if (port) {
        server->port = port;
        server->monitor_port = listed_port(json, len, "monitoring");
        snprintf(server->url, sizeof server->url, "%s://127.0.0.1:%u", server->ws_port ? scheme() : "nats",
                 server->ws_port ? server->ws_port : port);
    }
    free(json);
    return port != 0;
}

static void print_log(const struct ts_server *server)
{
    size_t len = 0;
    char *log = ts_read_file(server->log_path, &len);
    if (log) {
        const char *tail = len > 3000 ? log + len - 3000 : log;
        fprintf(stderr, "--- end of the server's log ---\n%s---\n", tail);
        free(log);
    }
}

static bool launch(struct ts_server *server)
{
    const char *program = ts_server_program();
    char port[8], monitor[8];
    const char *argv[16] = {program,     "-c", server->config_path, "--ports_file_dir",
                            server->dir, "-l", server->log_path};
    int n = 7;
    if (!program) {
        return false;
    }
    if (server->port) {
        snprintf(port, sizeof port, "%u", server->port);
        argv[n++] = "-p";
        argv[n++] = port;
    }
    if (server->monitor_port) {
        snprintf(monitor, sizeof monitor, "%u", server->monitor_port);
        argv[n++] = "-m";
        argv[n++] = monitor;
    }
    if (!ts_proc_start(&server->proc, argv, server->log_path)) {
        return false;
    }
    int64_t deadline = ts_now_ms() + server->timeout_ms;
    while (!read_ports(server)) {
        if (!ts_proc_running(&server->proc)) {
            fprintf(stderr, "test support: nats-server ended while starting, exit code %d\n",
                    ts_proc_exit_code(&server->proc));
            print_log(server);
            return false;
        }
        if (ts_now_ms() > deadline) {
            fprintf(stderr, "test support: nats-server wrote no ports file within %lld ms\n",
                    (long long)server->timeout_ms);
            print_log(server);
            ts_proc_stop(&server->proc, 0);
            return false;
        }
        ts_pause_ms(5);
    }
    return true;
}

/* Writes the configuration with @DIR@ and @PORTn@ replaced. */
static bool write_config(struct ts_server *server, const char *config, const char *extra)
{
    struct ts_buf text = {0};
    struct ts_buf both = {0};
    ts_buf_printf(&both, "%s\n%s\n", config, extra ? extra : "");
    bool good = add_websocket(server, &both);
    for (const char *at = both.at; *at;) {
        if (strncmp(at, "@DIR@", 5) == 0) {
            ts_buf_add(&text, server->dir, strlen(server->dir));
            at += 5;
        } else if (strncmp(at, "@PORT", 5) == 0 && at[5] >= '1' && at[5] <= '9' && at[6] == '@') {
            uint16_t *port = &server->extra_ports[at[5] - '1'];
            *port = *port ? *port : ts_free_port();
            ts_buf_printf(&text, "%u", *port);
            at += 7;
        } else {
            ts_buf_add(&text, at++, 1);
        }
    }
    good = good && ts_write_file(server->config_path, text.at);
    ts_buf_free(&text);
    ts_buf_free(&both);
    return good;
}

static char *in_dir(const char *dir, const char *name)
{
    struct ts_buf path = {0};
    ts_buf_printf(&path, "%s/%s", dir, name);
    return path.at;
}

/* The server removes the folder of the global account's streams some time after the last of them was deleted,
 * also one that was just made again (2.15.1): a file in it keeps it there. */
static bool keep_streams_folder(const char *dir)
{
    static const char *const parts[] = {"store", "jetstream", "$G", "streams"};
    struct ts_buf path = {0};
    ts_buf_printf(&path, "%s", dir);
    bool good = true;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && good; i++) {
        ts_buf_printf(&path, "/%s", parts[i]);
        good = mkdir(path.at, S_IRWXU) == 0;
    }
    ts_buf_printf(&path, "/kept");
    good = good && ts_write_file(path.at, "");
    ts_buf_free(&path);
    return good;
}

/* Whether it has ended because somebody else had taken a port between its choice and its use. */
static bool port_was_taken(const struct ts_server *server)
{
    size_t len = 0;
    char *log = ts_read_file(server->log_path, &len);
    bool taken = log && strstr(log, "address already in use");
    free(log);
    return taken;
}

/* Writes the configuration and starts the program; of ports that were chosen for it others are tried. */
static bool launch_first(struct ts_server *server, const char *config, const struct ts_server_opts *opts)
{
    for (int attempt = 1;; attempt++) {
        if (write_config(server, config, opts->extra) && launch(server)) {
            return true;
        }
        if (attempt == START_ATTEMPTS || opts->port || !port_was_taken(server) || remove(server->log_path)) {
            return false;
        }
        ts_proc_stop(&server->proc, 0);
        server->port = server->monitor_port = server->ws_port = 0;
        memset(server->extra_ports, 0, sizeof server->extra_ports);
    }
}

struct ts_server *ts_server_start(const struct ts_server_opts *given)
{
    struct ts_server_opts opts = given ? *given : (struct ts_server_opts){0};
    struct ts_server *server = ts_alloc(sizeof *server);
    struct ts_buf config = {0};
    *server =
        (struct ts_server){.proc = {.out = -1}, .dir = ts_temp_dir(), .owner = getpid(), .port = opts.port};
    server->config_path = in_dir(server->dir, "server.conf");
    server->log_path = in_dir(server->dir, "server.log");
    server->timeout_ms = opts.timeout_ms ? opts.timeout_ms : START_TIMEOUT_MS;
    if (opts.config) {
        ts_buf_add(&config, opts.config, strlen(opts.config));
    } else {
        ts_buf_printf(&config, "listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\n");
        if (opts.name) {
            ts_buf_printf(&config, "server_name: \"%s\"\n", opts.name);
        }
        if (!opts.no_jetstream) {
            ts_buf_printf(&config, "jetstream { store_dir: \"@DIR@/store\" }\n");
        }
    }
    enlist(server);
    bool good = (opts.config || opts.no_jetstream || keep_streams_folder(server->dir)) &&
                launch_first(server, config.at, &opts);
    ts_buf_free(&config);
    if (!good) {
        ts_server_free(server);
        return NULL;
    }
    return server;
}

void ts_server_free(struct ts_server *server)
{
    if (!server) {
        return;
    }
    delist(server);
    ts_proc_stop(&server->proc, STOP_TIMEOUT_MS);
    ts_remove_tree(server->dir);
    free(server->dir);
    free(server->config_path);
    free(server->log_path);
    free(server);
}

const char *ts_server_url(const struct ts_server *server)
{
    return server->url;
}

uint16_t ts_server_port(const struct ts_server *server)
{
    return server->port;
}

uint16_t ts_server_monitor_port(const struct ts_server *server)
{
    return server->monitor_port;
}

uint16_t ts_server_extra_port(const struct ts_server *server, int number)
{
    return number >= 1 && number <= EXTRA_PORTS ? server->extra_ports[number - 1] : 0;
}

const char *ts_server_dir(const struct ts_server *server)
{
    return server->dir;
}

pid_t ts_server_pid(const struct ts_server *server)
{
    return server->proc.pid;
}

void ts_server_stop(struct ts_server *server)
{
    ts_proc_stop(&server->proc, STOP_TIMEOUT_MS);
}

void ts_server_kill(struct ts_server *server)
{
    ts_proc_stop(&server->proc, 0);
}

bool ts_server_restart(struct ts_server *server)
{
    ts_server_stop(server);
    int64_t deadline = ts_now_ms() + server->timeout_ms;
    while (!launch(server)) { /* what dials may have been given one of its ports meanwhile, for a while */
        if (ts_now_ms() > deadline || !ts_server_log_contains(server, "address already in use")) {
            return false;
        }
        ts_pause_ms(100);
    }
    return true;
}

/* waitid() instead of a pause: the caller may rely on the server's silence from here on. */
static bool wait_state(const struct ts_server *server, int what)
{
    int64_t deadline = ts_now_ms() + 5000;
    while (ts_now_ms() < deadline) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)server->proc.pid, &info, what | WNOHANG) != 0) {
            return false;
        }
        if (info.si_pid) {
            return true;
        }
        ts_pause_ms(1);
    }
    return false;
}

bool ts_server_signal(struct ts_server *server, int signal_number)
{
    return ts_proc_running(&server->proc) && kill(server->proc.pid, signal_number) == 0;
}

bool ts_server_pause(struct ts_server *server)
{
    return ts_server_signal(server, SIGSTOP) && wait_state(server, WSTOPPED);
}

bool ts_server_resume(struct ts_server *server)
{
    return ts_server_signal(server, SIGCONT) && wait_state(server, WCONTINUED);
}

static int count_in_log(const struct ts_server *server, const char *text)
{
    char *log = ts_read_file(server->log_path, NULL);
    int count = 0;
    for (const char *at = log; at && (at = strstr(at, text)); at++) {
        count++;
    }
    free(log);
    return count;
}

bool ts_server_reload(struct ts_server *server, const char *config)
{
    static const char said[] = "Reloaded server configuration";
    int before = count_in_log(server, said);
    int64_t deadline = ts_now_ms() + START_TIMEOUT_MS;
    if (!write_config(server, config, NULL) || !ts_server_signal(server, SIGHUP)) {
        return false;
    }
    while (count_in_log(server, said) == before) {
        if (ts_now_ms() > deadline || !ts_proc_running(&server->proc)) {
            fprintf(stderr, "test support: the server did not take the new configuration\n");
            print_log(server);
            return false;
        }
        ts_pause_ms(5);
    }
    return true;
}

bool ts_server_log_contains(const struct ts_server *server, const char *text)
{
    return count_in_log(server, text) > 0;
}

bool ts_server_wait_log(const struct ts_server *server, const char *text, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    while (!ts_server_log_contains(server, text)) {
        if (ts_now_ms() > deadline) {
            return false;
        }
        ts_pause_ms(5);
    }
    return true;
}

char *ts_server_monitor(const struct ts_server *server, const char *path)
{
    return server->monitor_port ? ts_http_get(server->monitor_port, path, 10000) : NULL;
}

/* Names of the other servers that this one has routes to: the server opens several connections to each. */
static int count_routes(const struct ts_cluster *cluster, const struct ts_server *node)
{
    char *json = ts_server_monitor(node, "/routez");
    int count = 0;
    for (int i = 0; json && i < cluster->size; i++) {
        char name[40];
        snprintf(name, sizeof name, "\"remote_name\": \"n%d\"", i + 1);
        count += strstr(json, name) != NULL;
    }
    free(json);
    return count;
}

/* The meta leader's name as this node sees it, "" when there is none. */
static void meta_leader(const struct ts_server *node, char *name, size_t cap)
{
    static const char key[] = "\"leader\": \"";
    char *json = ts_server_monitor(node, "/jsz");
    const char *meta = json ? strstr(json, "\"meta_cluster\"") : NULL;
    const char *at = meta ? strstr(meta, key) : NULL;
    name[0] = '\0';
    if (at) {
        at += sizeof key - 1;
        snprintf(name, cap, "%.*s", (int)strcspn(at, "\""), at);
    }
    free(json);
}

static bool healthy(const struct ts_server *node)
{
    char *json = ts_server_monitor(node, "/healthz");
    bool good = json != NULL;
    free(json);
    return good;
}

static bool cluster_ready(const struct ts_cluster *cluster)
{
    char leader[64] = "", other[64];
    for (int i = 0; i < cluster->size; i++) {
        const struct ts_server *node = cluster->nodes[i];
        if (count_routes(cluster, node) < cluster->size - 1 || !healthy(node)) {
            return false;
        }
        if (cluster->no_jetstream) {
            continue;
        }
        meta_leader(node, other, sizeof other);
        if (!other[0] || (leader[0] && strcmp(leader, other) != 0)) {
            return false;
        }
        memcpy(leader, other, sizeof leader);
    }
    return true;
}

bool ts_cluster_wait_ready(const struct ts_cluster *cluster, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    while (!cluster_ready(cluster)) {
        if (ts_now_ms() > deadline) {
            fprintf(stderr, "test support: the cluster of %d was not ready within %lld ms\n", cluster->size,
                    (long long)timeout_ms);
            print_log(cluster->nodes[0]);
            return false;
        }
        ts_pause_ms(20);
    }
    return true;
}

/* One attempt with freshly chosen route ports; NULL when a server did not start. */
static struct ts_cluster *try_cluster(int n, const struct ts_server_opts *opts)
{
    uint16_t ports[9];
    struct ts_cluster *cluster = ts_alloc(sizeof *cluster);
    *cluster = (struct ts_cluster){.size = n, .no_jetstream = opts->no_jetstream};
    for (int i = 0; i < n; i++) {
        ports[i] = ts_free_port();
    }
    for (int i = 0; i < n; i++) {
        struct ts_buf extra = {0};
        char name[16];
        snprintf(name, sizeof name, "n%d", i + 1);
        ts_buf_printf(&extra, "cluster { name: \"test\", listen: \"127.0.0.1:%u\", routes: [", ports[i]);
        for (int k = 0; k < n; k++) {
            ts_buf_printf(&extra, "%s\"nats://127.0.0.1:%u\"", k ? ", " : "", ports[k]);
        }
        ts_buf_printf(&extra, "] }\n%s\n", opts->extra ? opts->extra : "");
        cluster->nodes[i] = ts_server_start(
            &(struct ts_server_opts){.name = name, .extra = extra.at, .no_jetstream = opts->no_jetstream});
        ts_buf_free(&extra);
        if (!cluster->nodes[i]) {
            ts_cluster_free(cluster);
            return NULL;
        }
    }
    return cluster;
}

struct ts_cluster *ts_cluster_start(int n)
{
    return ts_cluster_start_with(n, &(struct ts_server_opts){0});
}

struct ts_cluster *ts_cluster_start_with(int n, const struct ts_server_opts *opts)
{
    struct ts_cluster *cluster = NULL;
    if (n < 1 || n > 9) {
        fprintf(stderr, "test support: a cluster of %d servers (1 to 9 are possible)\n", n);
        return NULL;
    }
    /* somebody else may take a route port between its choice and its use */
    for (int attempt = 0; !cluster && attempt < 3 && ts_server_program(); attempt++) {
        cluster = try_cluster(n, opts);
    }
    if (cluster && !ts_cluster_wait_ready(cluster, 60000)) {
        ts_cluster_free(cluster);
        return NULL;
    }
    return cluster;
}

void ts_cluster_free(struct ts_cluster *cluster)
{
    for (int i = 0; cluster && i < cluster->size; i++) {
        ts_server_free(cluster->nodes[i]);
    }
    free(cluster);
}

int ts_cluster_size(const struct ts_cluster *cluster)
{
    return cluster->size;
}

struct ts_server *ts_cluster_node(const struct ts_cluster *cluster, int index)
{
    return index >= 0 && index < cluster->size ? cluster->nodes[index] : NULL;
}
