/* The battery's calls around requests, headers that change, operations and waitsets. Any worker. */
#include "battery.h"

#include <string.h>

/* Sets some options of a new handle, or gives none at all. */
static natskit_options some_options(struct worker *me, int32_t scope, const char *const *names,
                                    unsigned count)
{
    natskit_options options = {0};
    if (below(me, 4) == 0 || natskit_options_open(scope, &options) != NATSKIT_OK) {
        return options;
    }
    for (unsigned i = below(me, count); i < count; i++) {
        const char *name = names[below(me, count)];
        natskit_status status =
            strcmp(name, "reply") == 0
                ? natskit_options_set(options, name, Z, below(me, 5) == 0 ? "a b" : "bt.1", Z, NULL)
                : natskit_options_set_int(options, name, Z, below(me, 20), NULL);
        gave(me, "some_options", status);
    }
    return options;
}

static const char *asked(struct worker *me, char room[16])
{
    return below(me, 5) == 0 ? "nobody" : some_subject(me, room, below(me, 20) == 0);
}

void step_many(struct worker *me)
{
    static const char *const names[] = {"max_wait_ms", "max_msgs",       "stall_ms",
                                        "sentinel",    "wait_reconnect", "reply"};
    char room[16];
    enum sort sort;
    natskit_sub sub = {7};
    natskit_error err = {0};
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    natskit_options options = some_options(me, NATSKIT_OPTIONS_REQUEST_MANY, names, 6);
    natskit_status status = natskit_request_many(conn, asked(me, room), Z, some_headers(me), payload,
                                                 below(me, 50), options, &sub, &err);
    if (gave(me, "request_many", status) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_SUB, sub.id);
    } else if (sub.id != 0 || err.status != status) {
        fault(me, "request_many", conn.id, status, "a failed request leaves no handle and tells why");
    }
    (void)natskit_options_close(options);
}

void step_own(struct worker *me)
{
    static const char *const names[] = {"own_sub", "wait_reconnect", "reply"};
    char room[16];
    enum sort sort;
    natskit_op op = {7};
    natskit_error err = {0};
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    natskit_options options = some_options(me, NATSKIT_OPTIONS_REQUEST, names, 3);
    natskit_status status = natskit_request_start(conn, asked(me, room), Z, some_headers(me), payload,
                                                  below(me, 50), options, below(me, 100), &op, &err);
    if (gave(me, "own", status) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_OP, op.id);
    } else if (op.id != 0 || err.status != status) {
        fault(me, "own", conn.id, status, "a failed start leaves no handle and tells why");
    }
    (void)natskit_options_close(options);
}

void step_edit(struct worker *me)
{
    static const char *const names[] = {"Name", "name", "x-name", "X-Name"};
    char name[16];
    char value[64];
    size_t name_len = 0;
    size_t len = 0;
    enum sort sort;
    natskit_headers headers = {pick(me, NATSKIT_KIND_HEADERS, &sort)};
    const char *which = names[below(me, 4)];
    int32_t match = (int32_t)below(me, 3);
    natskit_status status;
    switch (below(me, 4)) {
    case 0:
        gave_for(me, "headers_set", headers.id, sort,
                 natskit_headers_set(headers, which, Z, payload, below(me, 100), match, NULL));
        return;
    case 1:
        gave_for(me, "headers_delete", headers.id, sort, natskit_headers_delete(headers, which, Z, match));
        return;
    case 2:
        status = natskit_headers_get(headers, which, Z, match, below(me, 3), value, below(me, 64), &len);
        break;
    default:
        status = natskit_headers_at(headers, below(me, 5), name, below(me, 16), &name_len, value,
                                    below(me, 64), &len);
    }
    /* No set at all is one that is empty. */
    if (headers.id == 0) {
        gave(me, "headers_get", status);
    } else {
        gave_for(me, "headers_get", headers.id, sort, status);
    }
}

void step_add_all(struct worker *me)
{
    enum sort sort;
    natskit_headers headers = {pick(me, NATSKIT_KIND_HEADERS, &sort)};
    natskit_msg *msg = atomic_exchange(&messages[below(me, MESSAGES)], NULL);
    if (msg != NULL) {
        gave_for(me, "headers_add_all", headers.id, sort, natskit_headers_add_all(headers, msg, NULL));
        keep_message(me, msg);
    }
}

void step_republish(struct worker *me)
{
    char room[16];
    enum sort sort;
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    natskit_msg *msg = atomic_exchange(&messages[below(me, MESSAGES)], NULL);
    if (msg != NULL) {
        const char *subject = below(me, 3) == 0 ? "" : some_subject(me, room, false);
        gave(me, "republish",
             natskit_msg_republish(conn, msg, subject, Z, below(me, 3) == 0 ? "bt.0" : "", Z,
                                   some_timeout(me)));
        keep_message(me, msg);
    }
}

void step_names(struct worker *me)
{
    char name[64];
    size_t len = 0;
    int32_t yes = 7;
    enum sort sort;
    natskit_sub sub = {pick(me, NATSKIT_KIND_SUB, &sort)};
    natskit_conn conn;
    switch (below(me, 4)) {
    case 0:
        gave_for(me, "sub_subject", sub.id, sort, natskit_sub_subject(sub, name, below(me, 64), &len));
        break;
    case 1:
        gave_for(me, "sub_reason", sub.id, sort, natskit_sub_reason(sub, NULL));
        gave_for(me, "sub_queue", sub.id, sort, natskit_sub_queue(sub, name, below(me, 64), &len));
        break;
    case 2:
        gave(me, "nuid", natskit_nuid(name, below(me, 64), &len));
        break;
    default:
        conn.id = pick(me, NATSKIT_KIND_CONN, &sort);
        gave_for(me, "server_at_least", conn.id, sort,
                 natskit_conn_server_at_least(conn, (int32_t)below(me, 4), 10, 0, &yes));
        if (yes != 0 && yes != 1) {
            fault(me, "server_at_least", conn.id, 0, "neither yes nor no");
        }
    }
}

void step_first(struct worker *me)
{
    static const char *const names[] = {"first_msg_timeout_ms", "max_msgs"};
    char room[16];
    enum sort sort;
    natskit_sub sub;
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    natskit_options options = some_options(me, NATSKIT_OPTIONS_SUBSCRIBE, names, 2);
    natskit_status status =
        natskit_subscribe(conn, some_subject(me, room, true), Z, NULL, 0, options, &sub, NULL);
    if (gave_for(me, "first", conn.id, sort, status) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_SUB, sub.id);
    }
    (void)natskit_options_close(options);
}

/* Acks in every way; others do so with the same message at the same time. */
void ack_some(struct worker *me, natskit_msg *msg)
{
    natskit_delivery_view view;
    natskit_status status = gave(me, "msg_delivery", natskit_msg_delivery(msg, &view, sizeof view));
    natskit_op op = {0};
    size_t acked = 7;
    switch (below(me, 7)) {
    case 0:
        gave(me, "msg_ack", natskit_msg_ack(msg));
        break;
    case 1:
        gave(me, "msg_nak", natskit_msg_nak(msg, below(me, 3)));
        break;
    case 2:
        gave(me, "msg_term", natskit_msg_term(msg, payload, below(me, 10)));
        break;
    case 3:
        gave(me, "msg_ack_confirm", natskit_msg_ack_confirm(msg, below(me, 3), NULL));
        break;
    case 4:
        gave(me, "ack_batch", natskit_ack_batch(&msg, 1, &acked));
        break;
    case 5:
        gave(me, "msg_ack_confirm_start",
             natskit_msg_ack_confirm_start(msg, NO_OPTIONS, below(me, 100), &op, NULL));
        if (op.id != 0) {
            keep(me, NATSKIT_KIND_OP, op.id);
        }
        break;
    default:
        gave(me, "msg_in_progress", natskit_msg_in_progress(msg));
        break;
    }
    if (natskit_msg_delivery(msg, &view, sizeof view) != status) {
        fault(me, "msg_delivery", 0, status, "what a reply subject tells never changes");
    }
    if (acked != 7 && acked > 1) {
        fault(me, "ack_batch", 0, 0, "more messages were acked than there are");
    }
}

/* -- operations and waitsets ----------------------------------------------------------------------------- */

void step_op(struct worker *me)
{
    enum sort sort;
    natskit_op op = {pick(me, NATSKIT_KIND_OP, &sort)};
    natskit_error err;
    natskit_msg *msg;
    int32_t outcome;
    switch (below(me, 3)) {
    case 0:
        gave_for(me, "op_wait", op.id, sort, natskit_op_wait(op, some_timeout(me)));
        break;
    case 1:
        gave_for(me, "op_result", op.id, sort, natskit_op_result(op, &outcome, &err));
        break;
    default:
        if (gave_for(me, "op_take_msg", op.id, sort, natskit_op_take_msg(op, &msg)) == NATSKIT_OK) {
            keep_message(me, msg);
        }
    }
}

static uint64_t some_object(struct worker *me)
{
    enum sort sort;
    return pick(me, below(me, 2) == 0 ? NATSKIT_KIND_SUB : NATSKIT_KIND_OP, &sort);
}

static void collect(struct worker *me, natskit_waitset set, enum sort sort)
{
    natskit_ready records[8];
    size_t count;
    natskit_status status =
        natskit_waitset_wait(set, records, sizeof records[0], below(me, 8) + 1, some_timeout(me), &count);
    gave_for(me, "waitset_wait", set.id, sort, status);
    if ((status == NATSKIT_OK) != (count > 0)) {
        fault(me, "waitset_wait", set.id, status, "records come with success alone");
    }
    for (size_t i = 0; i < count; i++) {
        if (records[i].tag != (records[i].object ^ 1)) {
            fault(me, "waitset_wait", records[i].object, 0, "the tag is another object's");
        }
    }
}

void step_waitset(struct worker *me)
{
    enum sort sort;
    natskit_waitset set = {pick(me, NATSKIT_KIND_WAITSET, &sort)};
    uint64_t object = some_object(me);
    int32_t fd;
    switch (below(me, 6)) {
    case 0:
    case 1:
        gave(me, "waitset_add", natskit_waitset_add(set, object, object ^ 1));
        break;
    case 2:
        gave(me, "waitset_arm", natskit_waitset_arm(set, object));
        break;
    case 3:
        gave(me, "waitset_remove", natskit_waitset_remove(set, object));
        break;
    case 4:
        gave_for(me, "waitset_fd", set.id, sort, natskit_waitset_fd(set, &fd));
        break;
    default:
        collect(me, set, sort);
    }
}
