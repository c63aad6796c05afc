/* A service with a group of two endpoints, served by a thread until it is stopped; a client that asks it, is
 * refused once, finds it, and reads its statistics. */
#include "example.h"

#include <pthread.h>
#include <string.h>

static natskit_json json_of(const char *text)
{
    natskit_json json;
    natskit_error err = {0};
    check(natskit_json_parse(text, NATSKIT_ZLEN, &json, &err), err.text);
    return json;
}

static void add_endpoint(natskit_service service, uint32_t group, const char *config)
{
    natskit_error err = {0};
    natskit_json json = json_of(config);
    uint32_t number;
    check(natskit_service_endpoint_add(service, group, json, &number, &err), err.text);
    check(natskit_json_close(json), "json");
}

static void answer(natskit_msg *request, const char *endpoint, const char *text, size_t len)
{
    char turned[64];
    if (len == 0 || len > sizeof turned) {
        check(natskit_msg_respond_error(request, 400, "1 to 64 bytes, please", NATSKIT_ZLEN, no_headers, NULL,
                                        0, 1000),
              "respond_error");
        return;
    }
    for (size_t i = 0; i < len; i++) {
        turned[i] = strcmp(endpoint, "reverse") == 0   ? text[len - 1 - i]
                    : text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 32)
                                                       : text[i];
    }
    check(natskit_msg_respond(request, no_headers, turned, len, 1000), "respond");
}

/* snippet: serve */
/* Until the service has ended. The hold has a drain wait for what is being handled. */
static void *serve(void *arg)
{
    natskit_sub requests = *(natskit_sub *)arg;
    natskit_msg *request;
    while (natskit_sub_next(requests, -1, &request) == NATSKIT_OK) {
        natskit_service_view view;
        natskit_message_view message;
        char endpoint[32];
        check(natskit_msg_service(request, &view, sizeof view), "view");
        check(natskit_msg_view(request, &message, sizeof message), "view");
        snprintf(endpoint, sizeof endpoint, "%.*s", (int)view.endpoint_len, view.endpoint);
        answer(request, endpoint, message.data, message.data_len);
        natskit_msg_release(request);
    }
    check(natskit_sub_hold(requests, 0), "hold");
    return NULL;
}
/* snippet end */

static void ask(natskit_conn conn, const char *subject, const char *text)
{
    natskit_msg *reply;
    natskit_message_view view;
    natskit_error err = {0};
    check(natskit_request(conn, subject, NATSKIT_ZLEN, no_headers, text, strlen(text), 5000, &reply, &err),
          err.text);
    check(natskit_msg_view(reply, &view, sizeof view), "view");
    if (natskit_msg_service_error(reply, &err) == NATSKIT_SERVICE_ERROR) {
        printf("%s: error %d: %s\n", subject, (int)err.server_code, err.text);
    } else {
        printf("%s: %.*s\n", subject, (int)view.data_len, (const char *)view.data);
    }
    natskit_msg_release(reply);
}

/* Asks all services, and tells of ours. */
static void discover(natskit_conn conn)
{
    natskit_sub answers;
    natskit_msg *msg;
    natskit_error err = {0};
    check(natskit_service_discover(conn, NATSKIT_SERVICE_STATS, NULL, 0, "texts-c", NATSKIT_ZLEN, NULL, 0,
                                   no_options, &answers, &err),
          err.text);
    while (natskit_sub_next(answers, -1, &msg) == NATSKIT_OK) { /* it ends by itself */
        natskit_message_view view;
        natskit_json json;
        int64_t requests, errors;
        check(natskit_msg_view(msg, &view, sizeof view), "view");
        check(natskit_json_parse(view.data, view.data_len, &json, &err), err.text);
        check(natskit_json_get_int(json, "/endpoints/0/num_requests", NATSKIT_ZLEN, &requests, &err),
              err.text);
        check(natskit_json_get_int(json, "/endpoints/0/num_errors", NATSKIT_ZLEN, &errors, &err), err.text);
        printf("found: %d requests, %d error\n", (int)requests, (int)errors);
        check(natskit_json_close(json), "json");
        natskit_msg_release(msg);
    }
    check(natskit_sub_close(answers), "close");
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_conn client = connect_or_exit();
    natskit_error err = {0};
    /* snippet: open */
    natskit_service service;
    natskit_sub requests;
    natskit_json config =
        json_of("{\"name\":\"texts-c\",\"version\":\"1.0.0\",\"description\":\"turns texts\"}");
    check(natskit_service_open(conn, config, no_options, &service, &requests, &err), err.text);
    check(natskit_json_close(config), "json");

    uint32_t group;
    config = json_of("{\"prefix\":\"texts.c\"}");
    check(natskit_service_group_add(service, 0, config, &group, &err), err.text);
    check(natskit_json_close(config), "json");
    add_endpoint(service, group, "{\"name\":\"reverse\"}");
    add_endpoint(service, group, "{\"name\":\"upper\",\"metadata\":{\"unit\":\"bytes\"}}");
    /* snippet end */

    pthread_t thread;
    check(natskit_sub_hold(requests, 1), "hold");
    if (pthread_create(&thread, NULL, serve, &requests) != 0) {
        return 1;
    }
    check(natskit_flush(conn, 5000), "flush"); /* the server knows the endpoints */

    ask(client, "texts.c.reverse", "stressed");
    ask(client, "texts.c.upper", "quiet");
    ask(client, "texts.c.reverse", "");
    discover(client);

    check(natskit_sub_drain(requests, 5000, &err), err.text); /* nothing that was asked before is lost */
    pthread_join(thread, NULL);
    expect(NATSKIT_UNSUBSCRIBED, natskit_sub_reason(requests, NULL), "the end of the service");
    printf("drained\n");
    check(natskit_sub_close(requests), "close");
    check(natskit_service_close(service), "close");
    check(natskit_conn_close(client, 1000), "close");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
