/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain blocking TCP with deadlines for the harness and its own tests: no NATS client is involved.
 * Any thread; one descriptor from one thread at a time.
 */
#ifndef TS_NET_H
#define TS_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A connected descriptor or -1. The host has to be a number or a name that resolves at once. */
int ts_connect_host(const char *host, uint16_t port, int64_t timeout_ms);

/* A raw TCP client to 127.0.0.1. */
int ts_connect_raw(uint16_t port, int64_t timeout_ms);

/* Sends everything or returns false. */
bool ts_send_all(int fd, const void *bytes, size_t len, int64_t timeout_ms);
bool ts_send_text(int fd, const char *text);

/* Bytes read, 0 at the end, -1 for an error or reset, -2 for the deadline. */
long ts_receive(int fd, void *bytes, size_t cap, int64_t timeout_ms);

/* Collects into `got` (with a final NUL) until it contains `text`; false at the end or the deadline. */
bool ts_receive_until(int fd, const char *text, char *got, size_t cap, int64_t timeout_ms);

/* True when the peer closes or resets before the deadline; what it sends before is thrown away. */
bool ts_wait_closed(int fd, int64_t timeout_ms);

/* A listening descriptor; *port 0 takes a free one and returns it. -1 on failure. */
int ts_listen(const char *host, uint16_t *port);

/* A port of 127.0.0.1 that nobody used a moment ago; for configurations that can not take 0. */
uint16_t ts_free_port(void);

/* Closes with RST. */
void ts_close_reset(int fd);

/* The body of an HTTP GET with status 200, for free(), or NULL. */
char *ts_http_get(uint16_t port, const char *path, int64_t timeout_ms);

#endif
