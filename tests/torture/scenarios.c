/* The list of scenarios, and those that need no server. */
#include "scenarios.h"

#include "registry.h"
#include "runner.h"

#include <string.h>

#define ROW(name)                                                                                            \
    {                                                                                                        \
#name, tt_scenario_##name                                                                            \
    }

const struct tt_scenario tt_scenarios[] = {
    ROW(library),
    ROW(options),
    ROW(headers),
    ROW(json),
    ROW(json_changes),
    ROW(json_large),
    ROW(connect),
    ROW(connect_start),
    ROW(connect_by_name),
    ROW(connect_second),
    ROW(close_start),
    ROW(shutdown),
    ROW(reconnect),
    ROW(away),
    ROW(server_says),
    ROW(drain_sub),
    ROW(drain),
    ROW(levels),
    ROW(forced),
    ROW(publish),
    ROW(batch),
    ROW(sent_headers),
    ROW(large),
    ROW(slow_consumer),
    ROW(unsubscribe),
    ROW(request),
    ROW(respond),
    ROW(waitset),
    ROW(blocked),
    ROW(crowd),
    ROW(ask_many),
    ROW(ask_own),
    ROW(ask_nobody),
    ROW(ask_lost),
    ROW(first_message),
    ROW(edit_headers),
    ROW(republish),
    ROW(context),
    ROW(keys),
    ROW(issue),
    ROW(tls),
    ROW(tls_first),
    ROW(tls_offered),
    ROW(tls_refused),
    ROW(tls_texts),
    ROW(asked),
    ROW(acks),
    ROW(js_publish),
    ROW(publisher),
    ROW(atomic_batch),
    ROW(atomic_stored),
    ROW(fast_ingest),
    ROW(js_calls),
    ROW(direct_one),
    ROW(direct_many),
    ROW(counter),
    ROW(increment),
    ROW(kv),
    ROW(kv_status),
    ROW(kv_sweep),
    ROW(kv_cache),
    ROW(kv_together),
    ROW(watch),
    ROW(object),
    ROW(object_writer),
    ROW(object_finish),
    ROW(object_change),
    ROW(object_rename),
    ROW(object_watch),
    ROW(pull),
    ROW(push),
    ROW(snapshot),
    ROW(websocket),
    ROW(websocket_secured),
    ROW(service),
    ROW(discover),
    ROW(service_lost),
};
const size_t tt_scenario_count = sizeof tt_scenarios / sizeof tt_scenarios[0];

/* What needs no memory and no system. */
void tt_scenario_library(void)
{
    uint32_t major = 0;
    uint32_t minor = 0;
    const char *text = NULL;
    natskit_status_info info = {0};
    natskit_counters counters = {0};
    natskit_error err = {0};
    TT(natskit_version, &major, &minor, &text);
    size_t index = 0;
    while (TT_OR(NATSKIT_NOT_FOUND, natskit_status_at, index, &info, sizeof info) == NATSKIT_OK) {
        TT(natskit_status_describe, info.status, &info, sizeof info);
        index++;
    }
    TT_OR(NATSKIT_NOT_FOUND, natskit_status_describe, -9999, &info, sizeof info);
    TT(natskit_counters_get, &counters, sizeof counters);
    TT(natskit_subject_check, "a.b", Z, 0, &err);
    natskit_status got = natskit_subject_check("a..b", Z, 1, &err);
    tt_check_error("natskit_subject_check", got, NATSKIT_INVALID, &err);
    char name[22];
    size_t len = 0;
    TT(natskit_nuid, name, sizeof name, &len);
    TT(natskit_shutdown, 0);
}

/* Sets an option to what it is anyway. */
static void set_again(natskit_options options, const natskit_option_info *info)
{
    natskit_error err = {0};
    natskit_status got;
    if (info->type == NATSKIT_TYPE_LIST) {
        got = natskit_options_set(options, info->name, Z, "127.0.0.1:1,127.0.0.1:2", Z, &err);
        tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
        got = natskit_options_add(options, info->name, Z, "127.0.0.1:3", Z, &err);
        tt_check_error("natskit_options_add", got, NATSKIT_OK, &err);
        return;
    }
    const char *text = info->default_text[0] != '\0' ? info->default_text : "some text";
    got = natskit_options_set(options, info->name, Z, text, Z, &err);
    tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
    if (info->type != NATSKIT_TYPE_STRING && info->type != NATSKIT_TYPE_TEXT &&
        info->type != NATSKIT_TYPE_CHOICE) {
        got = natskit_options_set_int(options, info->name, Z, info->max, &err);
        tt_check_error("natskit_options_set_int", got, NATSKIT_OK, &err);
    }
}

void tt_scenario_options(void)
{
    natskit_error err = {0};
    for (int32_t scope = NATSKIT_OPTIONS_CONNECT; scope <= NATSKIT_OPTIONS_KV_MANY; scope++) {
        natskit_options options = tt_options(scope);
        natskit_option_info info;
        size_t index = 0;
        while (TT_OR(NATSKIT_NOT_FOUND, natskit_option_at, scope, index++, &info, sizeof info) ==
               NATSKIT_OK) {
            set_again(options, &info);
        }
        natskit_status got = natskit_options_set(options, "no such name", Z, "x", Z, &err);
        tt_check_error("natskit_options_set", got, NATSKIT_UNKNOWN_OPTION, &err);
        if (scope == NATSKIT_OPTIONS_EVENTS) {
            TT(natskit_options_close, options);
            tt_registry_remove(NATSKIT_KIND_OPTIONS, options.id);
        }
    }
}

void tt_scenario_headers(void)
{
    natskit_error err = {0};
    char value[2000];
    memset(value, 'v', sizeof value);
    natskit_headers headers = tt_headers("Name", "value");
    for (int i = 0; i < 5; i++) {
        natskit_status got = natskit_headers_add(headers, "Long", Z, value, sizeof value, &err);
        tt_check_error("natskit_headers_add", got, NATSKIT_OK, &err);
    }
    TT(natskit_headers_clear, headers);
    natskit_status got = natskit_headers_add(headers, "Name", Z, "again", Z, &err);
    tt_check_error("natskit_headers_add", got, NATSKIT_OK, &err);
    natskit_headers second = tt_headers("Second", "");
    TT(natskit_headers_close, second);
    tt_registry_remove(NATSKIT_KIND_HEADERS, second.id);
}
