/* A push consumer: two workers share its messages, which it delivers by itself and which they ack. Then the
 * stream is saved, deleted and restored, a message is traced, and the server tells of the stream's end. Needs
 * a server with JetStream. */
#include "example.h"

#include <string.h>

enum { JOBS = 20, CHUNKS_MAX = 64 };

static natskit_error err;

/* snippet: share */
static natskit_sub subscribe_worker(natskit_js js)
{
    natskit_options options;
    natskit_sub sub;
    check(natskit_options_open(NATSKIT_OPTIONS_PUSH, &options), "options");
    check(natskit_options_set(options, "queue", NATSKIT_ZLEN, "workers", NATSKIT_ZLEN, &err), "queue");
    natskit_status status = natskit_js_subscribe(js, "push.c.*", NATSKIT_ZLEN, options, 5000, &sub, &err);
    if (status != NATSKIT_OK) {
        fprintf(stderr, "subscribe: %s\n", err.text);
    }
    check(status, "subscribe");
    check(natskit_options_close(options), "close options");
    return sub;
}

/* Each job is done by one of them. */
static void share(natskit_js js)
{
    natskit_sub workers[2] = {subscribe_worker(js), subscribe_worker(js)};
    unsigned done[2] = {0, 0};
    for (int i = 0; i < JOBS; i++) {
        check(natskit_js_publish(js, "push.c.job", NATSKIT_ZLEN, no_headers, "x", 1, 2000, NULL, NULL, &err),
              "publish");
    }
    while (done[0] + done[1] < JOBS) {
        for (int i = 0; i < 2; i++) {
            natskit_msg *msg;
            if (natskit_sub_next(workers[i], 20, &msg) == NATSKIT_OK) {
                check(natskit_msg_ack(msg), "ack");
                check(natskit_msg_release(msg), "release");
                done[i]++;
            }
        }
    }
    printf("shared: %u jobs done once\n", done[0] + done[1]);
    natskit_push_info info;
    check(natskit_sub_push_info(workers[1], &info, sizeof info), "info");
    printf("consumer: %s of %s\n", info.consumer, info.stream);
    for (int i = 0; i < 2; i++) {
        check(natskit_sub_close(workers[i]), "close");
    }
}
/* snippet end */

/* snippet: save */
struct backup {
    natskit_json answer; /* config and state */
    natskit_msg *chunks[CHUNKS_MAX];
    size_t count;
};

static void save(natskit_js js, struct backup *backup)
{
    natskit_json args;
    natskit_sub sub;
    natskit_status status;
    check(natskit_json_parse("{\"stream\":\"PUSH_C\"}", NATSKIT_ZLEN, &args, &err), "arguments");
    check(natskit_js_snapshot(js, args, 5000, &sub, &backup->answer, &err), "snapshot");
    check(natskit_json_close(args), "close arguments");
    backup->count = 0;
    while (backup->count < CHUNKS_MAX &&
           (status = natskit_sub_next(sub, 5000, &backup->chunks[backup->count])) == NATSKIT_OK) {
        backup->count++;
    }
    expect(NATSKIT_SENTINEL, natskit_sub_reason(sub, &err), "the whole snapshot");
    check(natskit_sub_close(sub), "close");
    printf("saved: %s\n", backup->count > 0 ? "all chunks" : "nothing");
}
/* snippet end */

/* snippet: restore */
static void restore(natskit_js js, struct backup *backup)
{
    natskit_json args, answer, info;
    uint64_t messages = 0;
    char subject[256];
    size_t len;
    /* Under another name: the server may still be busy with what it has deleted. */
    check(natskit_json_parse("{\"stream\":\"PUSH_C_BACK\"}", NATSKIT_ZLEN, &args, &err), "arguments");
    check(natskit_json_set_json(args, "/config", NATSKIT_ZLEN, backup->answer, "/config", NATSKIT_ZLEN, &err),
          "config");
    check(natskit_json_set_string(args, "/config/name", NATSKIT_ZLEN, "PUSH_C_BACK", NATSKIT_ZLEN, &err),
          "name");
    check(natskit_json_set_json(args, "/state", NATSKIT_ZLEN, backup->answer, "/state", NATSKIT_ZLEN, &err),
          "state");
    check(natskit_js_call(js, "stream.restore", NATSKIT_ZLEN, args, 5000, &answer, &err), "restore");
    check(natskit_json_get_string(answer, "/deliver_subject", NATSKIT_ZLEN, subject, sizeof subject, &len,
                                  &err),
          "subject");
    check(natskit_json_close(answer), "close answer");
    check(natskit_json_close(args), "close arguments");
    for (size_t i = 0; i < backup->count; i++) {
        natskit_message_view view;
        check(natskit_msg_view(backup->chunks[i], &view, sizeof view), "chunk");
        check(natskit_js_restore_chunk(js, subject, len, view.data, view.data_len, 5000, NULL, &err),
              "chunk");
        check(natskit_msg_release(backup->chunks[i]), "release chunk");
    }
    /* An empty one ends it, and is answered with what the stream is then. */
    check(natskit_js_restore_chunk(js, subject, len, NULL, 0, 5000, &info, &err), "end");
    check(natskit_json_get_uint(info, "/state/messages", NATSKIT_ZLEN, &messages, &err), "messages");
    printf("restored: %llu messages\n", (unsigned long long)messages);
    check(natskit_json_close(info), "close info");
    check(natskit_json_close(backup->answer), "close state");
}
/* snippet end */

/* snippet: trace */
/* The data of a message as JSON. */
static natskit_json take_json(natskit_sub sub)
{
    natskit_msg *msg;
    natskit_message_view view;
    natskit_json json;
    check(natskit_sub_next(sub, 5000, &msg), "next");
    check(natskit_msg_view(msg, &view, sizeof view), "view");
    check(natskit_json_parse(view.data, view.data_len, &json, &err), "data");
    natskit_msg_release(msg);
    return json;
}

/* What servers say about a message's way, without delivering it. */
static void trace(natskit_conn conn)
{
    char inbox[64] = ""; /* what is copied has no NUL of its own */
    char type[16];
    size_t len;
    natskit_headers headers;
    natskit_json events, tree;
    uint64_t missing;
    check(natskit_conn_new_inbox(conn, inbox, sizeof inbox, &len), "inbox");
    natskit_sub told = subscribe_or_exit(conn, inbox, NULL);
    check(natskit_headers_open(&headers), "headers");
    check(natskit_headers_add(headers, NATSKIT_HEADER_TRACE_DEST, NATSKIT_ZLEN, inbox, len, &err), "header");
    check(natskit_headers_add(headers, NATSKIT_HEADER_TRACE_ONLY, NATSKIT_ZLEN, "true", 4, &err), "header");
    check(natskit_publish(conn, "push.c.job", NATSKIT_ZLEN, NULL, 0, headers, "x", 1, 1000), "publish");
    check(natskit_json_open(NATSKIT_JSON_ARRAY, &events), "events");
    do {
        natskit_json event = take_json(told);
        check(natskit_json_set_json(events, "/-", NATSKIT_ZLEN, event, "", 0, &err), "event");
        check(natskit_trace_tree(events, &tree, &err), "tree");
        check(natskit_json_get_uint(tree, "/missing", NATSKIT_ZLEN, &missing, &err), "missing");
        check(natskit_json_get_string(tree, "/trace/events/0/type", NATSKIT_ZLEN, type, sizeof type, &len,
                                      &err),
              "type");
        natskit_json_close(event);
        natskit_json_close(tree);
    } while (missing > 0);
    printf("trace: %.*s\n", (int)len, type);
    natskit_json_close(events);
    natskit_headers_close(headers);
    natskit_sub_close(told);
}
/* snippet end */

/* snippet: advisories */
/* Deletes the stream, and hears of it from the server. */
static void end(natskit_conn conn, natskit_js js)
{
    char stream[64] = "", action[16];
    size_t stream_len, action_len;
    natskit_sub advisories = subscribe_or_exit(conn, NATSKIT_ADVISORIES, NULL);
    js_do(js, "stream.delete", "{\"stream\":\"PUSH_C_BACK\"}");
    for (int found = 0; !found;) {
        natskit_json advisory = take_json(advisories);
        found = natskit_json_get_string(advisory, "/stream", NATSKIT_ZLEN, stream, sizeof stream, &stream_len,
                                        &err) == NATSKIT_OK &&
                natskit_json_get_string(advisory, "/action", NATSKIT_ZLEN, action, sizeof action, &action_len,
                                        &err) == NATSKIT_OK &&
                stream_len == 11 && memcmp(stream, "PUSH_C_BACK", 11) == 0;
        natskit_json_close(advisory);
    }
    printf("advisory: %.*s\n", (int)action_len, action);
    natskit_sub_close(advisories);
}
/* snippet end */

int main(void)
{
    struct backup backup;
    natskit_conn conn = connect_or_exit();
    natskit_js js = jetstream_or_exit(conn);
    js_do(js, "stream.create",
          "{\"config\":{\"name\":\"PUSH_C\",\"subjects\":[\"push.c.*\"],\"storage\":\"file\"}}");
    share(js);
    save(js, &backup);
    js_do(js, "stream.delete", "{\"stream\":\"PUSH_C\"}");
    restore(js, &backup);
    trace(conn);
    end(conn, js);
    check(natskit_js_close(js), "close context");
    check(natskit_conn_close(conn, 1000), "close");
    return natskit_shutdown(5000) == NATSKIT_OK ? 0 : 1;
}
