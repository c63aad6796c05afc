/* SPDX-License-Identifier: Apache-2.0
 *
 * The text scripts of the scripted server, parsed.
 * Pure; any thread.
 */
#include "script.h"

#include "text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NESTING = 8 };

struct parser {
    struct ts_script *script;
    int line;
    int open[MAX_NESTING]; /* indices of the repeats around */
    int depth;
    char *error;
    size_t cap;
};

static bool fault(const struct parser *p, const char *what, const char *value)
{
    snprintf(p->error, p->cap, "line %d: %s: %s", p->line, what, value);
    return false;
}

/* Cuts the next word off the front of the line. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t");
    char *end = word + strcspn(word, " \t");
    *line = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

/* Text with C escapes. A backslash as the last character means: no CRLF after it. */
static bool take_text(const struct parser *p, struct ts_directive *d, const char *text, bool crlf)
{
    size_t len = strlen(text);
    const char *why = NULL;
    size_t slashes = 0;
    while (slashes < len && text[len - 1 - slashes] == '\\') {
        slashes++;
    }
    if (crlf && slashes % 2) {
        len--;
        crlf = false;
    }
    d->text = ts_alloc(len + 3);
    long n = ts_unescape(text, len, d->text, &why);
    if (n < 0) {
        return fault(p, why, text);
    }
    d->len = (size_t)n;
    memcpy(d->text + d->len, "\r\n", crlf ? 2 : 0);
    d->len += crlf ? 2 : 0;
    d->text[d->len] = '\0';
    return true;
}

static bool take_hex(const struct parser *p, struct ts_directive *d, const char *text)
{
    size_t used = 0;
    d->text = ts_alloc(strlen(text) + 1);
    for (const char *at = text; *at;) {
        unsigned byte;
        if (*at == ' ') {
            at++;
        } else if (isxdigit((unsigned char)at[0]) && isxdigit((unsigned char)at[1]) &&
                   sscanf(at, "%2x", &byte) == 1) {
            d->text[used++] = (char)byte;
            at += 2;
        } else {
            return fault(p, "not pairs of hexadecimal digits", text);
        }
    }
    d->text[used] = '\0';
    d->len = used;
    return true;
}

static bool take_number(const struct parser *p, const char *word, int64_t *number)
{
    uint64_t value = 0;
    if (!ts_parse_size(word, &value) || value > INT64_MAX / 2) {
        return fault(p, "a number was expected", *word ? word : "(nothing)");
    }
    *number = (int64_t)value;
    return true;
}

static bool take_switch(const struct parser *p, const char *word, int64_t *number)
{
    *number = strcmp(word, "on") == 0;
    return *number || strcmp(word, "off") == 0 || fault(p, "on or off was expected", word);
}

/* Milliseconds, or "until ctl". */
static bool take_time(const struct parser *p, char *rest, int64_t *number)
{
    char *word = next_word(&rest);
    if (strcmp(word, "until") == 0) {
        *number = -1;
        word = next_word(&rest);
        return strcmp(word, "ctl") == 0 || fault(p, "only \"until ctl\" is known", word);
    }
    return take_number(p, word, number);
}

/* OP [PATTERN...] [as NAME] */
static bool take_expect(const struct parser *p, struct ts_directive *d, char *rest)
{
    const char *name = next_word(&rest);
    int op = 0;
    while (op < TS_OP_COUNT && strcmp(ts_op_name((enum ts_op)op), name) != 0) {
        op++;
    }
    if (op == TS_OP_COUNT) {
        return fault(p, "no operation of a client", name);
    }
    d->op = (enum ts_op)op;
    char *as = strncmp(rest, "as ", 3) == 0 ? rest : NULL;
    for (char *at = rest; (at = strstr(at, " as ")) != NULL; at++) {
        as = at; /* the last one: a payload may contain the word too */
    }
    if (as) {
        char *after = as + (as == rest ? 3 : 4);
        d->name = ts_strdup(next_word(&after));
        *as = '\0';
    }
    return take_text(p, d, rest, false);
}

static bool take_dribble(const struct parser *p, struct ts_directive *d, char *rest)
{
    if (!take_number(p, next_word(&rest), &d->number) || !take_number(p, next_word(&rest), &d->second)) {
        return false;
    }
    if (d->number == 0) {
        return fault(p, "dribble wants at least one byte at a time, not", "0");
    }
    return take_text(p, d, rest, true);
}

static bool take_repeat(struct parser *p, struct ts_directive *d, int self, char *rest)
{
    if (p->depth == MAX_NESTING) {
        return fault(p, "repeats are nested too deep", "8 at most");
    }
    p->open[p->depth++] = self;
    return take_number(p, next_word(&rest), &d->number);
}

static bool take_end(struct parser *p, struct ts_directive *d, int self)
{
    if (p->depth == 0) {
        return fault(p, "no repeat is open", "end");
    }
    d->target = p->open[--p->depth];
    p->script->at[d->target].target = self;
    return true;
}

static const struct {
    const char *name;
    enum ts_directive_kind kind;
} names[] = {
    {">", TS_DO_SEND},
    {">hex", TS_DO_SEND},
    {"info", TS_DO_INFO},
    {"<", TS_DO_EXPECT},
    {"<~", TS_DO_EXPECT},
    {"<raw", TS_DO_EXPECT_RAW},
    {"expect-none", TS_DO_EXPECT_NONE},
    {"accept", TS_DO_ACCEPT},
    {"handshake", TS_DO_HANDSHAKE},
    {"use", TS_DO_USE},
    {"wait-close", TS_DO_WAIT_CLOSE},
    {"cut", TS_DO_CUT},
    {"rst", TS_DO_RST},
    {"halfclose", TS_DO_HALFCLOSE},
    {"stall", TS_DO_STALL},
    {"serve", TS_DO_SERVE},
    {"dribble", TS_DO_DRIBBLE},
    {"times", TS_DO_TIMES},
    {"loose", TS_DO_LOOSE},
    {"repeat", TS_DO_REPEAT},
    {"end", TS_DO_END},
    {"pong-auto", TS_DO_PONG_AUTO},
    {"oracle", TS_DO_ORACLE},
    {"refuse", TS_DO_REFUSE},
    {"listen", TS_DO_LISTEN},
    {"expect-nobody", TS_DO_EXPECT_NOBODY},
    {"timeout", TS_DO_TIMEOUT},
    {"tls", TS_DO_TLS},
    {"hello", TS_DO_HELLO},
    {"wire", TS_DO_WIRE},
    {"half", TS_DO_HALF},
    {"notify", TS_DO_NOTIFY},
    {"key-update", TS_DO_KEY_UPDATE},
    {"renegotiate", TS_DO_RENEGOTIATE},
    {"plain", TS_DO_PLAIN},
};

static bool take_arguments(struct parser *p, struct ts_directive *d, int self, const char *name, char *rest)
{
    switch (d->kind) {
    case TS_DO_SEND:
        return name[1] ? take_hex(p, d, rest) : take_text(p, d, rest, true);
    case TS_DO_INFO:
        d->text = ts_strdup(rest + strspn(rest, " "));
        d->len = strlen(d->text);
        return true;
    case TS_DO_EXPECT:
        d->skip = name[1] == '~';
        return take_expect(p, d, rest);
    case TS_DO_EXPECT_RAW:
    case TS_DO_WIRE:
    case TS_DO_HALF:
        return take_text(p, d, rest, true);
    case TS_DO_TLS:
        return take_text(p, d, rest, false);
    case TS_DO_LISTEN:
        d->number = strcmp(rest, "all") == 0;
        return d->number || *rest == '\0' || fault(p, "listen, or listen all", rest);
    case TS_DO_EXPECT_NONE:
    case TS_DO_EXPECT_NOBODY:
    case TS_DO_USE:
    case TS_DO_TIMEOUT:
    case TS_DO_PLAIN:
        return take_number(p, next_word(&rest), &d->number);
    case TS_DO_WAIT_CLOSE:
        return *rest == '\0' || take_number(p, next_word(&rest), &d->number);
    case TS_DO_STALL:
    case TS_DO_SERVE:
        return take_time(p, rest, &d->number);
    case TS_DO_DRIBBLE:
        return take_dribble(p, d, rest);
    case TS_DO_TIMES:
        return take_number(p, next_word(&rest), &d->number) && take_text(p, d, rest, false);
    case TS_DO_REPEAT:
        return take_repeat(p, d, self, rest);
    case TS_DO_END:
        return take_end(p, d, self);
    case TS_DO_PONG_AUTO:
    case TS_DO_LOOSE:
    case TS_DO_ORACLE:
        return take_switch(p, next_word(&rest), &d->number);
    default:
        return *rest == '\0' || fault(p, "takes no arguments", name);
    }
}

static bool parse_line(struct parser *p, char *line)
{
    struct ts_script *s = p->script;
    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#') {
        return true;
    }
    const char *name = next_word(&line);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, name) == 0) {
            int self = s->count++;
            s->at = ts_realloc(s->at, (size_t)s->count * sizeof *s->at);
            s->at[self] = (struct ts_directive){.kind = names[i].kind, .line = p->line};
            return take_arguments(p, &s->at[self], self, name, line);
        }
    }
    return fault(p, "unknown directive", name);
}

bool ts_script_parse(struct ts_script *script, const char *text, char *error, size_t cap)
{
    struct parser p = {.script = script, .error = error, .cap = cap};
    bool good = true;
    *script = (struct ts_script){0};
    while (good && *text) {
        size_t len = strcspn(text, "\n");
        size_t cut = len && text[len - 1] == '\r' ? len - 1 : len;
        char *line = ts_alloc(cut + 1);
        memcpy(line, text, cut);
        line[cut] = '\0';
        p.line++;
        good = parse_line(&p, line);
        free(line);
        text += len + (text[len] == '\n');
    }
    if (good && p.depth) {
        p.line = script->at[p.open[p.depth - 1]].line;
        good = fault(&p, "a repeat without its end", "repeat");
    }
    if (!good) {
        ts_script_free(script);
    }
    return good;
}

void ts_script_free(struct ts_script *script)
{
    for (int i = 0; i < script->count; i++) {
        free(script->at[i].text);
        free(script->at[i].name);
    }
    free(script->at);
    *script = (struct ts_script){0};
}
