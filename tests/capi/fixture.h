/* What the tests of the C ABI share: cmocka, a connection that needs no server, a server, and the checks that
 * everything was given back. Used from a test's main thread unless it says otherwise. */
#ifndef TESTS_CAPI_FIXTURE_H
#define TESTS_CAPI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four headers above it */
#include <cmocka.h>

#include <natskit.h>

#include <stdbool.h>

#define Z NATSKIT_ZLEN
#define NO_OPTIONS ((natskit_options){0})
#define NO_HEADERS ((natskit_headers){0})
#define SECONDS INT64_C(1000)

/* assert_int_equal with the names of the statuses. */
void fx_status(natskit_status got, natskit_status wanted, const char *file, int line);
#define assert_status(got, wanted) fx_status((got), (wanted), __FILE__, __LINE__)
#define assert_ok(got) fx_status((got), NATSKIT_OK, __FILE__, __LINE__)

/* "TIMEOUT"; any thread. */
const char *fx_status_name(natskit_status status);

/* A connection that stays in state CONNECTING: its server accepts and says nothing. `op` as connect_start
 * gives it. */
natskit_conn fx_silent_conn(natskit_op *op);

/* The url of a real server, started when first asked for; the test is skipped if there is no program. */
const char *fx_server_url(void);
struct ts_server *fx_server(void);
/* A connection to it. */
natskit_conn fx_connect(void);
/* Makes a stream of the messages to `subject`, and a consumer that delivers them to `deliver`, and wants no
 * acks: so the server knows nothing of those that are sent, and whoever subscribes to "$JS.ACK.>" gets them.
 * What the stream held before is gone. */
void fx_deliver(natskit_conn conn, const char *stream, const char *subject, const char *deliver);
/* Makes a bucket in memory, or gives that of an earlier test. */
void fx_bucket(natskit_conn conn, const char *bucket);
/* Makes a stream of this configuration, or gives that of an earlier test. */
void fx_stream(natskit_conn conn, const char *stream, const char *config);
/* Ends the server; called once at the end of main. */
void fx_server_end(void);

/* Waits until `count` messages in all have reached the subscription's queue (or were dropped by it). */
void fx_wait_received(natskit_sub sub, uint64_t count);

/* Threads of this process. */
int fx_threads(void);
/* Open descriptors of this process. */
int fx_descriptors(void);

/* Remembers threads and descriptors; fx_check_clean shuts the library down and checks that they and all
 * counters are back. For cmocka's setup and teardown of a test. */
int fx_mark(void **state);
int fx_check_clean(void **state);

/* Whether `len` bytes at `at` are this text. */
bool fx_is(const void *at, size_t len, const char *text);

#endif
