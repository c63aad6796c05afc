/* SPDX-License-Identifier: Apache-2.0
 *
 * nk-scripted: the scripted server as a program, for tests that are not written in C.
 *
 *   nk-scripted --script FILE|- [--port N] [--wallet DIR]
 *
 * Prints "listen PORT control PORT" and plays the script until its end; then it stays until `quit`, SIGTERM,
 * or until nobody reads its standard output any more. Exit code: 0 the script succeeded, 1 not, 2 wrong
 * usage. Commands:
 *
 *   status       ok running LINE, ok done, or err with the directive that failed
 *   wait MS      waits for the end of the script
 *   proceed      ends the current or next `stall until ctl`
 *   get NAME     a captured value, printable with C escapes
 *   connections  how many were accepted
 *   quit
 *
 * The main thread answers commands, the script has a thread of its own.
 */
#include "../control_port.h"
#include "../proc.h"
#include "../scripted.h"
#include "../wallet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct program {
    struct ts_control_port *control;
    struct ts_scripted *server;
};

static void answer_status(struct program *p, struct ts_buf *answer)
{
    const char *error = ts_scripted_error(p->server);
    int line = ts_scripted_line(p->server);
    if (error) {
        ts_buf_printf(answer, "err %s", error);
    } else if (line) {
        ts_buf_printf(answer, "ok running %d", line);
    } else {
        ts_buf_printf(answer, "ok done");
    }
}

static void answer_wait(struct program *p, const char *ms, struct ts_buf *answer)
{
    uint64_t timeout = 0;
    if (!ts_parse_size(ms, &timeout)) {
        ts_buf_printf(answer, "err wait wants milliseconds, not \"%s\"", ms);
    } else if (ts_scripted_wait(p->server, (int64_t)timeout)) {
        ts_buf_printf(answer, "ok");
    } else if (ts_scripted_error(p->server)) {
        ts_buf_printf(answer, "err %s", ts_scripted_error(p->server));
    } else {
        ts_buf_printf(answer, "err line %d: the script has not ended after %s ms",
                      ts_scripted_line(p->server), ms);
    }
}

static void answer_get(struct program *p, const char *name, struct ts_buf *answer)
{
    size_t len = 0;
    char *value = ts_scripted_get(p->server, name, &len);
    if (!value) {
        ts_buf_printf(answer, "err nothing was captured as \"%s\"", name);
        return;
    }
    char *shown = ts_alloc(len * 4 + 16);
    ts_buf_printf(answer, "ok %s", ts_printable(shown, len * 4 + 16, value, len));
    free(shown);
    free(value);
}

static void on_line(void *ctx, char *line, struct ts_buf *answer)
{
    struct program *p = ctx;
    char *rest = line + strcspn(line, " ");
    if (*rest) {
        *rest++ = '\0';
    }
    if (strcmp(line, "status") == 0) {
        answer_status(p, answer);
    } else if (strcmp(line, "wait") == 0) {
        answer_wait(p, rest, answer);
    } else if (strcmp(line, "proceed") == 0) {
        ts_scripted_proceed(p->server);
        ts_buf_printf(answer, "ok");
    } else if (strcmp(line, "get") == 0) {
        answer_get(p, rest, answer);
    } else if (strcmp(line, "connections") == 0) {
        ts_buf_printf(answer, "ok %d", ts_scripted_connections(p->server));
    } else if (strcmp(line, "quit") == 0) {
        answer_status(p, answer);
        ts_control_quit(p->control);
    } else {
        ts_buf_printf(answer, "err unknown command \"%s\"", line);
    }
}

static char *read_script(int argc, char **argv, uint16_t *port)
{
    const char *file = NULL;
    uint64_t number = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--script") == 0) {
            file = argv[i + 1];
        } else if (strcmp(argv[i], "--port") == 0 && ts_parse_size(argv[i + 1], &number) && number < 65536) {
            *port = (uint16_t)number;
        } else if (strcmp(argv[i], "--wallet") == 0) {
            ts_wallet_use(argv[i + 1]);
        } else {
            fprintf(stderr, "nk-scripted: wrong option: %s %s\n", argv[i], argv[i + 1]);
            return NULL;
        }
    }
    if (!file || argc % 2 == 0) {
        fprintf(stderr, "usage: nk-scripted --script FILE|- [--port N] [--wallet DIR]\n");
        return NULL;
    }
    char *script = ts_read_file(strcmp(file, "-") == 0 ? "/dev/stdin" : file, NULL);
    if (!script) {
        fprintf(stderr, "nk-scripted: can not read %s\n", file);
    }
    return script;
}

int main(int argc, char **argv)
{
    struct program p = {0};
    uint16_t control = 0, port = 0;
    char *script = read_script(argc, argv, &port);
    if (!script) {
        return 2;
    }
    /* first the control port: it blocks the signals for the script's thread too */
    p.control = ts_control_open(&control);
    p.server = p.control ? ts_scripted_start_at(script, port) : NULL;
    free(script);
    if (!p.server) {
        if (p.control) {
            ts_control_free(p.control);
        }
        return 2;
    }
    printf("listen %u control %u\n", ts_scripted_port(p.server), control);
    fflush(stdout);
    ts_control_run(p.control, on_line, &p);
    ts_control_free(p.control);
    return ts_scripted_stop(p.server) ? 0 : 1;
}
