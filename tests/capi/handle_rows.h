/* Two tables for handle_test.c: one call for each handle parameter of a public function, and one call for
 * each way to pass a bad argument. One thread. */
#ifndef TESTS_CAPI_HANDLE_ROWS_H
#define TESTS_CAPI_HANDLE_ROWS_H

#include "fixture.h"

/* What the calls are made with, apart from the handle in question; handle_test.c opens them. */
extern natskit_options options;
extern natskit_headers headers;
extern natskit_conn conn;
extern natskit_sub sub;
extern natskit_conn drained;
extern natskit_op op;
extern natskit_waitset waitset;
extern natskit_json json;
extern natskit_js js;
extern natskit_kv kv;
extern natskit_service service;
extern natskit_object_store store;
extern natskit_object_writer writer;
extern natskit_publisher publisher;
extern natskit_ingest ingest;
extern natskit_batch batch;
extern natskit_msg *received; /* from a connection that is closed */

/* What they write to. */
extern natskit_error error;
extern natskit_sub new_sub;
extern natskit_op new_op;
extern natskit_conn new_conn;

struct row {
    const char *name; /* of the public function */
    int32_t kind;
    natskit_status (*call)(uint64_t id);
    bool optional; /* {0} means none */
    bool either;   /* takes ids of subscriptions and of operations */
};

struct bad {
    const char *name;
    natskit_status (*call)(void);
};

extern const struct row rows[];
extern const size_t row_count;
/* Each must give NATSKIT_INVALID. */
extern const struct bad bads[];
extern const size_t bad_count;

#endif
