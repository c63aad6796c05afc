/* The catalogue of bad inputs and faults (tests/catalogue) over sockets: a scripted server plays each case,
 * and what the library makes of it is compared with what the case expects. Meanwhile a second thread looks at
 * how much memory the library holds. With arguments only the cases whose ids begin with one of them are
 * played. */
#include "catalogue.h"

#include "support/wallet.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLACK_MS INT64_C(10000)
#else
#define SLACK_MS INT64_C(2000) /* that a busy machine adds to a deadline */
#endif
#define MEMORY_KIB UINT64_C(1024) /* over the start, if the case says nothing else */

enum { FILL_BYTES = 32768, WORDS_MAX = 5 };

static const char *const files[] = {"a", "b", "c", "d", "g", "h", "auth", "options", NULL};

struct catalogue run;

/* The second thread. */
static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    bool runs;
    uint64_t start;
    uint64_t peak;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t allocated(void)
{
    natskit_counters counters;
    return natskit_counters_get(&counters, sizeof counters) == NATSKIT_OK ? counters.allocated_bytes : 0;
}

static void *watch_memory(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&watch.lock);
    while (!watch.stop) {
        uint64_t now = allocated();
        watch.peak = now > watch.peak ? now : watch.peak;
        int64_t next = ts_now_ns() + 500000;
        struct timespec at = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
        pthread_cond_timedwait(&watch.changed, &watch.lock, &at);
    }
    pthread_mutex_unlock(&watch.lock);
    return NULL;
}

static void begin_watching(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&watch.changed, &attr);
    pthread_condattr_destroy(&attr);
    watch.stop = false;
    watch.start = watch.peak = allocated();
    watch.runs = pthread_create(&watch.thread, NULL, watch_memory, NULL) == 0;
    assert_true(watch.runs);
}

static void end_watching(void)
{
    if (watch.runs) {
        pthread_mutex_lock(&watch.lock);
        watch.stop = true;
        pthread_cond_broadcast(&watch.changed);
        pthread_mutex_unlock(&watch.lock);
        pthread_join(watch.thread, NULL);
        pthread_cond_destroy(&watch.changed);
        watch.runs = false;
    }
}

/* -- telling what went wrong ----------------------------------------------------------------------------- */

void wrong(const char *format, ...)
{
    char what[800];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (run.without) {
        longjmp(run.failed, 1); /* as it has to be */
    }
    const char *server = run.server != NULL ? ts_scripted_error(run.server) : NULL;
    print_error("case %s (%s:%d): \"%s\": %s%s%s\n", run.played->id, run.played->file, run.played->line,
                run.step != NULL ? run.step->text : "at the end", what,
                server != NULL ? "; the server: " : "", server != NULL ? server : "");
    _fail(__FILE__, __LINE__);
    abort(); /* not reached */
}

static const char *status_name(natskit_status status)
{
    natskit_status_info info;
    return natskit_status_describe(status, &info, sizeof info) == NATSKIT_OK ? info.name : "no status";
}

void want_status(natskit_status got, const char *wanted, const char *text)
{
    const char *name = status_name(got);
    want_no_secret(text, strlen(text));
    size_t len = strlen(name);
    for (const char *at = wanted; *at != '\0'; at += strcspn(at, "|"), at += *at == '|') {
        if (strcspn(at, "|") == len && memcmp(at, name, len) == 0) {
            return;
        }
    }
    wrong("%s came instead of %s: %s", name, wanted, text);
}

void want_number(uint64_t got, const char *wanted)
{
    if (got != strtoull(wanted, NULL, 10)) {
        wrong("%llu came", (unsigned long long)got);
    }
}

void want_bytes(const void *got, size_t len, const char *escaped)
{
    char wanted[1024];
    char shown[600];
    const char *why = "";
    long wanted_len = ts_unescape(escaped, strlen(escaped), wanted, &why);
    if (wanted_len < 0) {
        wrong("not a text: %s", why);
    }
    if ((size_t)wanted_len != len || (len > 0 && memcmp(wanted, got, len) != 0)) {
        wrong("\"%s\" came", ts_printable(shown, sizeof shown, got, len));
    }
}

void want_in_time(int64_t begin_ms, int64_t deadline_ms)
{
    int64_t took = ts_now_ms() - begin_ms;
    if (took > deadline_ms + SLACK_MS) {
        wrong("took %lld ms", (long long)took);
    }
}

/* -- connecting -------------------------------------------------------------------------------------------
 */

static natskit_status try_to_connect(natskit_error *err)
{
    int64_t begin = ts_now_ms();
    run.tried = true;
    natskit_status status = connect_by(case_url(), &run.conn, err);
    want_in_time(begin, run.deadline_ms);
    return status;
}

static void add_sub(const char *subject, const char *max)
{
    natskit_options options = {0};
    assert_true(run.sub_count < SUBS_MAX && strlen(subject) < sizeof run.names[0]);
    if (*max != '\0') {
        assert_ok(natskit_options_open(NATSKIT_OPTIONS_SUBSCRIBE, &options));
        assert_ok(natskit_options_set(options, "max_msgs", Z, max, Z, NULL));
    }
    natskit_sub *sub = &run.subs[run.sub_count];
    natskit_status status = natskit_subscribe(run.conn, subject, Z, NULL, 0, options, sub, NULL);
    (void)natskit_options_close(options);
    want_status(status, "OK", "");
    snprintf(run.names[run.sub_count], sizeof run.names[0], "%s", subject);
    run.current = run.sub_count++;
}

static void be_connected(void)
{
    natskit_error err = {0};
    if (!run.tried) {
        natskit_status status = try_to_connect(&err);
        want_status(status, "OK", err.text);
        want_status(natskit_conn_events(run.conn, NO_OPTIONS, &run.events, NULL), "OK", "");
        add_sub("x", "");
    }
}

static natskit_conn_info info_now(void)
{
    natskit_conn_info info;
    want_status(natskit_conn_info_get(run.conn, &info, sizeof info), "OK", "");
    return info;
}

static natskit_conn_stats stats_now(void)
{
    natskit_conn_stats stats;
    want_status(natskit_conn_stats_get(run.conn, &stats, sizeof stats), "OK", "");
    return stats;
}

/* -- settings ---------------------------------------------------------------------------------------------
 */

static void step_set(char **words, const char *rest)
{
    natskit_error err = {0};
    bool list = strcmp(words[0], "servers") == 0;
    natskit_status status = list ? natskit_options_add(run.options, words[0], Z, rest, Z, &err)
                                 : natskit_options_set(run.options, words[0], Z, rest, Z, &err);
    want_status(status, "OK", err.text);
}

/* What the case is about: it is played again without this line, and has to fail then. */
static void step_with(char **words, const char *rest)
{
    if (!run.without) {
        step_set(words, rest);
    }
}

/* rejects OPTION VALUE: the option is not taken. */
static void step_rejects(char **words, const char *rest)
{
    natskit_error err = {0};
    natskit_status status = natskit_options_set(run.options, words[0], Z, rest, Z, &err);
    want_status(status, "INVALID|CREDENTIALS", err.text);
}

static void step_deadline(char **words, const char *rest)
{
    (void)rest;
    run.deadline_ms = atoll(words[0]);
}

static void step_memory(char **words, const char *rest)
{
    (void)rest;
    run.memory = strtoull(words[0], NULL, 10) * 1024;
}

/* @ after a colon stands for the server's port, - alone for no url at all. */
static void step_url(char **words, const char *rest)
{
    size_t at = 0;
    (void)words;
    for (; *rest != '\0' && at + 8 < sizeof run.url; rest++) {
        if (*rest == '@' && at > 0 && run.url[at - 1] == ':') {
            at += (size_t)snprintf(run.url + at, 8, "%u", server_port());
        } else {
            run.url[at++] = *rest;
        }
    }
    run.url[at] = '\0';
}

/* -- expectations: the connection -------------------------------------------------------------------------
 */

void want_text(const char *text, size_t len, const char *wanted)
{
    char shown[600];
    want_no_secret(text, len);
    if (*wanted == '~' && memmem(text, len, wanted + 1, strlen(wanted + 1)) == NULL) {
        wrong("the text is \"%s\"", ts_printable(shown, sizeof shown, text, len));
    }
}

static void step_fails(char **words, const char *rest)
{
    natskit_error err = {0};
    natskit_status status = try_to_connect(&err);
    want_status(status, words[0], err.text);
    want_text(err.text, strlen(err.text), rest);
    if (err.text[0] == '\0' || err.status != status || run.conn.id != 0) {
        wrong("it left a connection, or does not tell why: \"%s\"", err.text);
    }
}

static int32_t event_type(const char *name)
{
    static const char *const names[] = {"connected",   "disconnected", "reconnecting",  "reconnected",
                                        "servers",     "lame_duck",    "slow_consumer", "async_error",
                                        "stale",       "closed",       "ping",          "forced_reconnect",
                                        "delay_needed"};
    for (int32_t i = 0; i < (int32_t)(sizeof names / sizeof *names); i++) {
        if (strcmp(names[i], name) == 0) {
            return i + 1;
        }
    }
    wrong("no event of that name");
}

/* event TYPE [STATUS [~TEXT]] */
static void step_event(char **words, const char *rest)
{
    int32_t type = event_type(words[0]);
    natskit_event_view view = {0};
    natskit_msg *msg;
    int64_t end = ts_now_ms() + run.step_ms; /* of all of them: there may be no end to them */
    for (;;) {
        int64_t left = end - ts_now_ms();
        natskit_status status = natskit_sub_next(run.events, left > 0 ? left : 0, &msg);
        want_status(status, "OK", "no such event");
        want_status(natskit_msg_event(msg, &view, sizeof view), "OK", "");
        want_no_secret(view.text, view.text_len);
        want_no_secret(view.server, view.server_len);
        if (view.type == type) {
            break;
        }
        (void)natskit_msg_release(msg);
    }
    (void)natskit_msg_release(run.msg);
    run.msg = msg;
    if (words[1] != NULL) {
        char text[200];
        want_status(view.status, words[1], ts_printable(text, sizeof text, view.text, view.text_len));
    }
    want_text(view.text, view.text_len, rest);
}

static natskit_event_view last_event(void)
{
    natskit_event_view view;
    want_status(natskit_msg_event(run.msg, &view, sizeof view), "OK", "no event was taken");
    return view;
}

static void step_count(char **words, const char *rest)
{
    (void)rest;
    want_number(last_event().count, words[0]);
}

static void step_about(char **words, const char *rest)
{
    natskit_event_view view = last_event();
    (void)words;
    want_bytes(view.subject, view.subject_len, rest);
}

static void step_closed(char **words, const char *rest)
{
    natskit_msg *msg;
    char *event[] = {(char[]){"closed"}, words[0]};
    step_event(event, rest);
    want_status(natskit_sub_next(run.events, run.step_ms, &msg), "END", "");
    want_status(natskit_sub_next(run.subs[0], run.step_ms, &msg), "END", "");
}

static void step_reconnects(char **words, const char *rest)
{
    (void)rest;
    want_number(stats_now().reconnects, words[0]);
}

static void step_orphans(char **words, const char *rest)
{
    (void)rest;
    want_number(stats_now().orphan_msgs, words[0]);
}

static void step_max_payload(char **words, const char *rest)
{
    (void)rest;
    want_number((uint64_t)info_now().max_payload, words[0]);
}

/* -- expectations: messages -------------------------------------------------------------------------------
 */

static void step_subscribe(char **words, const char *rest)
{
    add_sub(words[0], rest);
}

static void step_unsubscribe(char **words, const char *rest)
{
    (void)words;
    (void)rest;
    want_status(natskit_sub_unsubscribe(run.subs[run.current], 0), "OK", "");
}

static void step_on(char **words, const char *rest)
{
    (void)rest;
    for (int i = 0; i < run.sub_count; i++) {
        if (strcmp(run.names[i], words[0]) == 0) {
            run.current = i;
            return;
        }
    }
    wrong("there is no such subscription");
}

static natskit_message_view take(void)
{
    (void)natskit_msg_release(run.msg);
    run.msg = NULL;
    natskit_status status = natskit_sub_next(run.subs[run.current], run.step_ms, &run.msg);
    want_status(status, "OK", "no message");
    natskit_message_view view;
    want_status(natskit_msg_view(run.msg, &view, sizeof view), "OK", "");
    return view;
}

static natskit_message_view last_message(void)
{
    natskit_message_view view;
    want_status(natskit_msg_view(run.msg, &view, sizeof view), "OK", "no message was taken");
    return view;
}

static void step_message(char **words, const char *rest)
{
    (void)words;
    natskit_message_view view = take();
    want_bytes(view.data, view.data_len, rest);
}

/* A script sends the probe by itself; with a real server the client does. */
static void step_probe(char **words, const char *rest)
{
    if (run.real != NULL) {
        want_status(natskit_publish(run.conn, "x", Z, NULL, 0, NO_HEADERS, "probe", 5, run.step_ms), "OK",
                    "");
    }
    (void)rest;
    step_message(words, "probe");
}

static void step_bytes(char **words, const char *rest)
{
    (void)rest;
    want_number(take().data_len, words[0]);
}

static void step_ends(char **words, const char *rest)
{
    natskit_msg *msg = NULL;
    natskit_sub_stats stats;
    (void)rest;
    want_status(natskit_sub_next(run.subs[run.current], run.step_ms, &msg), "END", "");
    want_status(natskit_sub_stats_get(run.subs[run.current], &stats, sizeof stats), "OK", "");
    want_status(stats.reason, words[0], "");
}

static void step_subject(char **words, const char *rest)
{
    natskit_message_view view = last_message();
    (void)words;
    want_bytes(view.subject, view.subject_len, rest);
}

static void step_reply(char **words, const char *rest)
{
    natskit_message_view view = last_message();
    (void)words;
    want_bytes(view.reply, view.reply_len, rest);
}

static void step_code(char **words, const char *rest)
{
    natskit_message_view view = last_message();
    want_number((uint64_t)view.status_code, words[0]);
    want_bytes(view.description, view.description_len, rest);
}

static void step_headers(char **words, const char *rest)
{
    const char *name;
    const char *value;
    size_t name_len;
    size_t value_len;
    uint64_t count = 0;
    (void)rest;
    while (natskit_msg_header_at(run.msg, count, &name, &name_len, &value, &value_len) == NATSKIT_OK) {
        count++;
    }
    want_number(count, words[0]);
}

/* header INDEX NAME VALUE: the INDEX-th, counted from 1, in the order of the block. */
static void step_header(char **words, const char *rest)
{
    const char *name;
    const char *value;
    size_t name_len;
    size_t value_len;
    size_t index = strtoul(words[0], NULL, 10) - 1;
    natskit_status status = natskit_msg_header_at(run.msg, index, &name, &name_len, &value, &value_len);
    want_status(status, "OK", "");
    want_bytes(name, name_len, words[1]);
    want_bytes(value, value_len, rest);
}

/* -- what the client does ---------------------------------------------------------------------------------
 */

static void step_publish(char **words, const char *rest)
{
    natskit_headers headers = {0};
    natskit_error err = {0};
    if (strcmp(rest, "headers") == 0) {
        want_status(natskit_headers_open(&headers), "OK", "");
        want_status(natskit_headers_add(headers, "A", Z, "b", Z, &err), "OK", err.text);
    }
    natskit_status status = natskit_publish(run.conn, "y", Z, NULL, 0, headers, "data", 4, run.step_ms);
    (void)natskit_headers_close(headers);
    want_status(status, words[0], "");
}

static void step_flush(char **words, const char *rest)
{
    int64_t begin = ts_now_ms();
    (void)rest;
    natskit_status status = natskit_flush(run.conn, atoll(words[1]));
    want_in_time(begin, atoll(words[1]));
    want_status(status, words[0], "");
}

static void step_request(char **words, const char *rest)
{
    int64_t begin = ts_now_ms();
    natskit_error err = {0};
    natskit_msg *reply;
    (void)rest;
    natskit_status status =
        natskit_request(run.conn, "service", Z, NO_HEADERS, "data", 4, atoll(words[1]), &reply, &err);
    want_in_time(begin, atoll(words[1]));
    (void)natskit_msg_release(reply);
    want_status(status, words[0], err.text);
}

/* Publishes until a publish is refused, each with this deadline. */
static void step_fill(char **words, const char *rest)
{
    static const char data[FILL_BYTES];
    natskit_status status = NATSKIT_OK;
    int64_t begin = 0;
    int64_t end = ts_now_ms() + STEP_MS;
    (void)rest;
    while (status == NATSKIT_OK && ts_now_ms() < end) {
        begin = ts_now_ms();
        status = natskit_publish(run.conn, "y", Z, NULL, 0, NO_HEADERS, data, sizeof data, atoll(words[1]));
    }
    want_in_time(begin, atoll(words[1]));
    want_status(status, words[0], "");
}

static void step_proceed(char **words, const char *rest)
{
    (void)words;
    (void)rest;
    ts_scripted_proceed(run.server);
}

/* -- playing a case ---------------------------------------------------------------------------------------
 */

static const struct step steps[] = {
    {"set", 1, true, step_set},
    {"with", 1, true, step_with},
    {"rejects", 1, true, step_rejects},
    {"deadline", 1, true, step_deadline},
    {"memory", 1, true, step_memory},
    {"url", 0, true, step_url},
    {"fails", 1, true, step_fails},
    {"event", 2, false, step_event},
    {"count", 1, false, step_count},
    {"about", 0, false, step_about},
    {"closed", 1, false, step_closed},
    {"reconnects", 1, false, step_reconnects},
    {"orphans", 1, false, step_orphans},
    {"max-payload", 1, false, step_max_payload},
    {"subscribe", 1, false, step_subscribe},
    {"unsubscribe", 0, false, step_unsubscribe},
    {"on", 1, false, step_on},
    {"message", 0, false, step_message},
    {"probe", 0, false, step_probe},
    {"bytes", 1, false, step_bytes},
    {"ends", 1, false, step_ends},
    {"subject", 0, false, step_subject},
    {"reply", 0, false, step_reply},
    {"code", 1, false, step_code},
    {"headers", 1, false, step_headers},
    {"header", 2, false, step_header},
    {"publish", 1, false, step_publish},
    {"flush", 2, false, step_flush},
    {"request", 2, false, step_request},
    {"fill", 2, false, step_fill},
    {"proceed", 0, false, step_proceed},
    {NULL, 0, false, NULL},
};

static const struct step *find_step(const struct step *step, const char *name)
{
    while (step->name != NULL && strcmp(step->name, name) != 0) {
        step++;
    }
    return step->name != NULL ? step : NULL;
}

/* What ${wallet}, ${text NAME} and ${port} stand for. */
static char *expand(const char *text)
{
    char *known = ts_wallet_expand(ts_wallet(), text);
    struct ts_buf out = {0};
    if (known == NULL) {
        wrong("it names what is not in the wallet");
    }
    const char *at = known;
    for (const char *mark; (mark = strstr(at, "${port}")) != NULL; at = mark + 7) {
        ts_buf_printf(&out, "%.*s%u", (int)(mark - at), at, server_port());
    }
    ts_buf_printf(&out, "%s", at);
    free(known);
    return out.at;
}

static void play_step(const struct ts_case_line *line)
{
    char *words[WORDS_MAX] = {NULL};
    run.step = line;
    free(run.text);
    run.text = NULL;
    run.text = strstr(line->text, "${") != NULL ? expand(line->text) : ts_strdup(line->text);
    char *rest = run.text;
    const char *name = strsep(&rest, " ");
    const struct step *step = find_step(steps, name);
    step = step != NULL ? step : find_step(access_steps, name);
    if (step == NULL) {
        wrong("an unknown step");
    }
    for (int i = 0; i < step->words; i++) {
        words[i] = rest != NULL ? strsep(&rest, " ") : NULL;
    }
    if (step->words > 0 && words[0] == NULL) {
        wrong("a word is missing");
    }
    if (!step->alone) {
        be_connected();
    }
    char empty[] = "";
    step->play(words, rest != NULL ? rest : empty);
}

/* In each case connecting fails, or a probe arrives, or the closed event tells why. */
static bool has_end(const struct ts_case *played)
{
    bool has = false;
    for (int i = 0; i < played->step_count; i++) {
        const char *text = played->steps[i].text;
        has = has || strncmp(text, "fails ", 6) == 0 || strcmp(text, "probe") == 0 ||
              strncmp(text, "closed ", 7) == 0 || strcmp(text, "script") == 0;
    }
    return has;
}

static void close_all(void)
{
    (void)natskit_msg_release(run.msg);
    run.msg = NULL;
    (void)natskit_conn_close(run.conn, 0);
    (void)natskit_conn_close(run.second, 0);
    end_answers();
    (void)natskit_sub_close(run.unanswered);
    (void)natskit_sub_close(run.events);
    for (int i = 0; i < run.sub_count; i++) {
        (void)natskit_sub_close(run.subs[i]);
    }
    (void)natskit_options_close(run.options);
}

static bool has_with(const struct ts_case *played)
{
    bool has = false;
    for (int i = 0; i < played->step_count; i++) {
        has = has || strncmp(played->steps[i].text, "with ", 5) == 0;
    }
    return has;
}

static void begin(const struct ts_case *played, bool without)
{
    memset(&run, 0, sizeof run);
    run.played = played;
    run.step_ms = without ? PATIENCE_MS : STEP_MS;
    run.deadline_ms = run.step_ms;
    run.memory = MEMORY_KIB * 1024;
    if (!has_end(played)) {
        wrong("a case has one of fails, probe, closed, script");
    }
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &run.options));
    begin_server();
}

static void play_steps(void)
{
    for (int i = 0; i < run.played->step_count; i++) {
        play_step(&run.played->steps[i]);
    }
    run.step = NULL;
}

static void play(void **state)
{
    begin(*state, false);
    begin_watching();
    play_steps();
    close_all();
    end_watching();
    if (watch.peak - watch.start > run.memory) {
        wrong("%llu KiB of memory, allowed are %llu", (unsigned long long)(watch.peak - watch.start) / 1024,
              (unsigned long long)run.memory / 1024);
    }
    if (run.server != NULL && !ts_scripted_wait(run.server, STEP_MS)) {
        wrong("the server's script did not succeed");
    }
}

/* The case fails without the lines `with`: it says something about them. */
static void play_without(void **state)
{
    begin(*state, true);
    run.without = true;
    if (setjmp(run.failed) == 0) {
        play_steps();
        if (run.server == NULL || ts_scripted_wait(run.server, PATIENCE_MS)) {
            run.without = false;
        }
    }
    if (!run.without) {
        wrong("it succeeds without the option, too");
    }
}

static int objects_left(void)
{
    natskit_counters now;
    (void)natskit_counters_get(&now, sizeof now);
    return (int)(now.conns + now.subs + now.ops + now.options + now.headers + now.msgs);
}

static int clean_up(void **state)
{
    (void)state;
    int64_t end = ts_now_ms() + STEP_MS;
    bool good = true;
    end_watching();
    close_all();
    free(run.text);
    for (int i = 0; i < run.answer_count; i++) {
        free(run.answers[i]);
    }
    end_server(&good);
    good = good || run.without;
    while (objects_left() > 0 && ts_now_ms() < end) { /* closing goes on in the library's thread */
        ts_pause_ms(1);
    }
    if (objects_left() > 0) {
        print_error("case %s: %d objects are left\n", run.played->id, objects_left());
        good = false;
    }
    return good ? 0 : 1;
}

static bool is_asked_for(const struct ts_case *one, int argc, char **argv)
{
    bool asked = argc == 1;
    for (int i = 1; i < argc; i++) {
        asked = asked || strncmp(one->id, argv[i], strlen(argv[i])) == 0;
    }
    return asked;
}

/* Is it proved elsewhere, since the language of the cases has no words for it? */
static bool is_proved_elsewhere(const char *option)
{
    static const char *const options[] = {
        "resolve",     /* cluster_test.c: a name with several addresses is not on every machine */
        "ws_headers",  /* websocket_test.c: the scripted server does not speak HTTP */
        "trace_lines", /* test_dump.py, dump_spec.lua: nothing fails without a trace, it is empty */
    };
    bool found = false;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        found = found || strcmp(option, options[i]) == 0;
    }
    return found;
}

/* Each option of a connection is named by a case that fails without it. */
static void test_each_option_has_a_case(void **state)
{
    const struct ts_case_list *list = *state;
    natskit_option_info info;
    char line[100];
    int missing = 0;
    for (size_t i = 0; natskit_option_at(NATSKIT_OPTIONS_CONNECT, i, &info, sizeof info) == NATSKIT_OK; i++) {
        bool found = is_proved_elsewhere(info.name);
        int len = snprintf(line, sizeof line, "with %s ", info.name);
        for (int k = 0; k < list->count; k++) {
            for (int n = 0; n < list->at[k].step_count; n++) {
                found = found || strncmp(list->at[k].steps[n].text, line, (size_t)len) == 0;
            }
        }
        if (!found) {
            print_error("no case fails without the option %s\n", info.name);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

int main(int argc, char **argv)
{
    struct ts_case_list list;
    if (!ts_cases_read(&list, NKI_TEST_DIR "/catalogue", files) || ts_wallet() == NULL) {
        return 1;
    }
    struct CMUnitTest *tests = ts_alloc(((size_t)list.count * 2 + 1) * sizeof *tests);
    size_t count = 0;
    for (int i = 0; i < list.count; i++) {
        if (is_asked_for(&list.at[i], argc, argv)) {
            tests[count++] = (struct CMUnitTest){list.at[i].title, play, NULL, clean_up, &list.at[i]};
            if (has_with(&list.at[i])) {
                tests[count++] =
                    (struct CMUnitTest){list.at[i].id, play_without, NULL, clean_up, &list.at[i]};
            }
        }
    }
    if (argc == 1) {
        tests[count++] = (struct CMUnitTest){"options", test_each_option_has_a_case, NULL, NULL, &list};
    }
    int failed = _cmocka_run_group_tests("catalogue", tests, count, NULL, bench_check_clean);
    end_servers();
    free(tests);
    ts_cases_free(&list);
    return failed;
}
