/* What the scenarios of the torture tests use: natskit.h, with every status checked.
 *
 * TT(natskit_NAME, arguments...) calls a public function, notes that it was called, and checks its status: OK
 * (or what TT_OR says), or, while faults may be felt, one that its documentation allows then (checked.c). For
 * functions that give a handle or a message there is a function here, which also checks that the
 * out-parameter is zero and the error complete on failure, and registers the thing: what a scenario leaves
 * open is looked at and closed after it (settle.c). A call whose handle is missing because of a fault is made
 * all the same, with 0. Any thread of a scenario; it ends its threads itself. */
#ifndef TESTS_TORTURE_LIFE_H
#define TESTS_TORTURE_LIFE_H

#include <natskit.h>

#include <stdbool.h>

#define Z NATSKIT_ZLEN
#define NO_OPTIONS ((natskit_options){0})
#define NO_HEADERS ((natskit_headers){0})

/* Statuses that a fault may lead to. */
#define TT_MAY_LACK_MEMORY 1u
#define TT_MAY_LACK_TLS 4u    /* OpenSSL has no memory, and says whatever it says then */
#define TT_MAY_LACK_SYSTEM 2u /* SYSTEM, IO and what becomes of them while connecting */

struct tt_life {
    bool hurt;           /* a fault may be felt; else all has to go well */
    unsigned may_lack;   /* TT_MAY_*, if hurt */
    int64_t wait_ms;     /* for what comes at once: long, unless a fault may keep it away */
    size_t large;        /* bytes of a message that is read to its place */
    size_t huge;         /* and of one greater than a segment of the outbox */
    const char *url;     /* of the tap */
    const char *named;   /* the same by name, localhost */
    const char *secured; /* of a server with TLS that wants a client's certificate and a user's JWT */
    const char *first;   /* of one that begins with TLS, and wants an nkey */
    const char *ws;      /* of the one without TLS, by WebSocket */
    const char *wss;     /* of the one that wants an nkey, by WebSocket */
    const char *wallet;  /* folder of certificates and credentials (support/wallet.h) */
};
extern struct tt_life tt_life;

/* A failure of the run; with what was planned for it. */
void tt_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

natskit_status tt_check(const char *function, natskit_status got, natskit_status also);
#define TT(function, ...) tt_check(#function, function(__VA_ARGS__), NATSKIT_OK)
#define TT_OR(also, function, ...) tt_check(#function, function(__VA_ARGS__), also)
/* The same for a function that filled an error. */
natskit_status tt_check_error(const char *function, natskit_status got, natskit_status also,
                              const natskit_error *err);
/* For something that has to hold unless a fault may be felt. */
void tt_want(bool holds, const char *what);

natskit_options tt_options(int32_t scope);
/* Of connections: attempts and pauses that are short. */
natskit_options tt_connect_options(void);
void tt_set(natskit_options options, const char *name, int64_t value);
natskit_headers tt_headers(const char *name, const char *value);

natskit_json tt_json(const char *text);
natskit_json tt_json_open(int32_t type);

natskit_conn tt_connect(void);
natskit_conn tt_connect_to(const char *url, natskit_options options, natskit_status also);
natskit_conn tt_connect_start(const char *url, natskit_options options, natskit_op *op);
void tt_conn_close(natskit_conn conn, int64_t linger_ms);
natskit_op tt_conn_close_start(natskit_conn conn, int64_t linger_ms);
bool tt_wait_state(natskit_conn conn, int32_t state);
uint64_t tt_epoch(natskit_conn conn);

natskit_sub tt_subscribe(natskit_conn conn, const char *subject, const char *queue, natskit_options options);
natskit_sub tt_events(natskit_conn conn);
/* The same for the one that answers. */
natskit_sub tt_answering(natskit_conn conn);
natskit_msg *tt_next(natskit_sub sub, int64_t timeout_ms, natskit_status also);
size_t tt_next_batch(natskit_sub sub, natskit_msg **msgs, size_t cap, int64_t timeout_ms,
                     natskit_status also);
void tt_sub_close(natskit_sub sub);
/* Waits for an event, releasing those before it. */
bool tt_wait_event(natskit_sub events, int32_t type);
/* Waits for a request to the application: its number, or 0. */
uint64_t tt_wait_request(natskit_sub events);

natskit_op tt_flush_start(natskit_conn conn);
natskit_op tt_written_start(natskit_conn conn);
natskit_op tt_closed_start(natskit_conn conn);
natskit_op tt_conn_drain_start(natskit_conn conn);
natskit_op tt_sub_drain_start(natskit_conn conn, natskit_sub sub);
natskit_op tt_room_start(natskit_conn conn, uint64_t bytes);
natskit_js tt_js(natskit_conn conn, natskit_options options);
natskit_op tt_js_publish_start(natskit_conn conn, natskit_js js, const char *subject,
                               natskit_headers headers);
natskit_batch tt_batch(natskit_conn conn, natskit_js js);
natskit_op tt_batch_commit_start(natskit_conn conn, natskit_batch batch);
natskit_ingest tt_ingest(natskit_conn conn, natskit_js js, natskit_options options, natskit_sub *failures);
natskit_op tt_ingest_room_start(natskit_conn conn, natskit_ingest ingest);
natskit_op tt_ingest_commit_start(natskit_conn conn, natskit_ingest ingest);
natskit_publisher tt_publisher(natskit_conn conn, natskit_js js, natskit_options options, natskit_sub *acks);
natskit_op tt_publisher_done_start(natskit_conn conn, natskit_publisher publisher);
natskit_op tt_publisher_room_start(natskit_conn conn, natskit_publisher publisher, uint64_t bytes);
/* The answer, or {0}. */
natskit_json tt_js_call(natskit_js js, const char *call, natskit_json args);
natskit_op tt_js_call_start(natskit_conn conn, natskit_js js, const char *call, natskit_json args);
natskit_json tt_kv_config(const char *bucket);
natskit_kv tt_kv(natskit_conn conn, natskit_js js, const char *bucket);
natskit_msg *tt_kv_get(natskit_kv kv, const char *key, natskit_status also);
natskit_op tt_kv_get_start(natskit_conn conn, natskit_kv kv, const char *key);
/* With a value where the action takes one. */
natskit_op tt_kv_write_start(natskit_conn conn, natskit_kv kv, int32_t action, const char *key);
natskit_sub tt_kv_watch(natskit_conn conn, natskit_kv kv, natskit_options options);
natskit_sub tt_js_fetch(natskit_conn conn, natskit_js js, const char *stream, const char *consumer,
                        natskit_options options);
natskit_sub tt_js_consume(natskit_conn conn, natskit_js js, const char *stream, const char *consumer,
                          natskit_options options);
natskit_sub tt_js_ordered(natskit_conn conn, natskit_js js, const char *stream, natskit_options options);
natskit_sub tt_js_subscribe(natskit_conn conn, natskit_js js, const char *subject, natskit_options options);
natskit_sub tt_js_subscribe_start(natskit_conn conn, natskit_js js, const char *subject, natskit_op *op);
/* The state of the stream in `answer`. */
natskit_sub tt_js_snapshot(natskit_conn conn, natskit_js js, natskit_json args, natskit_json *answer);
natskit_sub tt_js_snapshot_start(natskit_conn conn, natskit_js js, natskit_json args, natskit_op *op);
natskit_json tt_trace_tree(natskit_json events);
natskit_msg *tt_js_next(natskit_js js, const char *stream, const char *consumer, natskit_options options,
                        natskit_status also);
natskit_op tt_request_start(natskit_conn conn, const char *subject, natskit_headers headers);
natskit_op tt_request_with(natskit_conn conn, const char *subject, natskit_options options);
natskit_op tt_ack_confirm_start(natskit_conn conn, natskit_msg *msg);
/* It ends by itself before operations do. */
natskit_sub tt_request_many(natskit_conn conn, const char *subject, natskit_headers headers,
                            natskit_options options);
natskit_msg *tt_request(natskit_conn conn, const char *subject, natskit_status also);
natskit_msg *tt_take_msg(natskit_op op, natskit_status also);
/* Waits, and checks the result. */
natskit_status tt_finish(natskit_op op, natskit_status also);
void tt_op_close(natskit_op op);

natskit_waitset tt_waitset(void);
size_t tt_waitset_wait(natskit_waitset waitset, natskit_ready *records, size_t cap, int64_t timeout_ms,
                       natskit_status also);

void tt_release(natskit_msg *msg);

/* Numbered messages of which every byte is checked on arrival. True if it was accepted. */
bool tt_send(natskit_conn conn, const char *subject, uint32_t number, size_t size);
/* The same by one call for `count` messages of `size` bytes; how many were accepted. */
size_t tt_send_batch(natskit_conn conn, const char *subject, uint32_t number, size_t count, size_t size);
/* Checks a numbered message of the subscription: its bytes, and that the numbers of those that were checked
 * rise. */
void tt_check_numbered(natskit_sub sub, const natskit_msg *msg);
/* Takes and checks all that is queued; how many. */
size_t tt_take_all(natskit_sub sub);
/* Flushes; if that went well on the transport of `epoch`, all `sent` messages have to have come or to be
 * counted. */
void tt_expect_all(natskit_conn conn, natskit_sub sub, uint64_t sent, uint64_t epoch);
void tt_check_counts(natskit_sub sub);

/* A command for the tap between the library and the server (tests/README.md). */
void tt_tap(const char *command);
/* For the tap of the servers with TLS. */
void tt_tap_secured(const char *command);

#endif
