/* One request, many answers: three members answer, and the answer is complete when nothing came for a while.
 */
#include "example.h"

#define MEMBERS 3

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_sub members[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        members[i] = subscribe_or_exit(conn, "who.is.there", NULL);
    }

    natskit_error err = {0};
    /* snippet: ask */
    natskit_options options;
    natskit_sub answers;
    check(natskit_options_open(NATSKIT_OPTIONS_REQUEST_MANY, &options), "options");
    check(natskit_options_set_int(options, "max_wait_ms", NATSKIT_ZLEN, 5000, &err), err.text);
    check(natskit_options_set_int(options, "stall_ms", NATSKIT_ZLEN, 200, &err), err.text);
    check(natskit_request_many(conn, "who.is.there", NATSKIT_ZLEN, no_headers, NULL, 0, options, &answers,
                               &err),
          "request_many");
    check(natskit_options_close(options), "options");
    /* snippet end */

    for (int i = 0; i < MEMBERS; i++) {
        natskit_msg *asked;
        char text[32];
        int len = snprintf(text, sizeof text, "member %d", i + 1);
        check(natskit_sub_next(members[i], 1000, &asked), "next");
        check(natskit_msg_respond(asked, no_headers, text, (size_t)len, 1000), "respond");
        natskit_msg_release(asked);
    }

    int count = 0;
    /* snippet: take */
    natskit_msg *answer;
    while (natskit_sub_next(answers, -1, &answer) == NATSKIT_OK) { /* it ends by itself */
        natskit_message_view view;
        check(natskit_msg_view(answer, &view, sizeof view), "view");
        printf("request_many: %.*s\n", (int)view.data_len, (const char *)view.data);
        natskit_msg_release(answer);
        count++;
    }
    expect(NATSKIT_STALLED, natskit_sub_reason(answers, &err), "the end of the answers");
    printf("request_many: %d answers, then: %s\n", count, err.text);
    /* snippet end */

    check(natskit_sub_close(answers), "close answers");
    for (int i = 0; i < MEMBERS; i++) {
        check(natskit_sub_close(members[i]), "close");
    }
    check(natskit_conn_close(conn, 1000), "close");
    return count == MEMBERS ? 0 : 1;
}
