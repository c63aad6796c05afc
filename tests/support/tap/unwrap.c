/* SPDX-License-Identifier: Apache-2.0
 *
 * nk-tap: takes the upgrade and the frames of WebSocket off what the client writes, so that the oracle reads
 * what is in them, and holds the client to the rules for frames. One thread.
 */
#include "nk_tap.h"

#include <string.h>

enum { BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, LONGEST_CONTROL = 125 };

/* The rules for a client without extensions that never fragments; NULL or the one that is broken. */
static const char *judge_head(const struct unwrap *u)
{
    int opcode = u->head[0] & 0x0f;
    bool control = opcode == CLOSE || opcode == PING || opcode == PONG;
    if (u->closed) {
        return "WebSocket: a frame behind the close frame";
    }
    if ((u->head[0] & 0x80) == 0 || (u->head[0] & 0x70) != 0 || (opcode != BINARY && !control)) {
        return "WebSocket: a frame that is not final, has reserved bits, or is neither binary nor control";
    }
    if ((u->head[1] & 0x80) == 0) {
        return "WebSocket: a frame without a mask";
    }
    if (control && (u->head[1] & 0x7f) > LONGEST_CONTROL) {
        return "WebSocket: a control frame that is too long";
    }
    return NULL;
}

/* One byte of a head; when it is complete, the frame begins. */
static const char *take_head(struct unwrap *u, unsigned char byte)
{
    u->head[u->head_len++] = byte;
    if (u->head_len < 2) {
        return NULL;
    }
    const char *fault = u->head_len == 2 ? judge_head(u) : NULL;
    size_t short_len = u->head[1] & 0x7f;
    size_t more = short_len == 126 ? 2 : short_len == 127 ? 8 : 0;
    if (fault || u->head_len < 2 + more + 4) {
        return fault;
    }
    u->left = more ? 0 : short_len;
    for (size_t i = 2; i < 2 + more; i++) {
        u->left = u->left << 8 | u->head[i];
    }
    bool same = u->masked && memcmp(u->mask, u->head + 2 + more, 4) == 0;
    memcpy(u->mask, u->head + 2 + more, 4);
    u->masked = true;
    u->at = 0;
    u->head_len = 0;
    u->binary = (u->head[0] & 0x0f) == BINARY;
    u->closed = (u->head[0] & 0x0f) == CLOSE;
    return same ? "WebSocket: two frames with the same mask" : NULL;
}

const char *unwrap_up(struct unwrap *u, const char *bytes, size_t len, struct ts_buf *out)
{
    static const char head_end[] = "\r\n\r\n";
    for (size_t i = 0; i < len; i++) {
        if (u->matched < 4) {
            u->matched = bytes[i] == head_end[u->matched] ? u->matched + 1 : bytes[i] == '\r';
            continue;
        }
        if (u->left == 0) {
            const char *fault = take_head(u, (unsigned char)bytes[i]);
            if (fault) {
                return fault;
            }
            continue;
        }
        char plain = (char)(bytes[i] ^ (char)u->mask[u->at++ & 3]);
        u->left--;
        if (u->binary) {
            ts_buf_add(out, &plain, 1);
        }
    }
    return NULL;
}
