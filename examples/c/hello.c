/* The shortest program that shows something: one connection publishes, and receives what it has published. */
/* snippet: hello */
#include <natskit.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    const char *url = getenv("NATS_URL");
    natskit_options defaults = {0};
    natskit_headers none = {0};
    natskit_conn conn;
    natskit_sub sub;
    natskit_msg *msg;
    natskit_message_view view;
    natskit_error err;

    if (natskit_connect(url != NULL ? url : "nats://127.0.0.1:4222", NATSKIT_ZLEN, defaults, 5000, &conn,
                        &err) != NATSKIT_OK ||
        natskit_subscribe(conn, "greet.*", NATSKIT_ZLEN, NULL, 0, defaults, &sub, &err) != NATSKIT_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    natskit_publish(conn, "greet.joe", NATSKIT_ZLEN, NULL, 0, none, "hello", 5, 1000);
    if (natskit_sub_next(sub, 1000, &msg) == NATSKIT_OK) {
        natskit_msg_view(msg, &view, sizeof view);
        printf("%.*s: %.*s\n", (int)view.subject_len, view.subject, (int)view.data_len,
               (const char *)view.data);
        natskit_msg_release(msg);
    }
    natskit_sub_close(sub);
    natskit_conn_close(conn, 1000);
    return 0;
}
/* snippet end */
