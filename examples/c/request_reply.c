/* Request and reply: a thread answers, the main thread asks, also on a subject where nobody listens. */
#include "example.h"

#include <pthread.h>

/* snippet: answer */
static void *answer(void *arg)
{
    natskit_sub sub = *(natskit_sub *)arg;
    natskit_msg *msg;
    while (natskit_sub_next(sub, -1, &msg) == NATSKIT_OK) {
        natskit_message_view view;
        char text[64];
        check(natskit_msg_view(msg, &view, sizeof view), "view");
        int len = snprintf(text, sizeof text, "hello, %.*s", (int)view.data_len, (const char *)view.data);
        check(natskit_msg_respond(msg, no_headers, text, (size_t)len, 1000), "respond");
        natskit_msg_release(msg);
    }
    return NULL;
}
/* snippet end */

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_sub service = subscribe_or_exit(conn, "greeter", NULL);
    natskit_error err = {0};
    natskit_msg *reply;
    pthread_t thread;
    if (pthread_create(&thread, NULL, answer, &service) != 0) {
        return 1;
    }
    /* snippet: ask */
    const char *names[] = {"joe", "pam"};
    for (int i = 0; i < 2; i++) {
        natskit_message_view view;
        check(natskit_request(conn, "greeter", NATSKIT_ZLEN, no_headers, names[i], 3, 1000, &reply, &err),
              "request");
        check(natskit_msg_view(reply, &view, sizeof view), "view");
        printf("request/reply: asked '%s', got '%.*s'\n", names[i], (int)view.data_len,
               (const char *)view.data);
        natskit_msg_release(reply);
    }
    /* snippet end */
    /* snippet: nobody */
    natskit_status status =
        natskit_request(conn, "nobody.there", NATSKIT_ZLEN, no_headers, NULL, 0, 1000, &reply, &err);
    expect(NATSKIT_NO_RESPONDERS, status, "request without responders");
    printf("request/reply: nobody.there: %s\n", err.text);
    /* snippet end */

    check(natskit_sub_close(service), "close service"); /* wakes the thread */
    pthread_join(thread, NULL);
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
