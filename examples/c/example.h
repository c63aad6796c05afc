/* What the examples share: ending with the library's own words when something goes wrong. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <natskit.h>

#include <stdio.h>
#include <stdlib.h>

static const natskit_options no_options = {0};
static const natskit_headers no_headers = {0};

static inline const char *server_url(void)
{
    const char *url = getenv("NATS_URL");
    return url != NULL ? url : "nats://127.0.0.1:4222";
}

/* Ends the program if `status` is not the expected one. */
static inline void expect(natskit_status expected, natskit_status status, const char *what)
{
    natskit_status_info info = {0};
    if (status == expected) {
        return;
    }
    natskit_status_describe(status, &info, sizeof info);
    fprintf(stderr, "%s: %s (%s)\n", what, info.name, info.text);
    exit(1);
}

static inline void check(natskit_status status, const char *what)
{
    expect(NATSKIT_OK, status, what);
}

static inline natskit_conn connect_or_exit(void)
{
    natskit_conn conn;
    natskit_error err = {0};
    if (natskit_connect(server_url(), NATSKIT_ZLEN, no_options, 5000, &conn, &err) != NATSKIT_OK) {
        fprintf(stderr, "connect: %s\n", err.text);
        exit(1);
    }
    return conn;
}

static inline natskit_sub subscribe_or_exit(natskit_conn conn, const char *subject, const char *queue)
{
    natskit_sub sub;
    natskit_error err = {0};
    if (natskit_subscribe(conn, subject, NATSKIT_ZLEN, queue, queue != NULL ? NATSKIT_ZLEN : 0, no_options,
                          &sub, &err) != NATSKIT_OK) {
        fprintf(stderr, "subscribe: %s\n", err.text);
        exit(1);
    }
    return sub;
}

static inline void publish_text(natskit_conn conn, const char *subject, const char *text)
{
    size_t len = 0;
    while (text[len] != '\0') {
        len++;
    }
    check(natskit_publish(conn, subject, NATSKIT_ZLEN, NULL, 0, no_headers, text, len, 1000), "publish");
}

static inline natskit_js jetstream_or_exit(natskit_conn conn)
{
    natskit_js js;
    natskit_error err = {0};
    if (natskit_js_open(conn, no_options, &js, &err) != NATSKIT_OK) {
        fprintf(stderr, "jetstream: %s\n", err.text);
        exit(1);
    }
    return js;
}

/* snippet: call */
/* Makes a call of the JetStream API; `args` is JSON. The answer has to be closed. */
static inline natskit_json js_call_or_exit(natskit_js js, const char *name, const char *args)
{
    natskit_json json, answer;
    natskit_error err = {0};
    if (natskit_json_parse(args, NATSKIT_ZLEN, &json, &err) != NATSKIT_OK ||
        natskit_js_call(js, name, NATSKIT_ZLEN, json, 5000, &answer, &err) != NATSKIT_OK) {
        fprintf(stderr, "%s: %s\n", name, err.text);
        exit(1);
    }
    natskit_json_close(json);
    return answer;
}

/* The same, of which the answer is not needed. */
static inline void js_do(natskit_js js, const char *name, const char *args)
{
    natskit_json_close(js_call_or_exit(js, name, args));
}
/* snippet end */

#endif
