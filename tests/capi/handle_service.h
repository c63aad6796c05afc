/* What handle_rows.c needs for services; a part of that file alone, as handle_js.h. */
#ifndef TESTS_CAPI_HANDLE_SERVICE_H
#define TESTS_CAPI_HANDLE_SERVICE_H

#define H_SERVICE ((natskit_service){id})

static natskit_service new_service;
static natskit_service_view service_view;
static uint32_t endpoint_number;

#define OPEN(conn, config, options)                                                                          \
    natskit_service_open(conn, config, options, &new_service, &new_sub, &error)
#define DISCOVER(conn, verb, prefix, name, name_len, id_text, id_len, options)                               \
    natskit_service_discover(conn, verb, prefix, prefix != NULL ? Z : 0, name, name_len, id_text, id_len,    \
                             options, &new_sub, &error)

CALL(service_open, OPEN(H_CONN, json, NO_OPTIONS))
CALL(service_open_config, OPEN(conn, H_JSON, NO_OPTIONS))
CALL(service_open_options, OPEN(conn, json, H_OPTIONS))
CALL(service_group, natskit_service_group_add(H_SERVICE, 0, json, &endpoint_number, &error))
CALL(service_group_config, natskit_service_group_add(service, 0, H_JSON, &endpoint_number, &error))
CALL(service_endpoint, natskit_service_endpoint_add(H_SERVICE, 0, json, &endpoint_number, &error))
CALL(service_endpoint_config, natskit_service_endpoint_add(service, 0, H_JSON, &endpoint_number, &error))
CALL(service_data, natskit_service_endpoint_data(H_SERVICE, 0, json, &error))
CALL(service_data_json, natskit_service_endpoint_data(service, 0, H_JSON, &error))
CALL(service_report, natskit_service_report(H_SERVICE, NATSKIT_SERVICE_PING, &new_json, &error))
CALL(service_reset, natskit_service_reset(H_SERVICE))
CALL(service_stop, natskit_service_stop(H_SERVICE, &error))
CALL(service_close, natskit_service_close(H_SERVICE))
CALL(service_discover, DISCOVER(H_CONN, NATSKIT_SERVICE_PING, NULL, NULL, 0, NULL, 0, NO_OPTIONS))
CALL(service_discover_options, DISCOVER(conn, NATSKIT_SERVICE_PING, NULL, NULL, 0, NULL, 0, H_OPTIONS))

#define SERVICE_ROWS                                                                                         \
    ROW(natskit_service_open, CONN, service_open),                                                           \
        ROW_OPTIONAL(natskit_service_open, JSON, service_open_config),                                       \
        ROW_OPTIONAL(natskit_service_open, OPTIONS, service_open_options),                                   \
        ROW(natskit_service_group_add, SERVICE, service_group),                                              \
        ROW_OPTIONAL(natskit_service_group_add, JSON, service_group_config),                                 \
        ROW(natskit_service_endpoint_add, SERVICE, service_endpoint),                                        \
        ROW_OPTIONAL(natskit_service_endpoint_add, JSON, service_endpoint_config),                           \
        ROW(natskit_service_endpoint_data, SERVICE, service_data),                                           \
        ROW_OPTIONAL(natskit_service_endpoint_data, JSON, service_data_json),                                \
        ROW(natskit_service_report, SERVICE, service_report),                                                \
        ROW(natskit_service_reset, SERVICE, service_reset),                                                  \
        ROW(natskit_service_stop, SERVICE, service_stop),                                                    \
        ROW(natskit_service_discover, CONN, service_discover),                                               \
        ROW_OPTIONAL(natskit_service_discover, OPTIONS, service_discover_options),                           \
        ROW(natskit_service_close, SERVICE, service_close)

BAD(service_open_out, natskit_service_open(conn, json, NO_OPTIONS, NULL, &new_sub, &error))
BAD(service_open_requests, natskit_service_open(conn, json, NO_OPTIONS, &new_service, NULL, &error))
BAD(service_open_none, OPEN(conn, NO_ARGS, NO_OPTIONS))
BAD(service_open_member, OPEN(conn, json, NO_OPTIONS))
BAD(service_open_scope, OPEN(conn, json, options))
BAD(service_group_out, natskit_service_group_add(service, 0, json, NULL, &error))
BAD(service_group_none, natskit_service_group_add(service, 0, NO_ARGS, &endpoint_number, &error))
BAD(service_group_member, natskit_service_group_add(service, 0, json, &endpoint_number, &error))
BAD(service_endpoint_out, natskit_service_endpoint_add(service, 0, json, NULL, &error))
BAD(service_endpoint_none, natskit_service_endpoint_add(service, 0, NO_ARGS, &endpoint_number, &error))
BAD(service_endpoint_member, natskit_service_endpoint_add(service, 0, json, &endpoint_number, &error))
BAD(service_report_out, natskit_service_report(service, NATSKIT_SERVICE_PING, NULL, &error))
BAD(service_report_verb, natskit_service_report(service, 0, &new_json, &error))
BAD(service_report_beyond, natskit_service_report(service, 4, &new_json, &error))
BAD(discover_out,
    natskit_service_discover(conn, NATSKIT_SERVICE_PING, NULL, 0, NULL, 0, NULL, 0, NO_OPTIONS, NULL, &error))
BAD(discover_verb, DISCOVER(conn, 0, NULL, NULL, 0, NULL, 0, NO_OPTIONS))
BAD(discover_name, DISCOVER(conn, NATSKIT_SERVICE_PING, NULL, NULL, 1, NULL, 0, NO_OPTIONS))
BAD(discover_wildcard, DISCOVER(conn, NATSKIT_SERVICE_PING, NULL, "*", Z, NULL, 0, NO_OPTIONS))
BAD(discover_prefix, DISCOVER(conn, NATSKIT_SERVICE_PING, "a b", NULL, 0, NULL, 0, NO_OPTIONS))
BAD(discover_id, DISCOVER(conn, NATSKIT_SERVICE_PING, NULL, NULL, 0, "x", Z, NO_OPTIONS))
BAD(discover_scope, DISCOVER(conn, NATSKIT_SERVICE_PING, NULL, NULL, 0, NULL, 0, options))
BAD(msg_service_msg, natskit_msg_service(NULL, &service_view, sizeof service_view))
BAD(msg_service_view, natskit_msg_service(received, NULL, sizeof service_view))
BAD(msg_service_kind, natskit_msg_service(received, &service_view, sizeof service_view))
BAD(respond_error_msg, natskit_msg_respond_error(NULL, 1, "x", Z, NO_HEADERS, NULL, 0, 0))
BAD(respond_error_kind, natskit_msg_respond_error(received, 1, "x", Z, NO_HEADERS, NULL, 0, 0))
BAD(handled_msg, natskit_msg_handled(NULL))
BAD(handled_kind, natskit_msg_handled(received))
BAD(service_error_msg, natskit_msg_service_error(NULL, &error))

#define SERVICE_BAD_ROWS                                                                                     \
    BAD_ROW(natskit_service_open, service_open_out), BAD_ROW(natskit_service_open, service_open_requests),   \
        BAD_ROW(natskit_service_open, service_open_none),                                                    \
        BAD_ROW(natskit_service_open, service_open_member),                                                  \
        BAD_ROW(natskit_service_open, service_open_scope),                                                   \
        BAD_ROW(natskit_service_group_add, service_group_out),                                               \
        BAD_ROW(natskit_service_group_add, service_group_none),                                              \
        BAD_ROW(natskit_service_group_add, service_group_member),                                            \
        BAD_ROW(natskit_service_endpoint_add, service_endpoint_out),                                         \
        BAD_ROW(natskit_service_endpoint_add, service_endpoint_none),                                        \
        BAD_ROW(natskit_service_endpoint_add, service_endpoint_member),                                      \
        BAD_ROW(natskit_service_report, service_report_out),                                                 \
        BAD_ROW(natskit_service_report, service_report_verb),                                                \
        BAD_ROW(natskit_service_report, service_report_beyond),                                              \
        BAD_ROW(natskit_service_discover, discover_out), BAD_ROW(natskit_service_discover, discover_verb),   \
        BAD_ROW(natskit_service_discover, discover_name),                                                    \
        BAD_ROW(natskit_service_discover, discover_wildcard),                                                \
        BAD_ROW(natskit_service_discover, discover_prefix), BAD_ROW(natskit_service_discover, discover_id),  \
        BAD_ROW(natskit_service_discover, discover_scope), BAD_ROW(natskit_msg_service, msg_service_msg),    \
        BAD_ROW(natskit_msg_service, msg_service_view), BAD_ROW(natskit_msg_service, msg_service_kind),      \
        BAD_ROW(natskit_msg_respond_error, respond_error_msg),                                               \
        BAD_ROW(natskit_msg_respond_error, respond_error_kind), BAD_ROW(natskit_msg_handled, handled_msg),   \
        BAD_ROW(natskit_msg_handled, handled_kind), BAD_ROW(natskit_msg_service_error, service_error_msg)

#endif
