/* SPDX-License-Identifier: Apache-2.0
 *
 * Small text helpers of the test support: clocks, UTF-8, C escapes, formatted growing text.
 * Pure functions apart from the clock; they may be called on any thread.
 */
#ifndef TS_TEXT_H
#define TS_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Monotonic time, so that tests that turn the wall clock do not disturb the waits of the harness. */
int64_t ts_now_ns(void);
int64_t ts_now_ms(void);

/* Sleeps for at most `ms`; meant for the pause between two looks at a condition, never as a wait by itself.
 */
void ts_pause_ms(int64_t ms);

bool ts_utf8_valid(const char *text, size_t len);

/* Writes a printable excerpt (C escapes, cut to fit) with a final NUL; returns out. */
char *ts_printable(char *out, size_t cap, const char *bytes, size_t len);

/* Undoes C escapes (\r \n \t \0 \\ \" \' \xHH); returns the length or -1 and a reason in *why. */
long ts_unescape(const char *text, size_t len, char *out, const char **why);

/* Strict unsigned decimal of the whole slice: no sign, no leading zero, at most `max`. */
bool ts_parse_u64(const char *text, size_t len, uint64_t max, uint64_t *value);

/* A number on a command line or in a script: decimal with an optional k, m or g (powers of 1024). */
bool ts_parse_size(const char *text, uint64_t *value);

/* Splits "HOST:PORT" (IPv6 in brackets); returns false when it is not of this form. */
bool ts_split_host_port(const char *text, char *host, size_t host_cap, uint16_t *port);

/* Growing text. A failed allocation aborts: a test that runs out of memory has no meaning. */
struct ts_buf {
    char *at;
    size_t len;
    size_t cap;
};

void ts_buf_add(struct ts_buf *buf, const void *bytes, size_t len);
void ts_buf_printf(struct ts_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ts_buf_vprintf(struct ts_buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void ts_buf_drop_front(struct ts_buf *buf, size_t len);
void ts_buf_free(struct ts_buf *buf);

/* malloc, realloc and strdup that abort with a text instead of returning NULL. */
void *ts_alloc(size_t size);
void *ts_realloc(void *old, size_t size);
char *ts_strdup(const char *text);

#endif
