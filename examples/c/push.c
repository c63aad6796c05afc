/* A push consumer: two workers share its messages, which it delivers by itself and which they ack. Then the
 * stream is saved, deleted and restored. Needs a server with JetStream. */
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
    check(natskit_json_parse("{\"stream\":\"PUSH_C\"}", NATSKIT_ZLEN, &args, &err), "arguments");
    check(natskit_json_set_json(args, "/config", NATSKIT_ZLEN, backup->answer, "/config", NATSKIT_ZLEN, &err),
          "config");
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
    js_do(js, "stream.delete", "{\"stream\":\"PUSH_C\"}");
    check(natskit_js_close(js), "close context");
    check(natskit_conn_close(conn, 1000), "close");
    return natskit_shutdown(5000) == NATSKIT_OK ? 0 : 1;
}
