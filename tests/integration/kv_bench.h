/* What the integration tests of key-value buckets share. Used from a test's main thread. */
#ifndef TESTS_INTEGRATION_KV_BENCH_H
#define TESTS_INTEGRATION_KV_BENCH_H

#include "js_bench.h"

/* Makes a bucket of natskit_kv_config, with `more` members of its configuration (',...', ' stands for "), and
 * opens it. */
natskit_kv kb_make(natskit_js js, const char *bucket, const char *more);
natskit_kv kb_open(natskit_js js, const char *bucket);

/* Deletes all buckets that there are. */
void kb_delete_all(natskit_js js);

/* Changes that succeed; the revision. */
uint64_t kb_write(natskit_kv kv, int32_t action, const char *key, const char *value, uint64_t revision);
uint64_t kb_put(natskit_kv kv, const char *key, const char *value);
/* One that does not: its error. */
natskit_error kb_write_fails(natskit_kv kv, natskit_status wanted, int32_t action, const char *key,
                             const char *value, uint64_t revision);

/* A get that gives this value and revision. */
void kb_expect(natskit_kv kv, const char *key, uint64_t which, const char *value, uint64_t revision);
natskit_error kb_get_fails(natskit_kv kv, natskit_status wanted, const char *key, uint64_t which);

/* A watch with options: "keys", "a.*", "history", "true", NULL. */
natskit_sub kb_watch(natskit_kv kv, const char *const *options);
#define KB_WATCH(kv, ...) kb_watch(kv, (const char *const[]){__VA_ARGS__, NULL})

/* The next message of a watch is this entry; NULL as value: a delete, "!": a purge. */
void kb_next(natskit_sub watch, const char *key, const char *value, uint64_t revision);
/* It says that what there was at the begin has come. */
void kb_done(natskit_sub watch);
/* Nothing is there, after all that was published on the connection. */
void kb_nothing(natskit_conn conn, natskit_sub watch);
/* It has ended for this reason, and is closed. */
natskit_error kb_ends(natskit_sub watch, natskit_status reason);

#endif
