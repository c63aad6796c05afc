/* Stored messages without a consumer: one, a page of a stream, and the last message of each subject. Needs a
 * server with JetStream, from 2.11 on. */
#include "example.h"

#include <string.h>
#include <unistd.h>

static natskit_error err;
static char stream[32]; /* one of its own for each run */

static void store(natskit_js js, const char *room, const char *reading)
{
    char subject[64];
    (void)snprintf(subject, sizeof subject, "%s.%s", stream, room);
    check(natskit_js_publish(js, subject, NATSKIT_ZLEN, no_headers, reading, strlen(reading), 2000, NULL,
                             NULL, &err),
          "publish");
}

/* snippet: one */
/* Gives the reference back. */
static void show(const char *what, natskit_msg *msg)
{
    natskit_stored_view view;
    check(natskit_msg_stored(msg, &view, sizeof view), "view");
    const char *room = view.subject + strlen(stream) + 1;
    printf("%s: %llu, %.*s %.*s\n", what, (unsigned long long)view.seq,
           (int)(view.subject_len - strlen(stream) - 1), room, (int)view.data_len, (const char *)view.data);
    natskit_msg_release(msg);
}

/* snippet end */
/* snippet: page */
/* Shows what comes; MAX_REACHED says that it is all. */
static void show_all(const char *what, natskit_sub sub)
{
    natskit_msg *msg;
    natskit_status status;
    while ((status = natskit_sub_next(sub, 5000, &msg)) == NATSKIT_OK) {
        show(what, msg);
    }
    expect(NATSKIT_END, status, "the end");
    expect(NATSKIT_MAX_REACHED, natskit_sub_reason(sub, &err), "its reason");
    check(natskit_sub_close(sub), "close");
}

/* snippet end */
int main(void)
{
    char text[200];
    natskit_msg *msg;
    natskit_sub sub;
    natskit_options options;
    natskit_conn conn = connect_or_exit();
    natskit_js js = jetstream_or_exit(conn);
    (void)snprintf(stream, sizeof stream, "example_%ld", (long)getpid());
    (void)snprintf(text, sizeof text,
                   "{\"config\":{\"name\":\"%s\",\"subjects\":[\"%s.*\"],\"storage\":\"memory\","
                   "\"allow_direct\":true}}",
                   stream, stream);
    js_do(js, "stream.create", text);
    store(js, "hall", "20.5");
    store(js, "attic", "31.0");
    store(js, "hall", "20.7");
    store(js, "hall", "21.0");

    /* snippet: one */
    /* One, by its sequence, and the last one of a subject. */
    check(natskit_js_get_msg(js, stream, NATSKIT_ZLEN, 2, NULL, 0, 0, 0, 2000, &msg, &err), "get");
    show("second", msg);
    (void)snprintf(text, sizeof text, "%s.hall", stream);
    check(natskit_js_get_msg(js, stream, NATSKIT_ZLEN, 0, text, NATSKIT_ZLEN, 0, 0, 2000, &msg, &err), "get");
    show("hall", msg);
    /* snippet end */

    /* snippet: page */
    /* Two messages from the second on. */
    check(natskit_options_open(NATSKIT_OPTIONS_GET_BATCH, &options), "options");
    check(natskit_options_set_int(options, "seq", NATSKIT_ZLEN, 2, &err), "seq");
    check(natskit_options_set_int(options, "batch", NATSKIT_ZLEN, 2, &err), "batch");
    check(natskit_js_get_batch(js, stream, NATSKIT_ZLEN, options, &sub, &err), "get a batch");
    check(natskit_options_close(options), "close options");
    show_all("page", sub);
    /* snippet end */

    /* snippet: last */
    /* The last message of each subject: the state that they make up. */
    check(natskit_js_get_last(js, stream, NATSKIT_ZLEN, no_options, &sub, &err), "get the last");
    show_all("now", sub);
    /* snippet end */

    (void)snprintf(text, sizeof text, "{\"stream\":\"%s\"}", stream);
    js_do(js, "stream.delete", text);
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
