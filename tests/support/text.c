/* SPDX-License-Identifier: Apache-2.0
 *
 * Small text helpers of the test support: clocks, UTF-8, C escapes, formatted growing text.
 * Runs on any thread; there is no shared state.
 */
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t ts_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t ts_now_ms(void)
{
    return ts_now_ns() / 1000000;
}

void ts_pause_ms(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

void *ts_alloc(size_t size)
{
    return ts_realloc(NULL, size);
}

void *ts_realloc(void *old, size_t size)
{
    void *block = realloc(old, size ? size : 1);
    if (!block) {
        fprintf(stderr, "test support: no memory for %zu bytes\n", size);
        abort();
    }
    return block;
}

char *ts_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(ts_alloc(size), text, size);
}

/* Length of the well-formed sequence at `s` (no overlong forms, surrogates or values over U+10FFFF), or 0. */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t need;
    if (s[0] >= 0xC2 && s[0] <= 0xDF) {
        need = 2;
    } else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        need = 3;
        low = s[0] == 0xE0 ? 0xA0 : low;
        high = s[0] == 0xED ? 0x9F : high;
    } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        need = 4;
        low = s[0] == 0xF0 ? 0x90 : low;
        high = s[0] == 0xF4 ? 0x8F : high;
    } else {
        return 0;
    }
    if (left < need || s[1] < low || s[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < need; i++) {
        if (s[i] < 0x80 || s[i] > 0xBF) {
            return 0;
        }
    }
    return need;
}

bool ts_utf8_valid(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i = 0;
    while (i < len) {
        size_t step = s[i] < 0x80 ? 1 : utf8_sequence(s + i, len - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

char *ts_printable(char *out, size_t cap, const char *bytes, size_t len)
{
    size_t used = 0;
    size_t i = 0;
    for (; i < len && used + 8 < cap; i++) {
        unsigned char c = (unsigned char)bytes[i];
        const char *names = "\r\n\t\\\"";
        const char *found = c ? strchr(names, c) : NULL;
        if (found) {
            out[used++] = '\\';
            out[used++] = "rnt\\\""[found - names];
        } else if (c >= 0x20 && c < 0x7F) {
            out[used++] = (char)c;
        } else {
            used += (size_t)snprintf(out + used, cap - used, "\\x%02X", c);
        }
    }
    if (i < len && used + 4 <= cap) {
        memcpy(out + used, "...", 3);
        used += 3;
    }
    out[used] = '\0';
    return out;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

long ts_unescape(const char *text, size_t len, char *out, const char **why)
{
    long used = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\\') {
            out[used++] = text[i];
            continue;
        }
        if (++i == len) {
            *why = "a backslash ends the text";
            return -1;
        }
        const char *names = "rnt0\\\"'";
        const char *found = text[i] ? strchr(names, text[i]) : NULL;
        if (found) {
            out[used++] = "\r\n\t\0\\\"'"[found - names];
        } else if (text[i] == 'x' && i + 2 < len && hex_digit(text[i + 1]) >= 0 &&
                   hex_digit(text[i + 2]) >= 0) {
            out[used++] = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else {
            *why = "an escape is none of \\r \\n \\t \\0 \\\\ \\\" \\' \\xHH";
            return -1;
        }
    }
    return used;
}

bool ts_parse_u64(const char *text, size_t len, uint64_t max, uint64_t *value)
{
    uint64_t sum = 0;
    if (len == 0 || len > 20 || (len > 1 && text[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9 || sum > (UINT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return sum <= max;
}

bool ts_parse_size(const char *text, uint64_t *value)
{
    static const char units[] = "kmg";
    size_t len = strlen(text);
    unsigned shift = 0;
    if (len > 1) {
        const char *unit = strchr(units, text[len - 1] | 0x20);
        if (unit && *unit) {
            shift = 10 * (unsigned)(unit - units + 1);
            len--;
        }
    }
    if (!ts_parse_u64(text, len, UINT64_MAX >> shift, value)) {
        return false;
    }
    *value <<= shift;
    return true;
}

bool ts_split_host_port(const char *text, char *host, size_t host_cap, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    uint64_t number = 0;
    if (!colon || colon == text || !ts_parse_u64(colon + 1, strlen(colon + 1), 65535, &number)) {
        return false;
    }
    size_t len = (size_t)(colon - text);
    if (text[0] == '[') {
        if (len < 3 || text[len - 1] != ']') {
            return false;
        }
        text++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return false;
    }
    if (len >= host_cap) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    *port = (uint16_t)number;
    return true;
}

static void buf_reserve(struct ts_buf *buf, size_t more)
{
    if (buf->cap - buf->len >= more) {
        return;
    }
    size_t cap = buf->cap ? buf->cap : 256;
    while (cap - buf->len < more) {
        cap *= 2;
    }
    buf->at = ts_realloc(buf->at, cap);
    buf->cap = cap;
}

void ts_buf_add(struct ts_buf *buf, const void *bytes, size_t len)
{
    buf_reserve(buf, len + 1);
    if (len) {
        memcpy(buf->at + buf->len, bytes, len);
    }
    buf->len += len;
    buf->at[buf->len] = '\0';
}

void ts_buf_vprintf(struct ts_buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (need < 0) {
        return;
    }
    buf_reserve(buf, (size_t)need + 1);
    vsnprintf(buf->at + buf->len, (size_t)need + 1, format, args);
    buf->len += (size_t)need;
}

void ts_buf_printf(struct ts_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ts_buf_vprintf(buf, format, args);
    va_end(args);
}

void ts_buf_drop_front(struct ts_buf *buf, size_t len)
{
    if (len == 0) {
        return;
    }
    memmove(buf->at, buf->at + len, buf->len - len);
    buf->len -= len;
    buf->at[buf->len] = '\0';
}

void ts_buf_free(struct ts_buf *buf)
{
    free(buf->at);
    *buf = (struct ts_buf){0};
}
