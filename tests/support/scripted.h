/* SPDX-License-Identifier: Apache-2.0
 *
 * A scripted server: plays a text script, line by line, against whatever client connects. What the client
 * writes goes through the wire oracle and is compared with the script; what the server sends can be anything,
 * broken frames included. The script's language: tests/README.md.
 *
 * The script runs on a thread of its own. The functions below may be called from any thread; ts_scripted_stop
 * once, as the last one.
 */
#ifndef TS_SCRIPTED_H
#define TS_SCRIPTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ts_scripted;

/* Listens on a free port of 127.0.0.1 and starts the script; NULL with the faulty line printed. */
struct ts_scripted *ts_scripted_start(const char *script);
struct ts_scripted *ts_scripted_start_at(const char *script, uint16_t port);

const char *ts_scripted_url(const struct ts_scripted *server);
uint16_t ts_scripted_port(const struct ts_scripted *server);

/* Waits for the script's end; true when each directive succeeded. A failure is printed. */
bool ts_scripted_wait(struct ts_scripted *server, int64_t timeout_ms);

/* NULL or "line N: ..." of the directive that failed. */
const char *ts_scripted_error(struct ts_scripted *server);

/* The line that is being played; 0 after the end. */
int ts_scripted_line(struct ts_scripted *server);

/* Connections accepted so far. */
int ts_scripted_connections(struct ts_scripted *server);

/* Ends the current or next `stall until ctl` or `serve until ctl`. */
void ts_scripted_proceed(struct ts_scripted *server);

/*
 * A field of the frame that was matched last ("subject", "reply", "queue", "sid", "max", "payload", "header",
 * "len", "json") or, as "NAME.sid", of the one that `as NAME` kept. For free(); NULL when there is none.
 */
char *ts_scripted_get(struct ts_scripted *server, const char *name, size_t *len);

/* Ends the thread and frees the handle; true when the script had ended well. A failure is printed. */
bool ts_scripted_stop(struct ts_scripted *server);

#endif
