/* What the integration tests of object stores share. Used from a test's main thread. */
#ifndef TESTS_INTEGRATION_OBJECT_BENCH_H
#define TESTS_INTEGRATION_OBJECT_BENCH_H

#include "js_bench.h"

#define NO_META ((natskit_json){0})

/* Makes a store of natskit_object_store_config, with `more` members of its configuration (',...', ' stands
 * for
 * "), and opens it. */
natskit_object_store ob_make(natskit_js js, const char *bucket, const char *more);
natskit_object_store ob_open(natskit_js js, const char *bucket);

/* Bytes that depend on their place and the seed. Freed by the caller. */
uint8_t *ob_bytes(size_t size, unsigned seed);

/* Puts that succeed, and their revision. */
uint64_t ob_put(natskit_object_store store, const char *name, const void *data, size_t len);
uint64_t ob_put_text(natskit_object_store store, const char *name, const char *text);

/* What an object is: the caller's reference, with its view. */
natskit_msg *ob_info(natskit_object_store store, const char *name, uint32_t flags, natskit_object_view *view);
natskit_error ob_info_fails(natskit_object_store store, natskit_status wanted, const char *name,
                            uint32_t flags);

/* Reads an object whole: NATSKIT_OK, or what ends the reading. `*data` (freed by the caller) is what was
 * given. */
natskit_status ob_get(natskit_object_store store, const char *name, uint8_t **data, size_t *len,
                      natskit_error *err);
/* It has this content. */
void ob_expect(natskit_object_store store, const char *name, const void *data, size_t len);
void ob_expect_text(natskit_object_store store, const char *name, const char *text);

/* Messages of the store's stream, and of those chunks. */
uint64_t ob_chunks(natskit_js js, const char *bucket);

#endif
