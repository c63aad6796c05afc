/* Scenario of acks: the server, in whose name the tap speaks, delivers messages of a consumer that nobody has
 * made, so that the scenario itself gets the acks. */
#include "scenarios.h"

#include "life.h"
#include "registry.h"

#include <stdio.h>

enum { MESSAGES = 8 };

/* Has messages delivered to the subscription, and takes them; those that do not come are NULL. */
static void deliver(natskit_sub sub, natskit_msg *msgs[MESSAGES])
{
    natskit_sub_stats stats = {0};
    natskit_health health = {0};
    TT(natskit_sub_stats_get, sub, &stats, sizeof stats);
    TT(natskit_sub_health, sub, &health, sizeof health);
    for (int i = 0; i < MESSAGES; i++) {
        char command[200];
        (void)snprintf(command, sizeof command,
                       "live inject MSG acked %llu $JS.ACK.stream.consumer.1.%d.%d.1700000000000000000.0 "
                       "1\\r\\nx\\r\\n",
                       (unsigned long long)stats.sid, i + 1, i + 1);
        tt_tap(command);
    }
    for (int i = 0; i < MESSAGES; i++) {
        msgs[i] = tt_next(sub, tt_life.wait_ms, NATSKIT_OK);
    }
}

/* The ack state follows what the call said, whatever became of it. */
static void expect_state(const natskit_msg *msg, bool acked)
{
    natskit_delivery_view view = {0};
    TT(natskit_msg_delivery, msg, &view, sizeof view);
    if ((view.acked != 0) != acked || view.stream_len != 6) {
        tt_fail("a message is %sacked", view.acked ? "" : "not ");
    }
}

static void confirm(natskit_conn conn, natskit_sub acks, natskit_msg *msg)
{
    natskit_op op = tt_ack_confirm_start(conn, msg);
    TT(natskit_flush, conn, tt_life.wait_ms);
    natskit_msg *ack = NULL;
    natskit_message_view view = {0};
    do { /* those that ask for no confirmation come first */
        tt_release(ack);
        ack = tt_next(acks, 0, NATSKIT_WOULD_BLOCK);
        if (ack != NULL) {
            TT(natskit_msg_view, ack, &view, sizeof view);
        }
    } while (ack != NULL && view.reply_len == 0);
    if (ack != NULL) {
        TT(natskit_msg_respond, ack, NO_HEADERS, NULL, 0, tt_life.wait_ms);
        tt_release(ack);
    }
    expect_state(msg, tt_finish(op, NATSKIT_OK) == NATSKIT_OK);
}

void tt_scenario_acks(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub acks = tt_subscribe(conn, "$JS.ACK.>", "", NO_OPTIONS);
    natskit_sub sub = tt_subscribe(conn, "acked", "", NO_OPTIONS);
    natskit_msg *msgs[MESSAGES];
    natskit_error err = {0};
    size_t acked = 0;
    TT(natskit_flush, conn, tt_life.wait_ms);
    deliver(sub, msgs);
    for (int i = 0; i < MESSAGES; i++) {
        if (msgs[i] == NULL) {
            return;
        }
    }
    TT(natskit_msg_in_progress, msgs[0]);
    expect_state(msgs[0], TT(natskit_msg_ack, msgs[0]) == NATSKIT_OK);
    expect_state(msgs[1], TT(natskit_msg_nak, msgs[1], 5) == NATSKIT_OK);
    expect_state(msgs[2], TT(natskit_msg_term, msgs[2], "a reason", Z) == NATSKIT_OK);
    TT(natskit_ack_batch, msgs + 3, 2, &acked);
    expect_state(msgs[3], acked > 0);
    expect_state(msgs[4], acked > 1);
    confirm(conn, acks, msgs[5]);
    natskit_status got = natskit_msg_ack_confirm(msgs[6], 1, &err); /* nobody confirms it */
    tt_check_error("natskit_msg_ack_confirm", got, NATSKIT_TIMEOUT, &err);
    expect_state(msgs[6], got == NATSKIT_OK);
    expect_state(msgs[6], TT(natskit_msg_ack, msgs[6]) == NATSKIT_OK);
    natskit_op op = tt_ack_confirm_start(conn, msgs[7]);
    tt_release(msgs[7]); /* while it is being confirmed */
    TT(natskit_flush, conn, tt_life.wait_ms);
    tt_op_close(op);
}
