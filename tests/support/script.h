/* SPDX-License-Identifier: Apache-2.0
 *
 * The text scripts of the scripted server, parsed: one directive a line, see tests/README.md. Pure; any
 * thread.
 */
#ifndef TS_SCRIPT_H
#define TS_SCRIPT_H

#include "oracle.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ts_directive_kind {
    TS_DO_SEND,        /* > TEXT, >hex ..: text */
    TS_DO_INFO,        /* info {json}: text */
    TS_DO_EXPECT,      /* < OP ...: op, text = what is compared, name = as NAME, skip = <~ */
    TS_DO_EXPECT_RAW,  /* <raw TEXT */
    TS_DO_EXPECT_NONE, /* expect-none MS */
    TS_DO_ACCEPT,
    TS_DO_HANDSHAKE,
    TS_DO_USE,        /* use N: number */
    TS_DO_WAIT_CLOSE, /* number: ms, or 0 */
    TS_DO_CUT,
    TS_DO_RST,
    TS_DO_HALFCLOSE,
    TS_DO_STALL,     /* number: ms; -1: until proceed */
    TS_DO_SERVE,     /* number: ms; -1: until proceed */
    TS_DO_DRIBBLE,   /* number: bytes, second: ms, text */
    TS_DO_TIMES,     /* number: copies, text */
    TS_DO_LOOSE,     /* number: on */
    TS_DO_REPEAT,    /* number; target: the end */
    TS_DO_END,       /* target: the repeat */
    TS_DO_PONG_AUTO, /* number: on */
    TS_DO_ORACLE,    /* number: on */
    TS_DO_REFUSE,
    TS_DO_LISTEN,        /* number: on all addresses */
    TS_DO_EXPECT_NOBODY, /* number: ms */
    TS_DO_TIMEOUT,       /* number: ms */
    TS_DO_TLS,           /* text: options */
    TS_DO_HELLO,
    TS_DO_WIRE, /* text */
    TS_DO_HALF, /* text */
    TS_DO_NOTIFY,
    TS_DO_KEY_UPDATE,
    TS_DO_RENEGOTIATE,
    TS_DO_PLAIN /* number: bytes */
};

struct ts_directive {
    enum ts_directive_kind kind;
    int line;
    enum ts_op op;
    bool skip;
    char *text; /* escapes undone, ${..} still in it; len bytes and a NUL */
    size_t len;
    char *name;
    int64_t number;
    int64_t second;
    int target;
};

struct ts_script {
    struct ts_directive *at;
    int count;
};

/* False with "line N: what is wrong" in error. */
bool ts_script_parse(struct ts_script *script, const char *text, char *error, size_t cap);
void ts_script_free(struct ts_script *script);

#endif
