/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of a client's frames, for the scripted server.
 * No locks: the owner's thread or under the owner's lock.
 */
#include "captured.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ts_buf copy(struct ts_slice slice)
{
    struct ts_buf buf = {0};
    ts_buf_add(&buf, slice.at, slice.len);
    return buf;
}

struct ts_captured *ts_captured_copy(const struct ts_frame *frame)
{
    struct ts_captured *c = ts_alloc(sizeof *c);
    *c = (struct ts_captured){
        .op = frame->op,
        .line = copy(frame->line),
        .subject = copy(frame->subject),
        .reply = copy(frame->reply),
        .queue = copy(frame->queue),
        .header = copy(frame->header),
        .payload = copy(frame->payload),
        .sid = frame->sid,
        .max = frame->max,
    };
    return c;
}

void ts_captured_free(struct ts_captured *frame)
{
    if (!frame) {
        return;
    }
    struct ts_buf *parts[] = {&frame->line,  &frame->subject, &frame->reply,
                              &frame->queue, &frame->header,  &frame->payload};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        ts_buf_free(parts[i]);
    }
    free(frame->name);
    free(frame);
}

bool ts_captured_field(const struct ts_captured *frame, const char *name, size_t name_len, struct ts_buf *out)
{
    const struct {
        const char *name;
        const struct ts_buf *text;
        uint64_t number;
    } fields[] = {
        {"subject", &frame->subject, 0},   {"reply", &frame->reply, 0},     {"queue", &frame->queue, 0},
        {"header", &frame->header, 0},     {"payload", &frame->payload, 0}, {"json", &frame->payload, 0},
        {"line", &frame->line, 0},         {"sid", NULL, frame->sid},       {"max", NULL, frame->max},
        {"len", NULL, frame->payload.len},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strlen(fields[i].name) != name_len || memcmp(fields[i].name, name, name_len) != 0) {
            continue;
        }
        if (fields[i].text) {
            ts_buf_add(out, fields[i].text->at, fields[i].text->len);
        } else {
            ts_buf_printf(out, "%llu", (unsigned long long)fields[i].number);
        }
        return true;
    }
    return false;
}

/* "-" stands for an absent value. */
static bool word_matches(const char *pattern, const struct ts_buf *value)
{
    if (strcmp(pattern, "-") == 0) {
        return value->len == 0;
    }
    return strlen(value->at) == value->len && fnmatch(pattern, value->at, 0) == 0;
}

/* SUBJECT-GLOB [@REPLY-GLOB] [~HEADER-TEXT] [=PAYLOAD], the last one with all that follows. */
static bool pub_matches(const struct ts_captured *frame, char *pattern)
{
    char *payload = *pattern == '=' ? pattern : strstr(pattern, " =");
    if (payload) {
        const char *text = payload + (*payload == ' ' ? 2 : 1);
        if (strlen(text) != frame->payload.len || memcmp(text, frame->payload.at, frame->payload.len) != 0) {
            return false;
        }
        *payload = '\0';
    }
    char *rest = NULL;
    for (char *word = strtok_r(pattern, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        bool good;
        if (*word == '@') {
            good = word_matches(word + 1, &frame->reply);
        } else if (*word == '~') {
            good = memmem(frame->header.at, frame->header.len, word + 1, strlen(word + 1)) != NULL;
        } else {
            good = word_matches(word, &frame->subject);
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

/* SUBJECT-GLOB [QUEUE-GLOB [SID]] or SID [MAX] */
static bool words_match(const struct ts_captured *frame, char *pattern)
{
    char sid[24], max[24];
    struct ts_buf sid_text = {.at = sid}, max_text = {.at = max};
    sid_text.len = (size_t)snprintf(sid, sizeof sid, "%llu", (unsigned long long)frame->sid);
    max_text.len = frame->max ? (size_t)snprintf(max, sizeof max, "%llu", (unsigned long long)frame->max) : 0;
    max[max_text.len] = '\0';
    const struct ts_buf *sub[] = {&frame->subject, &frame->queue, &sid_text};
    const struct ts_buf *unsub[] = {&sid_text, &max_text, NULL};
    const struct ts_buf **values = frame->op == TS_OP_SUB ? sub : unsub;
    char *rest = NULL;
    char *word = strtok_r(pattern, " ", &rest);
    for (int i = 0; word; i++, word = strtok_r(NULL, " ", &rest)) {
        if (i == 3 || !values[i] || !word_matches(word, values[i])) {
            return false;
        }
    }
    return true;
}

bool ts_captured_matches(const struct ts_captured *frame, enum ts_op op, const char *pattern)
{
    bool good = frame->op == op;
    char *own = ts_strdup(pattern + strspn(pattern, " "));
    if (good && *own) {
        if (op == TS_OP_CONNECT) {
            good = strstr(frame->payload.at, own) != NULL;
        } else if (op == TS_OP_PUB || op == TS_OP_HPUB) {
            good = pub_matches(frame, own);
        } else {
            good = words_match(frame, own);
        }
    }
    free(own);
    return good;
}
