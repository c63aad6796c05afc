/* Headers: names may repeat, keep their case, and come in their order. */
#include "example.h"

static natskit_error err;

static void send(natskit_conn conn)
{
    natskit_headers headers;
    /* snippet: send */
    check(natskit_headers_open(&headers), "headers");
    check(natskit_headers_add(headers, "Color", NATSKIT_ZLEN, "red", NATSKIT_ZLEN, &err), err.text);
    check(natskit_headers_add(headers, "Color", NATSKIT_ZLEN, "blue", NATSKIT_ZLEN, &err), err.text);
    check(natskit_headers_add(headers, "X-Shop", NATSKIT_ZLEN, "north", NATSKIT_ZLEN, &err), err.text);
    check(natskit_publish(conn, "headers.c", NATSKIT_ZLEN, NULL, 0, headers, "paint", 5, 1000), "publish");
    check(natskit_headers_close(headers), "headers");
    /* snippet end */
    /* A line break in a value would be another header: it is refused before anything is sent. */
    check(natskit_headers_open(&headers), "headers");
    expect(NATSKIT_INVALID, natskit_headers_add(headers, "Note", NATSKIT_ZLEN, "a\r\nb", NATSKIT_ZLEN, &err),
           "line break");
    printf("refused: %s\n", err.text);
    check(natskit_headers_close(headers), "headers");
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_sub sub = subscribe_or_exit(conn, "headers.c", NULL);
    natskit_msg *msg;
    const char *name, *value;
    size_t name_len, len;
    send(conn);
    check(natskit_sub_next(sub, 1000, &msg), "next");

    /* snippet: read */
    for (size_t i = 0;
         natskit_msg_header(msg, "Color", NATSKIT_ZLEN, NATSKIT_MATCH_EXACT, i, &value, &len) == NATSKIT_OK;
         i++) {
        printf("color: %.*s\n", (int)len, value);
    }
    for (size_t i = 0; natskit_msg_header_at(msg, i, &name, &name_len, &value, &len) == NATSKIT_OK; i++) {
        printf("%.*s: %.*s\n", (int)name_len, name, (int)len, value);
    }
    /* snippet end */
    check(natskit_msg_header(msg, "x-shop", NATSKIT_ZLEN, NATSKIT_MATCH_IGNORE_CASE, 0, &value, &len),
          "x-shop");
    printf("x-shop: %.*s\n", (int)len, value);

    natskit_msg_release(msg);
    natskit_sub_close(sub);
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
