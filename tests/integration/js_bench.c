/* See js_bench.h. */
#include "js_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

natskit_js jb_open_with(natskit_conn conn, const char *option, const char *value)
{
    natskit_options options;
    natskit_js js;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_JETSTREAM, &options));
    assert_ok(natskit_options_set(options, option, Z, value, Z, NULL));
    assert_ok(natskit_js_open(conn, options, &js, NULL));
    assert_ok(natskit_options_close(options));
    return js;
}

natskit_js jb_open(natskit_conn conn)
{
    natskit_js js;
    assert_ok(natskit_js_open(conn, NO_OPTIONS, &js, NULL));
    return js;
}

__attribute__((format(printf, 1, 0))) static natskit_json parse(const char *format, va_list args)
{
    struct ts_buf text = {0};
    natskit_json json = NO_ARGS;
    natskit_error err = {0};
    ts_buf_vprintf(&text, format, args);
    for (size_t i = 0; i < text.len; i++) {
        text.at[i] = text.at[i] == '\'' ? '"' : text.at[i];
    }
    if (text.len > 0 && natskit_json_parse(text.at, text.len, &json, &err) != NATSKIT_OK) {
        fail_msg("%.*s: %s", (int)text.len, text.at, err.text);
    }
    ts_buf_free(&text);
    return json;
}

natskit_json jb_json(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    natskit_json json = parse(format, args);
    va_end(args);
    return json;
}

static natskit_status make(natskit_js js, const char *call, natskit_json args, natskit_json *answer,
                           natskit_error *err)
{
    memset(err, 0, sizeof *err);
    natskit_status status = natskit_js_call(js, call, Z, args, WAIT_MS, answer, err);
    if (args.id != 0) {
        assert_ok(natskit_json_close(args));
    }
    return status;
}

static natskit_json make_ok(natskit_js js, const char *call, natskit_json args)
{
    natskit_json answer;
    natskit_error err;
    natskit_status status = make(js, call, args, &answer, &err);
    if (status != NATSKIT_OK) {
        print_error("%s: %d, %s\n", call, err.err_code, err.text);
    }
    assert_ok(status);
    return answer;
}

natskit_json jb_call(natskit_js js, const char *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    natskit_json json = parse(format, args);
    va_end(args);
    return make_ok(js, call, json);
}

void jb_do(natskit_js js, const char *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    natskit_json json = parse(format, args);
    va_end(args);
    assert_ok(natskit_json_close(make_ok(js, call, json)));
}

natskit_error jb_fails(natskit_js js, natskit_status wanted, const char *call, const char *format, ...)
{
    va_list args;
    natskit_json answer;
    natskit_error err;
    va_start(args, format);
    natskit_json json = parse(format, args);
    va_end(args);
    natskit_status status = make(js, call, json, &answer, &err);
    if (status != wanted) {
        print_error("%s: %d, %s\n", call, err.err_code, err.text);
    }
    assert_status(status, wanted);
    assert_int_equal(answer.id, 0);
    assert_int_equal(err.status, wanted);
    assert_true(err.text[0] != '\0');
    return err;
}

natskit_op jb_start(natskit_js js, const char *call, const char *format, ...)
{
    va_list args;
    natskit_op op;
    va_start(args, format);
    natskit_json json = parse(format, args);
    va_end(args);
    assert_ok(natskit_js_call_start(js, call, Z, json, NO_OPTIONS, WAIT_MS, &op, NULL));
    if (json.id != 0) {
        assert_ok(natskit_json_close(json));
    }
    return op;
}

const char *jb_at(natskit_json json, const char *path)
{
    static char room[65536];
    size_t len = 0;
    room[0] = '\0';
    natskit_status status = natskit_json_text(json, path, Z, room, sizeof room - 1, &len, NULL);
    if (status != NATSKIT_OK) {
        len = 0;
    }
    room[len] = '\0';
    return room;
}

uint64_t jb_number(natskit_json json, const char *path)
{
    uint64_t number = 0;
    natskit_error err = {0};
    natskit_status status = natskit_json_get_uint(json, path, Z, &number, &err);
    if (status != NATSKIT_OK) {
        print_error("%s: %s\n", path, err.text);
    }
    assert_ok(status);
    return number;
}

size_t jb_size(natskit_json json, const char *path)
{
    size_t size = 0;
    assert_ok(natskit_json_size(json, path, Z, &size, NULL));
    return size;
}

void jb_assert_at(natskit_json json, const char *path, const char *text, const char *file, int line)
{
    char wanted[4096];
    (void)snprintf(wanted, sizeof wanted, "%s", text);
    for (char *c = wanted; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    const char *got = jb_at(json, path);
    if (strcmp(got, wanted) != 0) {
        print_error("%s is %s instead of %s in ", path, got, wanted);
        print_error("%s\n", jb_at(json, ""));
        _fail(file, line);
    }
}

static bool answers(void *arg)
{
    natskit_json answer;
    natskit_status status =
        natskit_js_call(*(natskit_js *)arg, "account.info", Z, NO_ARGS, 1000, &answer, NULL);
    return status == NATSKIT_OK && natskit_json_close(answer) == NATSKIT_OK;
}

void jb_wait_ready(natskit_js js)
{
    jb_wait(answers, &js);
}

void jb_wait(bool (*condition)(void *arg), void *arg)
{
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    bool met = condition(arg);
    while (!met && ts_now_ms() < end_ms) {
        ts_pause_ms(5);
        met = condition(arg);
    }
    assert_true(met);
}

void jb_wait_stalled(natskit_conn conn, natskit_sub sub, uint64_t less_than)
{
    natskit_sub_stats stats = {0};
    uint64_t came = UINT64_MAX;
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; stats.received != came || stats.received == 0;) {
        assert_true(ts_now_ms() < end_ms);
        came = stats.received;
        ts_pause_ms(300);
        assert_ok(natskit_flush(conn, WAIT_MS));
        assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    }
    assert_true(stats.received < less_than);
}
