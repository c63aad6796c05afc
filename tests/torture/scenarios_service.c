/* Scenarios of services: made, asked, found, and ended in every way. One connection asks the other. */
#include "scenarios.h"

#include "checked.h"
#include "life.h"
#include "registry.h"

struct service {
    natskit_service handle;
    natskit_sub requests;
};

static struct service open_service(natskit_conn conn)
{
    natskit_error err = {0};
    struct service service = {{UINT64_MAX}, {UINT64_MAX}};
    natskit_options options = tt_options(NATSKIT_OPTIONS_SERVICE);
    tt_set(options, "pending_msgs_limit", 100);
    natskit_status got = natskit_service_open(conn, tt_json("{\"name\":\"torture\",\"version\":\"1.0.0\"}"),
                                              options, &service.handle, &service.requests, &err);
    tt_check_error("natskit_service_open", got, NATSKIT_OK, &err);
    service.handle.id =
        tt_given("natskit_service_open", got, NATSKIT_KIND_SERVICE, service.handle.id, conn.id, NULL);
    service.requests.id =
        tt_given("natskit_service_open", got, NATSKIT_KIND_SUB, service.requests.id, conn.id, "");
    return service;
}

static natskit_status add_endpoint(struct service service, uint32_t group, const char *config)
{
    natskit_error err = {0};
    uint32_t number = 0;
    natskit_status got = natskit_service_endpoint_add(service.handle, group, tt_json(config), &number, &err);
    return tt_check_error("natskit_service_endpoint_add", got, NATSKIT_OK, &err);
}

/* A service with a group and two endpoints, which the server knows. */
static struct service begin(natskit_conn conn)
{
    natskit_error err = {0};
    struct service service = open_service(conn);
    uint32_t group = 0;
    natskit_status got =
        natskit_service_group_add(service.handle, 0, tt_json("{\"prefix\":\"torture\"}"), &group, &err);
    tt_check_error("natskit_service_group_add", got, NATSKIT_OK, &err);
    (void)add_endpoint(service, group, "{\"name\":\"echo\",\"metadata\":{\"a\":\"b\"}}");
    (void)add_endpoint(service, 0, "{\"name\":\"torture-fails\"}");
    TT(natskit_flush, conn, tt_life.wait_ms);
    return service;
}

/* Asks on a subject, and gives the request as it comes out of the service. */
static natskit_msg *ask(natskit_conn conn, struct service service, const char *subject, natskit_op *op)
{
    *op = tt_request_start(conn, subject, NO_HEADERS);
    natskit_msg *msg = tt_next(service.requests, tt_life.wait_ms, NATSKIT_OK);
    natskit_service_view view = {0};
    if (msg != NULL) {
        TT(natskit_msg_service, msg, &view, sizeof view);
        tt_want(view.endpoint_len > 0 && view.pattern_len > 0, "a request does not tell its endpoint");
    }
    return msg;
}

static void expect_report(struct service service, uint64_t requests, uint64_t errors)
{
    natskit_error err = {0};
    natskit_json json = {UINT64_MAX};
    int64_t counted[2] = {0, 0};
    natskit_status got = natskit_service_report(service.handle, NATSKIT_SERVICE_STATS, &json, &err);
    tt_check_error("natskit_service_report", got, NATSKIT_OK, &err);
    json.id = tt_given("natskit_service_report", got, NATSKIT_KIND_JSON, json.id, 0, NULL);
    TT(natskit_json_get_int, json, "/endpoints/0/num_requests", Z, &counted[0], &err);
    TT(natskit_json_get_int, json, "/endpoints/1/num_errors", Z, &counted[1], &err);
    tt_want((uint64_t)counted[0] == requests && (uint64_t)counted[1] == errors, "the statistics are others");
}

void tt_scenario_service(void)
{
    natskit_error err = {0};
    natskit_op op;
    natskit_conn conn = tt_connect();
    natskit_conn client = tt_connect();
    struct service service = begin(conn);
    natskit_msg *msg = ask(client, service, "torture.echo", &op);
    if (msg != NULL) {
        TT(natskit_msg_respond, msg, NO_HEADERS, "answer", 6, tt_life.wait_ms);
        TT(natskit_msg_handled, msg);
    }
    tt_release(msg);
    if (tt_finish(op, NATSKIT_NO_RESPONDERS) == NATSKIT_OK) {
        tt_release(tt_take_msg(op, NATSKIT_OK));
    }
    msg = ask(client, service, "torture-fails", &op);
    if (msg != NULL) {
        natskit_headers headers = tt_headers("Why", "because");
        TT(natskit_msg_respond_error, msg, 500, "no \"luck\"\n", Z, headers, "more", 4, tt_life.wait_ms);
    }
    tt_release(msg);
    if (tt_finish(op, NATSKIT_NO_RESPONDERS) == NATSKIT_OK) {
        natskit_msg *reply = tt_take_msg(op, NATSKIT_OK);
        if (reply != NULL) {
            natskit_status got = natskit_msg_service_error(reply, &err);
            tt_check_error("natskit_msg_service_error", got, NATSKIT_SERVICE_ERROR, &err);
        }
        tt_release(reply);
    }
    expect_report(service, 1, 1);
    natskit_status got = natskit_service_endpoint_data(service.handle, 0, tt_json("[1,2]"), &err);
    tt_check_error("natskit_service_endpoint_data", got, NATSKIT_OK, &err);
    TT(natskit_service_reset, service.handle);
    expect_report(service, 0, 0);
}

void tt_scenario_discover(void)
{
    natskit_error err = {0};
    natskit_conn conn = tt_connect();
    natskit_conn client = tt_connect();
    struct service service = begin(conn);
    natskit_options options = tt_options(NATSKIT_OPTIONS_REQUEST_MANY);
    tt_set(options, "max_wait_ms", tt_op_ms());
    tt_set(options, "max_msgs", 1);
    for (int32_t verb = NATSKIT_SERVICE_PING; verb <= NATSKIT_SERVICE_STATS; verb++) {
        natskit_sub sub = {UINT64_MAX};
        natskit_status got =
            natskit_service_discover(client, verb, NULL, 0, "torture", Z, NULL, 0, options, &sub, &err);
        tt_check_error("natskit_service_discover", got, NATSKIT_OK, &err);
        sub.id = tt_given("natskit_service_discover", got, NATSKIT_KIND_SUB, sub.id, client.id, "");
        natskit_msg *answer = tt_next(sub, tt_life.wait_ms, NATSKIT_END);
        tt_want(answer != NULL, "the service does not answer");
        tt_release(answer);
        tt_sub_close(sub);
    }
    /* What was asked before the end is given out; then nothing more comes. */
    natskit_op op = tt_request_start(client, "torture.echo", NO_HEADERS);
    TT(natskit_flush, client, tt_life.wait_ms);
    natskit_status got = natskit_service_stop(service.handle, &err);
    tt_check_error("natskit_service_stop", got, NATSKIT_OK, &err);
    natskit_msg *msg = NULL;
    while ((msg = tt_next(service.requests, tt_life.wait_ms, NATSKIT_END)) != NULL) {
        TT(natskit_msg_respond, msg, NO_HEADERS, "answer", 6, tt_life.wait_ms);
        tt_release(msg);
    }
    if (tt_finish(op, NATSKIT_NO_RESPONDERS) == NATSKIT_OK) {
        tt_release(tt_take_msg(op, NATSKIT_OK));
    }
}

/* The connection is lost while the service serves, and it goes on. */
void tt_scenario_service_lost(void)
{
    natskit_conn conn = tt_connect();
    struct service service = begin(conn);
    natskit_op op;
    natskit_error err = {0};
    natskit_status got = natskit_conn_reconnect(conn, &err);
    tt_check_error("natskit_conn_reconnect", got, NATSKIT_OK, &err);
    if (tt_wait_state(conn, NATSKIT_STATE_CONNECTED)) {
        TT(natskit_flush, conn, tt_life.wait_ms);
        natskit_msg *msg = ask(conn, service, "torture.echo", &op);
        if (msg != NULL) {
            TT(natskit_msg_respond, msg, NO_HEADERS, "answer", 6, tt_life.wait_ms);
        }
        tt_release(msg);
        if (tt_finish(op, NATSKIT_NO_RESPONDERS) == NATSKIT_OK) {
            tt_release(tt_take_msg(op, NATSKIT_OK));
        }
    }
    TT(natskit_conn_drain, conn, tt_life.wait_ms, &err);
}
