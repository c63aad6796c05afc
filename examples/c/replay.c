/* A stream is read in its order: all that there is, the last message of each subject, and from a place on
 * what follows. Needs a server with JetStream. */
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

/* snippet: replay */
/* Options as names and values, up to a NULL. */
static natskit_sub read_with(natskit_js js, const char *const *pairs)
{
    natskit_options options;
    natskit_sub sub;
    check(natskit_options_open(NATSKIT_OPTIONS_ORDERED, &options), "options");
    for (; *pairs != NULL; pairs += 2) {
        check(natskit_options_set(options, pairs[0], NATSKIT_ZLEN, pairs[1], NATSKIT_ZLEN, &err), pairs[0]);
    }
    check(natskit_js_ordered(js, stream, NATSKIT_ZLEN, options, &sub, &err), "read");
    check(natskit_options_close(options), "close options");
    return sub;
}

static void show(const char *what, const natskit_msg *msg)
{
    natskit_message_view view;
    natskit_delivery_view place;
    check(natskit_msg_view(msg, &view, sizeof view), "view");
    check(natskit_msg_delivery(msg, &place, sizeof place), "place");
    const char *room = view.subject + strlen(stream) + 1;
    printf("%s: %llu, %.*s %.*s\n", what, (unsigned long long)place.stream_seq,
           (int)(view.subject_len - strlen(stream) - 1), room, (int)view.data_len, (const char *)view.data);
}

/* What there is. */
static void replay(natskit_js js, const char *what, const char *policy)
{
    natskit_msg *msg;
    natskit_status status;
    natskit_sub sub = read_with(js, (const char *const[]){"deliver_policy", policy, "ends", "true", NULL});
    while ((status = natskit_sub_next(sub, 5000, &msg)) == NATSKIT_OK) {
        show(what, msg);
        natskit_msg_release(msg);
    }
    expect(NATSKIT_END, status, "the end");
    expect(NATSKIT_MAX_REACHED, natskit_sub_reason(sub, &err), "its reason");
    check(natskit_sub_close(sub), "close");
}
/* snippet end */

/* From a place on, of one subject, and what follows. */
static void follow(natskit_js js)
{
    char hall[64];
    natskit_msg *msg;
    natskit_status_view told;
    (void)snprintf(hall, sizeof hall, "%s.hall", stream);
    natskit_sub sub =
        read_with(js, (const char *const[]){"subjects", hall, "deliver_policy", "by_start_sequence",
                                            "opt_start_seq", "3", "marker", "true", NULL});
    for (int count = 0; count < 3;) {
        check(natskit_sub_next(sub, 5000, &msg), "next");
        if (natskit_msg_status(msg, &told, sizeof told) == NATSKIT_OK) {
            printf("hall: that was all there was\n");
            store(js, "hall", "21.4");
        } else {
            show("hall", msg);
            count++;
        }
        natskit_msg_release(msg);
    }
    check(natskit_sub_close(sub), "close");
}

int main(void)
{
    char text[160];
    natskit_js js;
    natskit_conn conn = connect_or_exit();
    (void)snprintf(stream, sizeof stream, "example_%ld", (long)getpid());
    check(natskit_js_open(conn, no_options, &js, &err), "context");
    (void)snprintf(text, sizeof text,
                   "{\"config\":{\"name\":\"%s\",\"subjects\":[\"%s.*\"],\"storage\":\"memory\"}}", stream,
                   stream);
    js_do(js, "stream.create", text);

    store(js, "hall", "20.5");
    store(js, "attic", "31.0");
    store(js, "hall", "20.7");
    store(js, "hall", "21.0");
    replay(js, "all", "all");
    replay(js, "now", "last_per_subject");
    follow(js);

    (void)snprintf(text, sizeof text, "{\"stream\":\"%s\"}", stream);
    js_do(js, "stream.delete", text);
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
