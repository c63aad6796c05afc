/* Short lives. To torture a new function call it in one of them, or in a new one listed in scenarios.c:
 * through TT() or a function of life.h, with a row in checked.c if a fault may make it fail. torture_clean
 * fails as long as a public function is called by none. */
#ifndef TESTS_TORTURE_SCENARIOS_H
#define TESTS_TORTURE_SCENARIOS_H

void tt_scenario_library(void);
void tt_scenario_options(void);
void tt_scenario_headers(void);
void tt_scenario_context(void);
void tt_scenario_keys(void);
void tt_scenario_issue(void);
void tt_scenario_json(void);
void tt_scenario_json_changes(void);
void tt_scenario_json_large(void);

void tt_scenario_connect(void);
void tt_scenario_connect_start(void);
void tt_scenario_connect_by_name(void);
void tt_scenario_connect_second(void);
void tt_scenario_close_start(void);
void tt_scenario_shutdown(void);
void tt_scenario_reconnect(void);
void tt_scenario_away(void);
void tt_scenario_server_says(void);

void tt_scenario_tls(void);
void tt_scenario_tls_first(void);
void tt_scenario_tls_offered(void);
void tt_scenario_tls_refused(void);
void tt_scenario_tls_texts(void);
void tt_scenario_asked(void);
void tt_scenario_websocket(void);
void tt_scenario_websocket_secured(void);

void tt_scenario_drain_sub(void);
void tt_scenario_drain(void);
void tt_scenario_levels(void);
void tt_scenario_forced(void);

void tt_scenario_publish(void);
void tt_scenario_batch(void);
void tt_scenario_sent_headers(void);
void tt_scenario_large(void);
void tt_scenario_slow_consumer(void);
void tt_scenario_unsubscribe(void);
void tt_scenario_request(void);
void tt_scenario_respond(void);

void tt_scenario_ask_many(void);
void tt_scenario_ask_own(void);
void tt_scenario_ask_nobody(void);
void tt_scenario_ask_lost(void);
void tt_scenario_first_message(void);
void tt_scenario_edit_headers(void);
void tt_scenario_republish(void);

void tt_scenario_acks(void);
void tt_scenario_js_publish(void);
void tt_scenario_publisher(void);
void tt_scenario_atomic_batch(void);
void tt_scenario_atomic_stored(void);
void tt_scenario_fast_ingest(void);
void tt_scenario_js_calls(void);
void tt_scenario_direct_one(void);
void tt_scenario_direct_many(void);
void tt_scenario_counter(void);
void tt_scenario_increment(void);
void tt_scenario_kv(void);
void tt_scenario_kv_status(void);
void tt_scenario_kv_sweep(void);
void tt_scenario_kv_cache(void);
void tt_scenario_kv_together(void);
void tt_scenario_watch(void);
void tt_scenario_object(void);
void tt_scenario_object_writer(void);
void tt_scenario_object_finish(void);
void tt_scenario_object_change(void);
void tt_scenario_object_rename(void);
void tt_scenario_object_watch(void);
void tt_scenario_pull(void);
void tt_scenario_service(void);
void tt_scenario_discover(void);
void tt_scenario_service_lost(void);
void tt_scenario_push(void);
void tt_scenario_snapshot(void);

void tt_scenario_waitset(void);
void tt_scenario_blocked(void);
void tt_scenario_crowd(void);

#endif
