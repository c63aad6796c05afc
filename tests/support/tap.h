/* SPDX-License-Identifier: Apache-2.0
 *
 * C client of nk-tap: starts the fault proxy in front of a server and commands it.
 *
 * The program is $NK_TAP, else nk-tap in the build folder's tests/support/. It ends with the test process.
 * One tap is used from one thread at a time; start it from the main thread (see proc.h). Commands:
 * tests/README.md.
 */
#ifndef TS_TAP_H
#define TS_TAP_H

#include <stdbool.h>
#include <stdint.h>

struct ts_tap;

/* server_url: nats://HOST:PORT, tls://..., ws://... or HOST:PORT. NULL with the reason printed on failure. */
struct ts_tap *ts_tap_start(const char *server_url);

/* As ts_tap_start with more options of the program, ended by NULL ("--max-payload", "100", NULL). */
struct ts_tap *ts_tap_start_with(const char *server_url, const char *const *options);

/* What the client has to connect to, with the scheme of the server's URL. */
const char *ts_tap_url(const struct ts_tap *tap);
uint16_t ts_tap_port(const struct ts_tap *tap);

/* Sends a command; true for "ok". An "err" is also printed. */
bool ts_tap_command(struct ts_tap *tap, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The whole answer to the last command. */
const char *ts_tap_answer(const struct ts_tap *tap);

/* One number of `stats`; UINT64_MAX when there is none of that name. */
uint64_t ts_tap_stat(struct ts_tap *tap, const char *name);

/* Waits until the number is at least / exactly the value. */
bool ts_tap_wait_stat(struct ts_tap *tap, const char *name, uint64_t at_least, int64_t timeout_ms);
bool ts_tap_wait_stat_is(struct ts_tap *tap, const char *name, uint64_t value, int64_t timeout_ms);

/* NULL or the first violation; lives until the next command. */
const char *ts_tap_check(struct ts_tap *tap);

/*
 * Ends the tap and frees the handle: 0 when the client kept to the protocol on all connections, 1 when not
 * (printed on standard error), 2 or more when the tap itself failed. Close the client first. NULL gives 0.
 */
int ts_tap_stop(struct ts_tap *tap);

#endif
