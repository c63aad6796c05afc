/* Scenarios of what ends in good order, of how far a message has come, and of reconnects that are asked for.
 */
#include "scenarios.h"

#include "life.h"
#include "registry.h"

void tt_scenario_drain_sub(void)
{
    natskit_error err = {0};
    natskit_conn conn = tt_connect();
    natskit_sub sub = tt_subscribe(conn, "drained", "", NO_OPTIONS);
    natskit_sub held = tt_subscribe(conn, "drained", "", NO_OPTIONS);
    natskit_sub closed = tt_subscribe(conn, "drained", "", NO_OPTIONS);
    uint64_t epoch = tt_epoch(conn);
    uint64_t sent = 0;
    for (uint32_t i = 1; i <= 3; i++) {
        sent += tt_send(conn, "drained", i, 100);
    }
    TT(natskit_flush, conn, tt_life.wait_ms);
    TT(natskit_sub_hold, held, 1);
    natskit_op of_held = tt_sub_drain_start(conn, held);
    natskit_op of_sub = tt_sub_drain_start(conn, sub);
    natskit_op of_closed = tt_sub_drain_start(conn, closed);
    tt_sub_close(closed); /* nobody has taken */
    (void)tt_finish(of_closed, NATSKIT_CLOSED);
    size_t taken = 0;
    natskit_msg *msg;
    while ((msg = tt_next(sub, tt_life.wait_ms, NATSKIT_END)) != NULL) {
        tt_check_numbered(sub, msg);
        tt_release(msg);
        taken++;
    }
    if (tt_finish(of_sub, NATSKIT_OK) == NATSKIT_OK && sent == 3 && epoch == 1 && tt_epoch(conn) == 1) {
        tt_want(taken == 3, "a drain has lost messages");
    }
    while ((msg = tt_next(held, tt_life.wait_ms, NATSKIT_END)) != NULL) {
        tt_release(msg);
    }
    natskit_status pending = natskit_op_wait(of_held, 0);
    tt_want(pending == NATSKIT_WOULD_BLOCK, "a drain does not wait for a hold");
    TT_OR(NATSKIT_INVALID, natskit_sub_hold, held, 0);
    (void)tt_finish(of_held, NATSKIT_OK);
    natskit_sub last = tt_subscribe(conn, "drained", "", NO_OPTIONS);
    natskit_status got = natskit_sub_drain(last, tt_life.wait_ms, &err);
    tt_check_error("natskit_sub_drain", got, NATSKIT_OK, &err);
}

void tt_scenario_drain(void)
{
    natskit_error err = {0};
    natskit_conn conn = tt_connect();
    natskit_sub events = tt_events(conn);
    natskit_sub sub = tt_subscribe(conn, "drain.all", "", NO_OPTIONS);
    natskit_op closed = tt_closed_start(conn);
    (void)tt_send(conn, "drain.all", 1, 100);
    (void)tt_send(conn, "drain.all", 2, 100);
    TT(natskit_flush, conn, tt_life.wait_ms);
    natskit_op op = tt_conn_drain_start(conn);
    natskit_sub refused;
    natskit_status got = natskit_subscribe(conn, "too.late", Z, "", Z, NO_OPTIONS, &refused, &err);
    if (op.id != 0) {
        tt_check_error("natskit_subscribe", got, NATSKIT_DRAINING, &err);
        tt_want(got == NATSKIT_DRAINING, "a drained connection takes subscriptions");
    }
    if (got == NATSKIT_OK) {
        TT(natskit_sub_close, refused);
    }
    natskit_msg *msg;
    while ((msg = tt_next(sub, tt_life.wait_ms, NATSKIT_END)) != NULL) {
        tt_check_numbered(sub, msg);
        tt_release(msg);
    }
    if (tt_finish(op, NATSKIT_OK) == NATSKIT_OK) {
        (void)tt_wait_event(events, NATSKIT_EVENT_CLOSED);
    }
    (void)tt_finish(closed, NATSKIT_OK);
    got = natskit_conn_closed(conn, tt_life.hurt ? 0 : tt_life.wait_ms, &err);
    tt_check_error("natskit_conn_closed", got, NATSKIT_OK, &err);
    natskit_conn second = tt_connect();
    (void)tt_subscribe(second, "drain.all", "", NO_OPTIONS);
    got = natskit_conn_drain(second, tt_life.wait_ms, &err);
    tt_check_error("natskit_conn_drain", got, NATSKIT_OK, &err);
}

/* Buffered, written, flushed; and how long that takes. */
void tt_scenario_levels(void)
{
    natskit_error err = {0};
    int64_t ns = -1;
    natskit_conn conn = tt_connect();
    natskit_op closed = tt_closed_start(conn);
    (void)tt_send(conn, "level", 1, tt_life.large);
    natskit_op written = tt_written_start(conn);
    (void)tt_finish(written, NATSKIT_OK);
    TT(natskit_op_duration, written, &ns);
    tt_want(ns >= 0, "an operation has taken less than no time");
    (void)tt_send(conn, "level", 2, 100);
    natskit_status got = natskit_written(conn, tt_life.wait_ms, &err);
    tt_check_error("natskit_written", got, NATSKIT_OK, &err);
    got = natskit_conn_rtt(conn, tt_life.wait_ms, &ns, &err);
    tt_check_error("natskit_conn_rtt", got, NATSKIT_OK, &err);
    got = natskit_conn_closed(conn, 0, &err);
    tt_check_error("natskit_conn_closed", got, NATSKIT_PENDING, &err);
    tt_op_close(closed); /* while the connection lives */
}

/* Another transport because the application wants it, and a pause as long as it says. */
void tt_scenario_forced(void)
{
    natskit_error err = {0};
    natskit_options options = tt_connect_options();
    tt_set(options, "reconnect_wait_ms", 1000);
    tt_set(options, "reconnect_wait_max_ms", 1000);
    tt_set(options, "answer_timeout_ms", tt_life.hurt ? 10 : 20000);
    natskit_conn conn = tt_connect_to(tt_life.url, options, NATSKIT_OK);
    natskit_sub sub = tt_subscribe(conn, "forced", "", NO_OPTIONS);
    natskit_sub asked = tt_answering(conn);
    TT(natskit_flush, conn, tt_life.wait_ms);
    uint64_t epoch = tt_epoch(conn);
    natskit_status got = natskit_conn_reconnect(conn, &err);
    tt_check_error("natskit_conn_reconnect", got, NATSKIT_OK, &err);
    if (tt_wait_event(asked, NATSKIT_EVENT_RECONNECTED)) {
        tt_want(tt_epoch(conn) > epoch, "a forced reconnect kept the transport");
    }
    tt_tap("refuse on");
    tt_tap("live cut");
    uint64_t request = tt_wait_request(asked);
    tt_tap("refuse off");
    got = natskit_conn_answer_delay(conn, request, 0, &err);
    if (request != 0) {
        tt_check_error("natskit_conn_answer_delay", got, NATSKIT_OK, &err);
    }
    got = natskit_conn_answer_delay(conn, request, 0, &err);
    tt_check_error("natskit_conn_answer_delay", got, NATSKIT_NOT_FOUND, &err);
    if (tt_wait_event(asked, NATSKIT_EVENT_RECONNECTED)) {
        (void)tt_send(conn, "forced", 1, 100);
        TT(natskit_flush, conn, tt_life.wait_ms);
        tt_want(tt_take_all(sub) == 1, "a subscription was not made again");
    }
}
