/* SPDX-License-Identifier: Apache-2.0
 *
 * nk-serve: real nats-servers for tests that are not written in C; nats_server.h behind a control port.
 *
 *   nk-serve [--config FILE] [--extra TEXT] [--name NAME] [--port N] [--no-jetstream]
 *   nk-serve --cluster N [--extra TEXT] [--no-jetstream]
 *
 * Prints "control PORT url URL" when the server (or the whole cluster) is ready, and ends, with its servers
 * and their folder, at `quit`, SIGTERM, or when nobody reads its standard output any more. Commands, each
 * with "node N" before it in a cluster (nodes count from 0):
 *
 *   url, port, pid, dir, monitor-port, extra-port N     what the server has
 *   stop, kill, restart, pause, resume, signal N        what is done to it
 *   reload FILE                                         new configuration, then SIGHUP
 *   monitor PATH                                        the answer of the monitoring port, on one line
 *   log TEXT, wait-log MS TEXT                          looks for TEXT in the log
 *   wait-ready MS                                       cluster: routes and meta leader
 *   quit
 *
 * One thread.
 */
#include "../control_port.h"
#include "../nats_server.h"
#include "../proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct serve {
    struct ts_control_port *control;
    struct ts_server *server;
    struct ts_cluster *cluster;
};

static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " ");
    char *end = word + strcspn(word, " ");
    *line = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static void answer_bool(struct ts_buf *answer, bool good, const char *what)
{
    ts_buf_printf(answer, good ? "ok" : "err %s failed", what);
}

/* What only reads; false when the name is none of these. */
static bool ask(const struct ts_server *server, const char *name, char *rest, struct ts_buf *answer)
{
    if (strcmp(name, "url") == 0) {
        ts_buf_printf(answer, "ok %s", ts_server_url(server));
    } else if (strcmp(name, "port") == 0) {
        ts_buf_printf(answer, "ok %u", ts_server_port(server));
    } else if (strcmp(name, "pid") == 0) {
        ts_buf_printf(answer, "ok %d", (int)ts_server_pid(server));
    } else if (strcmp(name, "dir") == 0) {
        ts_buf_printf(answer, "ok %s", ts_server_dir(server));
    } else if (strcmp(name, "monitor-port") == 0) {
        ts_buf_printf(answer, "ok %u", ts_server_monitor_port(server));
    } else if (strcmp(name, "extra-port") == 0) {
        ts_buf_printf(answer, "ok %u", ts_server_extra_port(server, atoi(rest)));
    } else if (strcmp(name, "log") == 0) {
        answer_bool(answer, ts_server_log_contains(server, rest), "finding this in the log");
    } else if (strcmp(name, "wait-log") == 0) {
        int64_t ms = atoll(next_word(&rest));
        answer_bool(answer, ts_server_wait_log(server, rest, ms), "waiting for this in the log");
    } else if (strcmp(name, "monitor") == 0) {
        char *json = ts_server_monitor(server, rest);
        ts_buf_printf(answer, "%s %s", json ? "ok" : "err no answer for", json ? json : rest);
        free(json);
    } else {
        return false;
    }
    return true;
}

static bool act(struct ts_server *server, const char *name, const char *rest, struct ts_buf *answer)
{
    bool good = true;
    if (strcmp(name, "stop") == 0) {
        ts_server_stop(server);
    } else if (strcmp(name, "kill") == 0) {
        ts_server_kill(server);
    } else if (strcmp(name, "restart") == 0) {
        good = ts_server_restart(server);
    } else if (strcmp(name, "pause") == 0) {
        good = ts_server_pause(server);
    } else if (strcmp(name, "resume") == 0) {
        good = ts_server_resume(server);
    } else if (strcmp(name, "signal") == 0) {
        good = ts_server_signal(server, atoi(rest));
    } else if (strcmp(name, "reload") == 0) {
        char *config = ts_read_file(rest, NULL);
        good = config && ts_server_reload(server, config);
        free(config);
    } else {
        return false;
    }
    answer_bool(answer, good, name);
    return true;
}

static void on_line(void *ctx, char *line, struct ts_buf *answer)
{
    struct serve *s = ctx;
    int index = 0;
    char *name = next_word(&line);
    if (strcmp(name, "node") == 0) {
        index = atoi(next_word(&line));
        name = next_word(&line);
    }
    struct ts_server *server = s->cluster   ? ts_cluster_node(s->cluster, index)
                               : index == 0 ? s->server
                                            : NULL;
    if (strcmp(name, "quit") == 0) {
        ts_control_quit(s->control);
        ts_buf_printf(answer, "ok");
    } else if (!server) {
        ts_buf_printf(answer, "err there is no node %d", index);
    } else if (strcmp(name, "wait-ready") == 0 && s->cluster) {
        answer_bool(answer, ts_cluster_wait_ready(s->cluster, atoll(line)), name);
    } else if (!ask(server, name, line, answer) && !act(server, name, line, answer)) {
        ts_buf_printf(answer, "err unknown command \"%s\"", name);
    }
}

static bool start(struct serve *s, int argc, char **argv)
{
    struct ts_server_opts opts = {0};
    char *config = NULL;
    int cluster = 0;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--no-jetstream") == 0) {
            opts.no_jetstream = true;
            continue;
        }
        if (!value) {
            fprintf(stderr, "nk-serve: unknown option, or one without its value: %s\n", argv[i]);
            return false;
        }
        if (strcmp(argv[i], "--config") == 0) {
            opts.config = config = ts_read_file(value, NULL);
            if (!config) {
                fprintf(stderr, "nk-serve: can not read %s\n", value);
                return false;
            }
        } else if (strcmp(argv[i], "--extra") == 0) {
            opts.extra = value;
        } else if (strcmp(argv[i], "--name") == 0) {
            opts.name = value;
        } else if (strcmp(argv[i], "--port") == 0) {
            opts.port = (uint16_t)atoi(value);
        } else if (strcmp(argv[i], "--cluster") == 0) {
            cluster = atoi(value);
        } else {
            fprintf(stderr, "nk-serve: unknown option: %s\n", argv[i]);
            return false;
        }
        i++;
    }
    if (cluster) {
        s->cluster = ts_cluster_start_with(cluster, &opts);
    } else {
        s->server = ts_server_start(&opts);
    }
    free(config);
    return s->cluster || s->server;
}

int main(int argc, char **argv)
{
    struct serve s = {0};
    uint16_t port = 0;
    s.control = ts_control_open(&port);
    if (!s.control) {
        fprintf(stderr, "nk-serve: can not listen for commands\n");
        return 2;
    }
    if (!start(&s, argc, argv)) {
        ts_control_free(s.control);
        return 2;
    }
    const struct ts_server *first = s.cluster ? ts_cluster_node(s.cluster, 0) : s.server;
    printf("control %u url %s\n", port, ts_server_url(first));
    fflush(stdout);
    ts_control_run(s.control, on_line, &s);
    ts_server_free(s.server);
    ts_cluster_free(s.cluster);
    ts_control_free(s.control);
    return 0;
}
