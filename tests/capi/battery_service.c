/* The battery's steps for services and discovery. Any worker. */
#include "battery.h"

#include <string.h>

static natskit_json config_of(struct worker *me, const char *text)
{
    natskit_json json = {0};
    gave(me, "json_parse", natskit_json_parse(text, Z, &json, NULL));
    return json;
}

static void open_service(struct worker *me)
{
    enum sort sort;
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    natskit_json config = config_of(me, "{\"name\":\"battery\",\"version\":\"1.0.0\"}");
    natskit_service service;
    natskit_sub requests;
    natskit_status status =
        natskit_service_open(conn, config, (natskit_options){0}, &service, &requests, NULL);
    if (gave_for(me, "service_open", conn.id, sort, status) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_SERVICE, service.id);
        keep(me, NATSKIT_KIND_SUB, requests.id);
    } else if (service.id != 0 || requests.id != 0) {
        fault(me, "service_open", service.id, status, "a failed open leaves no handle");
    }
    gave(me, "json_close", natskit_json_close(config));
}

/* Endpoints listen where the other steps publish. */
static void add_endpoint(struct worker *me, natskit_service service, enum sort sort)
{
    natskit_json config = config_of(me, "{\"name\":\"e\",\"subject\":\"bt.*\",\"queue_group\":null}");
    uint32_t number;
    gave_for(me, "service_endpoint_add", service.id, sort,
             natskit_service_endpoint_add(service, 0, config, &number, NULL));
    gave(me, "json_close", natskit_json_close(config));
}

void step_service(struct worker *me)
{
    enum sort sort;
    natskit_service service = {pick(me, NATSKIT_KIND_SERVICE, &sort)};
    natskit_json json = {0};
    uint32_t number;
    switch (below(me, 8)) {
    case 0:
        open_service(me);
        return;
    case 1:
        json = config_of(me, "{\"prefix\":\"g\"}");
        gave_for(me, "service_group_add", service.id, sort,
                 natskit_service_group_add(service, 0, json, &number, NULL));
        break;
    case 2:
        json = config_of(me, "[1,2]");
        gave_for(me, "service_endpoint_data", service.id, sort,
                 natskit_service_endpoint_data(service, below(me, 3), json, NULL));
        break;
    case 3:
        gave_for(me, "service_report", service.id, sort,
                 natskit_service_report(service, NATSKIT_SERVICE_PING + (int32_t)below(me, 3), &json, NULL));
        break;
    case 4:
        gave_for(me, "service_reset", service.id, sort, natskit_service_reset(service));
        return;
    case 5:
        if (below(me, 10) == 0) {
            gave_for(me, "service_stop", service.id, sort, natskit_service_stop(service, NULL));
        }
        return;
    default:
        add_endpoint(me, service, sort);
        return;
    }
    if (json.id != 0) {
        keep(me, NATSKIT_KIND_JSON, json.id);
    }
}

static void step_answer(struct worker *me)
{
    natskit_msg *msg = atomic_exchange(&messages[below(me, MESSAGES)], NULL);
    if (msg == NULL) {
        return;
    }
    natskit_message_view view = {0};
    gave(me, "msg_view", natskit_msg_view(msg, &view, sizeof view));
    natskit_status status =
        natskit_msg_respond_error(msg, 1 + (int32_t)below(me, 600), payload, 1 + below(me, 3000),
                                  (natskit_headers){0}, payload, below(me, 100), some_timeout(me));
    gave(me, "respond_error", status);
    if (view.kind != NATSKIT_MSG_SERVICE && status != NATSKIT_INVALID) {
        fault(me, "respond_error", (uint64_t)view.kind, status, "only requests of a service take it");
    }
    status = natskit_msg_service_error(msg, NULL);
    gave(me, "service_error", status);
    keep_message(me, msg);
}

void step_discover(struct worker *me)
{
    enum sort sort;
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    natskit_sub sub;
    if (below(me, 3) > 0) {
        step_answer(me);
        return;
    }
    const char *name = below(me, 2) == 0 ? "battery" : NULL;
    natskit_status status =
        natskit_service_discover(conn, NATSKIT_SERVICE_PING + (int32_t)below(me, 3), NULL, 0, name,
                                 name != NULL ? Z : 0, NULL, 0, (natskit_options){0}, &sub, NULL);
    if (gave_for(me, "service_discover", conn.id, sort, status) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_SUB, sub.id);
    }
}
