/* What the parts of the player of cases (tests/catalogue) share: catalogue_test.c plays, catalogue_access.c
 * has the steps about servers, TLS and credentials. Used from the main thread. */
#ifndef TESTS_INTEGRATION_CATALOGUE_H
#define TESTS_INTEGRATION_CATALOGUE_H

#include "bench.h"

#include "support/cases.h"
#include "support/scripted.h"

#include <pthread.h>

#define STEP_MS INT64_C(15000)    /* for what should come at once */
#define PATIENCE_MS INT64_C(1000) /* ... when something is expected to fail */

enum { SUBS_MAX = 4, ANSWERS_MAX = 4 };

/* What the case that runs has opened; the teardown closes it. */
struct catalogue {
    const struct ts_case *played;
    const struct ts_case_line *step;
    char *text;   /* of the step */
    bool without; /* the lines `with` are left out, and the case has to fail */
    jmp_buf failed;
    struct ts_scripted *server;
    struct ts_server *real; /* or this one, often with a tap before it */
    struct ts_tap *tap;
    natskit_options options;
    int64_t deadline_ms;
    int64_t step_ms;
    uint64_t memory;
    char url[1024];
    bool tried; /* to connect */
    natskit_conn conn;
    natskit_conn second;
    natskit_sub events;
    natskit_sub subs[SUBS_MAX];
    char names[SUBS_MAX][16];
    int sub_count;
    int current;
    natskit_msg *msg;
    char *answers[ANSWERS_MAX]; /* "user alice" */
    int answer_count;
    int answer_mode;
    bool answers_given; /* by the thread, from the subscription */
    pthread_t answerer;
    natskit_sub asked;
    natskit_sub unanswered;
};
extern struct catalogue run;

/* Each step has its number of words; what follows them is one text. */
struct step {
    const char *name;
    int words;
    bool alone; /* does not want a connection */
    void (*play)(char **words, const char *rest);
};
extern const struct step access_steps[];

void wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void want_status(natskit_status got, const char *wanted, const char *text);
void want_number(uint64_t got, const char *wanted);
void want_text(const char *text, size_t len, const char *wanted);
void want_in_time(int64_t begin_ms, int64_t deadline_ms);
void want_bytes(const void *got, size_t len, const char *escaped);

/* Nothing that the library says may hold a secret. */
void want_no_secret(const char *text, size_t len);

/* Connects by the settings of the case: in the ordinary way, or with answers to what the library asks. */
natskit_status connect_by(const char *url, natskit_conn *conn, natskit_error *err);

void end_answers(void);

/* The server of the case, and its url. */
void begin_server(void);
void end_server(bool *good);
void end_servers(void);
uint16_t server_port(void);
const char *case_url(void);

#endif
