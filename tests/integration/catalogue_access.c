/* The player of cases: real servers, the wallet, and the steps about TLS, credentials and what the connection
 * tells of itself. A real server is kept for the next case with the same configuration. */
#include "catalogue.h"

#include "support/wallet.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER, ANSWER_LATE, ANSWER_NEVER };

static struct {
    struct ts_server *server;
    char *config;
    bool spoiled; /* by the case: the next one wants another */
} kept;

/* -- servers ----------------------------------------------------------------------------------------------
 */

static bool is_real(void)
{
    return run.played->config[0] != '\0';
}

static void drop_kept(void)
{
    ts_server_free(kept.server);
    free(kept.config);
    memset(&kept, 0, sizeof kept);
}

static void begin_real(void)
{
    char *config = ts_wallet_expand(ts_wallet(), run.played->config);
    if (config == NULL) {
        wrong("the configuration names what is not there");
    }
    if (kept.server == NULL || kept.spoiled || strcmp(kept.config, config) != 0) {
        drop_kept();
        kept.server = ts_server_start(&(struct ts_server_opts){.extra = config, .no_jetstream = true});
        kept.config = config;
        if (kept.server == NULL) {
            wrong("the server did not start");
        }
    } else {
        free(config);
    }
    run.real = kept.server;
    /* what is inside of TLS the tap cannot read */
    if (strstr(kept.config, "tls") == NULL) {
        run.tap = ts_tap_start(ts_server_url(run.real));
        if (run.tap == NULL) {
            wrong("the tap did not start");
        }
    }
}

void begin_server(void)
{
    if (is_real() && ts_server_program() == NULL) {
        skip();
    } else if (is_real()) {
        begin_real();
        return;
    }
    run.server = ts_scripted_start(run.played->script);
    if (run.server == NULL) {
        wrong("the script is not valid");
    }
}

void end_server(bool *good)
{
    if (run.tap != NULL) {
        *good = ts_tap_stop(run.tap) == 0 && *good;
        run.tap = NULL;
    }
    if (run.server != NULL) {
        *good = ts_scripted_stop(run.server) && *good;
        run.server = NULL;
    }
}

void end_servers(void)
{
    drop_kept();
}

uint16_t server_port(void)
{
    return run.tap != NULL    ? ts_tap_port(run.tap)
           : run.real != NULL ? ts_server_port(run.real)
                              : ts_scripted_port(run.server);
}

const char *case_url(void)
{
    if (run.url[0] == '\0') {
        snprintf(run.url, sizeof run.url, "nats://127.0.0.1:%u", server_port());
    }
    return run.url[0] == '-' ? "" : run.url;
}

/* -- secrets ----------------------------------------------------------------------------------------------
 */

void want_no_secret(const char *text, size_t len)
{
    const char *secret;
    for (size_t i = 0; (secret = ts_wallet_secret(i)) != NULL; i++) {
        if (len > 0 && memmem(text, len, secret, strlen(secret)) != NULL) {
            wrong("a secret is told: %.8s...", secret);
        }
    }
}

/* -- connecting with answers ------------------------------------------------------------------------------
 */

#ifdef NATSKIT_EVENT_AUTH_NEEDED
static natskit_status give_answer(natskit_conn conn, uint64_t request)
{
    natskit_options options = {0};
    natskit_status status = natskit_options_open(NATSKIT_OPTIONS_AUTH, &options);
    for (int i = 0; status == NATSKIT_OK && i < run.answer_count; i++) {
        size_t len = strcspn(run.answers[i], " ");
        status = natskit_options_set(options, run.answers[i], len, run.answers[i] + len + 1, Z, NULL);
    }
    if (status == NATSKIT_OK) {
        status = natskit_conn_answer_auth(conn, request, options, NULL);
    }
    (void)natskit_options_close(options);
    return status;
}

/* What the thread that answers works on; constant while it runs. */
static struct answering {
    natskit_conn conn;
    natskit_sub asked;
} answering;

/* A thread: answers until the events end. What is late is answered when the connection was made without it.
 */
static void *answer_all(void *arg)
{
    const struct answering *with = arg;
    natskit_conn conn = with->conn;
    natskit_sub asked = with->asked;
    natskit_event_view view;
    natskit_msg *msg;
    uint64_t late = 0;
    while (natskit_sub_next(asked, -1, &msg) == NATSKIT_OK) {
        if (natskit_msg_event(msg, &view, sizeof view) != NATSKIT_OK) {
            abort();
        }
        if (view.type == NATSKIT_EVENT_AUTH_NEEDED && run.answer_mode == ANSWER) {
            if (give_answer(conn, view.request) != NATSKIT_OK) {
                print_error("an answer was not taken\n");
            }
        } else if (view.type == NATSKIT_EVENT_AUTH_NEEDED && run.answer_mode == ANSWER_LATE) {
            late = view.request;
        } else if (view.type == NATSKIT_EVENT_CONNECTED && late != 0) {
            if (give_answer(conn, late) == NATSKIT_OK) {
                print_error("a late answer was taken\n");
                abort();
            }
        }
        (void)natskit_msg_release(msg);
    }
    return NULL;
}

static natskit_status connect_answering(const char *url, natskit_conn *conn, natskit_error *err)
{
    natskit_options answers = {0};
    natskit_sub asked = {0};
    natskit_op op = {0};
    pthread_t thread;
    int32_t outcome;
    natskit_status status = natskit_connect_start(url, Z, run.options, run.deadline_ms, conn, &op, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (natskit_options_open(NATSKIT_OPTIONS_EVENTS, &answers) != NATSKIT_OK ||
        natskit_options_set(answers, "answers", Z, "true", Z, NULL) != NATSKIT_OK ||
        natskit_conn_events(*conn, answers, &asked, NULL) != NATSKIT_OK) {
        wrong("no events that can be answered");
    }
    answering = (struct answering){*conn, asked};
    if (pthread_create(&thread, NULL, answer_all, &answering) != 0) {
        wrong("no thread that answers");
    }
    (void)natskit_options_close(answers);
    (void)natskit_op_wait(op, run.deadline_ms);
    status = natskit_op_result(op, &outcome, err);
    (void)natskit_op_close(op);
    if (status != NATSKIT_OK) {
        (void)natskit_conn_close(*conn, 0);
        *conn = (natskit_conn){0};
    }
    run.asked = asked;
    run.answerer = thread;
    run.answers_given = true;
    return status;
}

void end_answers(void)
{
    if (run.answers_given) {
        (void)natskit_sub_close(run.asked);
        pthread_join(run.answerer, NULL);
        run.answers_given = false;
    }
}
#else
static natskit_status connect_answering(const char *url, natskit_conn *conn, natskit_error *err)
{
    return natskit_connect(url, Z, run.options, run.deadline_ms, conn, err);
}

void end_answers(void) {}
#endif

natskit_status connect_by(const char *url, natskit_conn *conn, natskit_error *err)
{
    if (run.answer_count == 0 && run.answer_mode == ANSWER) {
        return natskit_connect(url, Z, run.options, run.deadline_ms, conn, err);
    }
    return connect_answering(url, conn, err);
}

/* ask OPTION VALUE: the answer to each question. ask late: too late. ask nothing. */
static void step_ask(char **words, const char *rest)
{
    if (strcmp(words[0], "late") == 0 || strcmp(words[0], "nothing") == 0) {
        run.answer_mode = words[0][0] == 'l' ? ANSWER_LATE : ANSWER_NEVER;
        return;
    }
    if (run.answer_count == ANSWERS_MAX) {
        wrong("too many answers");
    }
    struct ts_buf answer = {0};
    ts_buf_printf(&answer, "%s %s", words[0], rest);
    run.answers[run.answer_count++] = answer.at;
}

/* Events that are to be answered, and that nobody answers. */
static void step_answering(char **words, const char *rest)
{
    natskit_options options = {0};
    (void)words;
    (void)rest;
    want_status(natskit_options_open(NATSKIT_OPTIONS_EVENTS, &options), "OK", "");
    want_status(natskit_options_set(options, "answers", Z, "true", Z, NULL), "OK", "");
    want_status(natskit_conn_events(run.conn, options, &run.unanswered, NULL), "OK", "");
    (void)natskit_options_close(options);
}

/* -- what is done to servers and files --------------------------------------------------------------------
 */

/* wallet user NAME SECONDS, wallet copy FROM NAME, wallet remove NAME */
static void step_wallet(char **words, const char *rest)
{
    bool good = false;
    if (strcmp(words[0], "user") == 0) {
        good = ts_wallet_user(ts_wallet(), words[1], strtoll(rest, NULL, 10));
    } else if (strcmp(words[0], "copy") == 0) {
        good = ts_wallet_copy(ts_wallet(), words[1], rest);
    } else if (strcmp(words[0], "remove") == 0) {
        good = ts_wallet_copy(ts_wallet(), NULL, words[1]);
    }
    if (!good) {
        wrong("the wallet refuses it");
    }
}

static void step_reload(char **words, const char *rest)
{
    (void)words;
    (void)rest;
    struct ts_buf config = {0};
    char *lines = ts_wallet_expand(ts_wallet(), run.played->other_config);
    if (lines == NULL || run.real == NULL) {
        wrong("there is nothing to reload");
    }
    ts_buf_printf(&config, "listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\n%s", lines);
    kept.spoiled = true;
    bool good = ts_server_reload(run.real, config.at);
    ts_buf_free(&config);
    free(lines);
    if (!good) {
        wrong("the server did not take it");
    }
}

/* The server's script comes to its end. */
static void step_script(char **words, const char *rest)
{
    (void)words;
    (void)rest;
    if (!ts_scripted_wait(run.server, run.step_ms)) {
        wrong("it did not");
    }
}

/* -- what the client does ---------------------------------------------------------------------------------
 */

static void step_reconnect(char **words, const char *rest)
{
    natskit_error err = {0};
    (void)words;
    (void)rest;
    want_status(natskit_conn_reconnect(run.conn, &err), "OK", err.text);
}

/* A further connection of the same kind, which stays. */
static void step_second(char **words, const char *rest)
{
    natskit_error err = {0};
    natskit_status status = natskit_connect(case_url(), Z, run.options, run.step_ms, &run.second, &err);
    want_status(status, words[0], err.text);
    want_text(err.text, strlen(err.text), rest);
}

static void step_second_ends(char **words, const char *rest)
{
    (void)words;
    (void)rest;
    want_status(natskit_conn_close(run.second, 0), "OK", "");
}

static void step_publish_to(char **words, const char *rest)
{
    (void)rest;
    want_status(natskit_publish(run.conn, words[0], Z, NULL, 0, NO_HEADERS, "data", 4, run.step_ms), words[1],
                "");
}

/* request-to SUBJECT STATUS MS */
static void step_request_to(char **words, const char *rest)
{
    int64_t begin = ts_now_ms();
    natskit_error err = {0};
    natskit_msg *reply;
    natskit_status status =
        natskit_request(run.conn, words[0], Z, NO_HEADERS, "data", 4, atoll(rest), &reply, &err);
    (void)natskit_msg_release(reply);
    want_status(status, words[1], err.text);
    want_in_time(begin, atoll(rest));
}

/* Publishes so many messages of 32 KiB, of which each has to be taken at once. */
static void step_publish_many(char **words, const char *rest)
{
    static const char data[32768];
    (void)rest;
    for (int i = 0; i < atoi(words[0]); i++) {
        want_status(natskit_publish(run.conn, "y", Z, NULL, 0, NO_HEADERS, data, sizeof data, 0), "OK", "");
    }
}

/* -- what the connection tells ----------------------------------------------------------------------------
 */

static void show(char *text, size_t cap, const natskit_conn_info *info, const char *name)
{
    if (strcmp(name, "epoch") == 0) {
        snprintf(text, cap, "%llu", (unsigned long long)info->epoch);
    } else if (strcmp(name, "url") == 0) {
        snprintf(text, cap, "%s", info->url);
#ifdef NATSKIT_EVENT_AUTH_NEEDED
    } else if (strcmp(name, "tls") == 0) {
        snprintf(text, cap, "%s", info->tls ? "true" : "false");
    } else if (strcmp(name, "tls_insecure") == 0) {
        snprintf(text, cap, "%s", info->tls_insecure ? "true" : "false");
    } else if (strcmp(name, "tls_version") == 0) {
        snprintf(text, cap, "%s", info->tls_version);
    } else if (strcmp(name, "tls_cipher") == 0) {
        snprintf(text, cap, "%s", info->tls_cipher);
#endif
    } else {
        wrong("no such field");
    }
}

/* info FIELD VALUE: ~ before the value looks for it within */
static void step_info(char **words, const char *rest)
{
    natskit_conn_info info;
    char text[300];
    want_status(natskit_conn_info_get(run.conn, &info, sizeof info), "OK", "");
    want_no_secret(info.url, strlen(info.url));
    want_no_secret(info.reason_text, strlen(info.reason_text));
    show(text, sizeof text, &info, words[0]);
    if (*rest == '~' ? strstr(text, rest + 1) == NULL : strcmp(text, rest) != 0) {
        wrong("it is \"%s\"", text);
    }
}

/* The last event is about this server. */
static void step_server(char **words, const char *rest)
{
    natskit_event_view view;
    (void)words;
    want_status(natskit_msg_event(run.msg, &view, sizeof view), "OK", "no event was taken");
    want_text(view.server, view.server_len, rest);
}

const struct step access_steps[] = {
    {"ask", 1, true, step_ask},
    {"answering", 0, false, step_answering},
    {"wallet", 2, true, step_wallet},
    {"reload", 0, true, step_reload},
    {"script", 0, false, step_script},
    {"reconnect", 0, false, step_reconnect},
    {"second", 1, false, step_second},
    {"second-ends", 0, false, step_second_ends},
    {"publish-to", 2, false, step_publish_to},
    {"request-to", 2, false, step_request_to},
    {"publish-many", 1, false, step_publish_many},
    {"info", 1, false, step_info},
    {"server", 0, false, step_server},
    {NULL, 0, false, NULL},
};
