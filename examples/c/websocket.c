/* By WebSocket, with a header of our own in the upgrade: all the rest is as with nats://. NATS_URL begins
 * with ws:// or wss://; for wss:// NATS_CA may name the file of the authority that the server's certificate
 * is of. */
#include "example.h"

/* snippet: connect */
static natskit_conn connect_by_websocket(void)
{
    natskit_options options;
    natskit_conn conn;
    natskit_error err = {0};
    const char *url = getenv("NATS_URL");
    const char *authority = getenv("NATS_CA");
    check(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options), "options");
    check(natskit_options_add(options, "ws_headers", NATSKIT_ZLEN, "X-Application: example", NATSKIT_ZLEN,
                              &err),
          "ws_headers");
    if (authority != NULL) {
        check(natskit_options_set(options, "tls_ca_file", NATSKIT_ZLEN, authority, NATSKIT_ZLEN, &err),
              "tls_ca_file");
    }
    if (natskit_connect(url != NULL ? url : "ws://127.0.0.1:8080", NATSKIT_ZLEN, options, 5000, &conn,
                        &err) != NATSKIT_OK) {
        fprintf(stderr, "connect: %s\n", err.text);
        exit(1);
    }
    natskit_options_close(options);
    return conn;
}
/* snippet end */

int main(void)
{
    natskit_conn conn = connect_by_websocket();
    natskit_conn_info info;
    natskit_sub sub = subscribe_or_exit(conn, "greet.*", NULL);
    natskit_msg *msg;
    natskit_message_view view;

    check(natskit_conn_info_get(conn, &info, sizeof info), "info");
    printf("connected by %s, TLS %s\n", info.url, info.tls ? "yes" : "no");

    publish_text(conn, "greet.joe", "hello");
    check(natskit_sub_next(sub, 1000, &msg), "next");
    check(natskit_msg_view(msg, &view, sizeof view), "view");
    printf("received %.*s '%.*s'\n", (int)view.subject_len, view.subject, (int)view.data_len,
           (const char *)view.data);
    natskit_msg_release(msg);

    natskit_sub_close(sub);
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
