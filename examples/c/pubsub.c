/* Publish and subscribe with a wildcard: every subscriber gets every message. */
#include "example.h"

int main(void)
{
    natskit_conn conn = connect_or_exit();
    /* snippet: pubsub */
    natskit_sub sub = subscribe_or_exit(conn, "greet.*", NULL);

    publish_text(conn, "greet.joe", "hello");
    publish_text(conn, "greet.pam", "good morning");
    publish_text(conn, "greet.bob", "goodbye");

    for (int i = 0; i < 3; i++) {
        natskit_msg *msg;
        natskit_message_view view;
        check(natskit_sub_next(sub, 1000, &msg), "next");
        check(natskit_msg_view(msg, &view, sizeof view), "view");
        printf("publish/subscribe: received %.*s '%.*s'\n", (int)view.subject_len, view.subject,
               (int)view.data_len, (const char *)view.data);
        natskit_msg_release(msg);
    }
    /* snippet end */
    natskit_sub_close(sub);
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
