/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of a client's frames, for the scripted server: to compare with a pattern and to answer with their
 * fields. No locks: the owner's thread or under the owner's lock.
 */
#ifndef TS_CAPTURED_H
#define TS_CAPTURED_H

#include "oracle.h"
#include "text.h"

struct ts_captured {
    enum ts_op op;
    struct ts_buf line;
    struct ts_buf subject;
    struct ts_buf reply;
    struct ts_buf queue;
    struct ts_buf header;
    struct ts_buf payload; /* of CONNECT: the JSON */
    uint64_t sid;
    uint64_t max;
    char *name; /* `as NAME` */
    struct ts_captured *next;
};

struct ts_captured *ts_captured_copy(const struct ts_frame *frame);
void ts_captured_free(struct ts_captured *frame);

/* Appends a field; false when there is none of that name. */
bool ts_captured_field(const struct ts_captured *frame, const char *name, size_t name_len,
                       struct ts_buf *out);

/* Compares with the pattern of `< OP PATTERN`. */
bool ts_captured_matches(const struct ts_captured *frame, enum ts_op op, const char *pattern);

#endif
