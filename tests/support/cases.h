/* SPDX-License-Identifier: Apache-2.0
 *
 * The cases of tests/catalogue, read from their files: what the scripted server plays, the client's settings,
 * and what is expected. The language: tests/catalogue/README.md. Knows nothing of the library; one thread. */
#ifndef TS_CASES_H
#define TS_CASES_H

#include <stdbool.h>
#include <stdint.h>

struct ts_case_line {
    char *text;
    int number; /* in its file */
};

struct ts_case {
    char *id;
    char *title; /* "B1a a size of -5" */
    char file[64];
    int line;
    char *script;               /* of the scripted server */
    char *config;               /* lines of a real server's configuration, instead of a script, or "" */
    char *other_config;         /* those that the step reload puts in their place, or "" */
    struct ts_case_line *steps; /* settings and expectations, in their order */
    int step_count;
};

struct ts_case_list {
    struct ts_case *at;
    int count;
};

/* Reads defines.case and then each file in `names`, which ends with NULL, in `folder`. False with the faulty
 * line printed. */
bool ts_cases_read(struct ts_case_list *list, const char *folder, const char *const *names);
void ts_cases_free(struct ts_case_list *list);

#endif
