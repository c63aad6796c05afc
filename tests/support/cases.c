/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader of the catalogue's case files. A file is lines: "case ID TITLE" begins a case, "define NAME" a
 * block that a line "@NAME" stands for, "| TEXT" is a line of the server's script, "% TEXT" and "%2 TEXT" one
 * of a real server's configuration, anything else a step of the client. */
#include "cases.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEFINES = 64, MAX_LINE = 1024, MAX_NESTING = 4 };

struct define {
    char *name;
    struct ts_case_line *lines;
    int count;
};

struct reader {
    struct ts_case_list *list;
    struct define defines[MAX_DEFINES];
    int define_count;
    struct define *open; /* the define that lines go to, or NULL */
    char file[64];
    int line;
};

static bool fault(const struct reader *r, const char *what, const char *value)
{
    fprintf(stderr, "%s:%d: %s: %s\n", r->file, r->line, what, value);
    return false;
}

static void add_line(struct ts_case_line **lines, int *count, const char *text, int number)
{
    *lines = ts_realloc(*lines, (size_t)(*count + 1) * sizeof **lines);
    (*lines)[(*count)++] = (struct ts_case_line){ts_strdup(text), number};
}

static void add_text(char **all, const char *text)
{
    size_t old = strlen(*all);
    text += *text == ' ';
    size_t len = strlen(text);
    *all = ts_realloc(*all, old + len + 2);
    memcpy(*all + old, text, len);
    memcpy(*all + old + len, "\n", 2);
}

static const struct define *find_define(const struct reader *r, const char *name)
{
    for (int i = 0; i < r->define_count; i++) {
        if (strcmp(r->defines[i].name, name) == 0) {
            return &r->defines[i];
        }
    }
    return NULL;
}

static bool take_line(struct reader *r, const char *line, int depth)
{
    struct ts_case *c = r->list->count > 0 ? &r->list->at[r->list->count - 1] : NULL;
    if (c == NULL) {
        return fault(r, "no case has begun", line);
    }
    if (*line == '|') {
        add_text(&c->script, line + 1);
        return true;
    }
    if (*line == '%') {
        bool other = line[1] == '2';
        add_text(other ? &c->other_config : &c->config, line + 1 + other);
        return true;
    }
    if (*line != '@') {
        add_line(&c->steps, &c->step_count, line, r->line);
        return true;
    }
    const struct define *define = find_define(r, line + 1);
    if (define == NULL || depth == MAX_NESTING) {
        return fault(r, "no such define, or nested too deep", line);
    }
    bool good = true;
    for (int i = 0; good && i < define->count; i++) {
        good = take_line(r, define->lines[i].text, depth + 1);
    }
    return good;
}

static bool begin_case(struct reader *r, const char *title)
{
    struct ts_case_list *list = r->list;
    size_t id_len = strcspn(title, " ");
    list->at = ts_realloc(list->at, (size_t)(list->count + 1) * sizeof *list->at);
    struct ts_case *c = &list->at[list->count++];
    *c = (struct ts_case){.title = ts_strdup(title), .line = r->line, .script = ts_strdup("")};
    c->config = ts_strdup("");
    c->other_config = ts_strdup("");
    c->id = ts_strdup(title);
    c->id[id_len] = '\0';
    memcpy(c->file, r->file, sizeof c->file);
    r->open = NULL;
    for (int i = 0; i < list->count - 1; i++) {
        if (strcmp(list->at[i].id, c->id) == 0) {
            return fault(r, "there is such a case already", c->id);
        }
    }
    return title[id_len] != '\0' || fault(r, "a case wants an id and a title", title);
}

static bool begin_define(struct reader *r, const char *name)
{
    if (r->define_count == MAX_DEFINES || find_define(r, name) != NULL) {
        return fault(r, "too many defines, or this one twice", name);
    }
    r->open = &r->defines[r->define_count++];
    *r->open = (struct define){.name = ts_strdup(name)};
    return true;
}

static bool read_line(struct reader *r, char *line)
{
    line[strcspn(line, "\r\n")] = '\0';
    r->line++;
    if (*line == '\0' || *line == '#') {
        return true;
    }
    if (strncmp(line, "case ", 5) == 0) {
        return begin_case(r, line + 5);
    }
    if (strncmp(line, "define ", 7) == 0) {
        return begin_define(r, line + 7);
    }
    if (r->open != NULL) {
        add_line(&r->open->lines, &r->open->count, line, r->line);
        return true;
    }
    return take_line(r, line, 0);
}

static bool read_file(struct reader *r, const char *folder, const char *name)
{
    char path[512];
    char line[MAX_LINE];
    bool good = true;
    snprintf(path, sizeof path, "%s/%s.case", folder, name);
    snprintf(r->file, sizeof r->file, "%s.case", name);
    r->line = 0;
    r->open = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return fault(r, "cannot be opened", path);
    }
    while (good && fgets(line, sizeof line, file) != NULL) {
        good = (strchr(line, '\n') != NULL || fault(r, "a line that is too long, or without an end", line)) &&
               read_line(r, line);
    }
    (void)fclose(file);
    return good;
}

static void free_lines(struct ts_case_line *lines, int count)
{
    for (int i = 0; i < count; i++) {
        free(lines[i].text);
    }
    free(lines);
}

bool ts_cases_read(struct ts_case_list *list, const char *folder, const char *const *names)
{
    struct reader r = {.list = list};
    *list = (struct ts_case_list){0};
    bool good = read_file(&r, folder, "defines");
    for (; good && *names != NULL; names++) {
        good = read_file(&r, folder, *names);
    }
    for (int i = 0; i < r.define_count; i++) {
        free(r.defines[i].name);
        free_lines(r.defines[i].lines, r.defines[i].count);
    }
    if (!good) {
        ts_cases_free(list);
    }
    return good;
}

void ts_cases_free(struct ts_case_list *list)
{
    for (int i = 0; i < list->count; i++) {
        struct ts_case *c = &list->at[i];
        free(c->id);
        free(c->title);
        free(c->script);
        free(c->config);
        free(c->other_config);
        free_lines(c->steps, c->step_count);
    }
    free(list->at);
    *list = (struct ts_case_list){0};
}
