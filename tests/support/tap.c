/* SPDX-License-Identifier: Apache-2.0
 *
 * C client of nk-tap.
 * No shared state; one tap from one thread at a time.
 */
#include "tap.h"

#include "net.h"
#include "proc.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_OPTIONS = 16, TIMEOUT_MS = 30000 };

struct ts_tap {
    struct ts_proc proc;
    int control;
    uint16_t port;
    char url[300];
    struct ts_buf answer;
};

static const char *program(void)
{
    const char *given = getenv("NK_TAP");
#ifdef TS_PROGRAM_DIR
    return given && *given ? given : TS_PROGRAM_DIR "/nk-tap";
#else
    return given && *given ? given : "nk-tap";
#endif
}

/* HOST:PORT of a URL; user and path are of no interest here. */
static void host_port(const char *url, char *scheme, size_t scheme_cap, char *address, size_t cap)
{
    const char *mark = strstr(url, "://");
    const char *at = mark ? mark + 3 : url;
    snprintf(scheme, scheme_cap, "%.*s", mark ? (int)(mark - url) : 4, mark ? url : "nats");
    const char *user_end = strrchr(at, '@');
    at = user_end ? user_end + 1 : at;
    snprintf(address, cap, "%.*s", (int)strcspn(at, "/?#"), at);
}

struct ts_tap *ts_tap_start(const char *server_url)
{
    return ts_tap_start_with(server_url, NULL);
}

struct ts_tap *ts_tap_start_with(const char *server_url, const char *const *options)
{
    char scheme[16], address[256], line[128];
    unsigned listen = 0, control = 0;
    const char *argv[8 + MAX_OPTIONS] = {program(), "--to", address, "--tied"};
    int n = 4;
    host_port(server_url, scheme, sizeof scheme, address, sizeof address);
    for (int i = 0; options && options[i] && i < MAX_OPTIONS; i++) {
        argv[n++] = options[i];
    }
    struct ts_tap *tap = ts_alloc(sizeof *tap);
    *tap = (struct ts_tap){.control = -1};
    if (!ts_proc_start(&tap->proc, argv, NULL)) {
        free(tap);
        return NULL;
    }
    if (ts_proc_read_line(&tap->proc, line, sizeof line, TIMEOUT_MS) &&
        sscanf(line, "listen %u control %u", &listen, &control) == 2) {
        tap->control = ts_connect_raw((uint16_t)control, TIMEOUT_MS);
    }
    tap->port = (uint16_t)listen;
    snprintf(tap->url, sizeof tap->url, "%s://127.0.0.1:%u", scheme, listen);
    if (tap->control < 0) {
        fprintf(stderr, "test support: %s in front of %s did not start\n", argv[0], server_url);
        ts_tap_stop(tap);
        return NULL;
    }
    return tap;
}

const char *ts_tap_url(const struct ts_tap *tap)
{
    return tap->url;
}

uint16_t ts_tap_port(const struct ts_tap *tap)
{
    return tap->port;
}

const char *ts_tap_answer(const struct ts_tap *tap)
{
    return tap->answer.at ? tap->answer.at : "";
}

/* One command, one line back. */
static bool exchange(struct ts_tap *tap, const struct ts_buf *command)
{
    char got[4096];
    tap->answer.len = 0;
    ts_buf_add(&tap->answer, "", 0);
    if (!ts_send_all(tap->control, command->at, command->len, TIMEOUT_MS)) {
        ts_buf_printf(&tap->answer, "err the tap is gone");
        return false;
    }
    while (!tap->answer.len || tap->answer.at[tap->answer.len - 1] != '\n') {
        long n = ts_receive(tap->control, got, sizeof got, TIMEOUT_MS);
        if (n <= 0) {
            ts_buf_printf(&tap->answer, "err the tap did not answer");
            return false;
        }
        ts_buf_add(&tap->answer, got, (size_t)n);
    }
    tap->answer.at[--tap->answer.len] = '\0';
    return strncmp(tap->answer.at, "ok", 2) == 0;
}

static bool send_text(struct ts_tap *tap, const char *text)
{
    struct ts_buf command = {0};
    ts_buf_printf(&command, "%s\n", text);
    bool good = exchange(tap, &command);
    ts_buf_free(&command);
    return good;
}

bool ts_tap_command(struct ts_tap *tap, const char *format, ...)
{
    struct ts_buf command = {0};
    va_list args;
    va_start(args, format);
    ts_buf_vprintf(&command, format, args);
    va_end(args);
    bool good = send_text(tap, command.at);
    if (!good) {
        fprintf(stderr, "test support: tap command \"%s\": %s\n", command.at, ts_tap_answer(tap));
    }
    ts_buf_free(&command);
    return good;
}

uint64_t ts_tap_stat(struct ts_tap *tap, const char *name)
{
    char key[64];
    uint64_t value = UINT64_MAX;
    snprintf(key, sizeof key, " %s ", name);
    const char *at = send_text(tap, "stats") ? strstr(tap->answer.at, key) : NULL;
    if (!at) {
        fprintf(stderr, "test support: the tap has no number \"%s\": %s\n", name, ts_tap_answer(tap));
        return value;
    }
    at += strlen(key);
    ts_parse_u64(at, strspn(at, "0123456789"), UINT64_MAX, &value);
    return value;
}

static bool wait_stat(struct ts_tap *tap, const char *name, uint64_t low, uint64_t high, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    for (;;) {
        uint64_t now = ts_tap_stat(tap, name);
        if (now == UINT64_MAX) {
            return false;
        }
        if (now >= low && now <= high) {
            return true;
        }
        if (ts_now_ms() >= deadline) {
            fprintf(stderr, "test support: tap: %s is %llu after %lld ms, expected %llu%s\n", name,
                    (unsigned long long)now, (long long)timeout_ms, (unsigned long long)low,
                    high > low ? " or more" : "");
            return false;
        }
        ts_pause_ms(2);
    }
}

bool ts_tap_wait_stat(struct ts_tap *tap, const char *name, uint64_t at_least, int64_t timeout_ms)
{
    return wait_stat(tap, name, at_least, UINT64_MAX - 1, timeout_ms);
}

bool ts_tap_wait_stat_is(struct ts_tap *tap, const char *name, uint64_t value, int64_t timeout_ms)
{
    return wait_stat(tap, name, value, value, timeout_ms);
}

const char *ts_tap_check(struct ts_tap *tap)
{
    return send_text(tap, "check") ? NULL : ts_tap_answer(tap);
}

int ts_tap_stop(struct ts_tap *tap)
{
    if (!tap) {
        return 0;
    }
    if (tap->control >= 0) {
        send_text(tap, "quit");
        close(tap->control);
        if (!ts_proc_wait(&tap->proc, 10000)) {
            fprintf(stderr, "test support: nk-tap did not end within 10 s\n");
        }
    }
    ts_proc_stop(&tap->proc, 0);
    int code = ts_proc_exit_code(&tap->proc);
    ts_buf_free(&tap->answer);
    free(tap);
    return code;
}
