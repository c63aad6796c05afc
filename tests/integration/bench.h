/* What the integration tests share: one real server behind one tap, whose strict parser reads every byte that
 * the library writes. Used from a test's main thread. */
#ifndef TESTS_INTEGRATION_BENCH_H
#define TESTS_INTEGRATION_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four headers above it */
#include <cmocka.h>

#include <natskit.h>

#include <pthread.h>
#include <stdbool.h>

#include "support/nats_server.h"
#include "support/tap.h"
#include "support/text.h"

#define Z NATSKIT_ZLEN
#define NO_OPTIONS ((natskit_options){0})
#define NO_HEADERS ((natskit_headers){0})
#define WAIT_MS INT64_C(20000) /* for what comes at once on an idle machine */

#define assert_status(got, wanted) bench_status((got), (wanted), __FILE__, __LINE__)
#define assert_ok(got) bench_status((got), NATSKIT_OK, __FILE__, __LINE__)
void bench_status(natskit_status got, natskit_status wanted, const char *file, int line);

struct bench {
    struct ts_server *server;
    struct ts_tap *tap;
};
extern struct bench bench;

/* cmocka's group setup and teardown: server and tap; the teardown shuts the library down, checks that nothing
 * of it is left, and that the tap saw nothing but the protocol. The setup skips the program if there is no
 * server. */
int bench_begin(void **state);
int bench_end(void **state);

/* The part of the teardown that needs no server: nothing of the library is left. */
int bench_check_clean(void **state);

/* Whether the servers are spoken to by "ws" or "wss" instead of "nats" (NATSKIT_TEST_SCHEME). */
bool bench_scheme_is(const char *scheme);
natskit_conn bench_connect(void);
natskit_conn bench_connect_with(natskit_options options);
natskit_sub bench_subscribe(natskit_conn conn, const char *subject, const char *queue);
void bench_publish(natskit_conn conn, const char *subject, const char *text);
/* The next message's data are `text`. */
void bench_expect(natskit_sub sub, const char *text);
/* Answers each request to "echo" with "!", in a thread of its own, on a connection that others may use, too.
 */
struct bench_echo {
    natskit_conn conn;
    natskit_sub sub;
    pthread_t thread;
};
void bench_echo_start(struct bench_echo *echo, const char *url);
void bench_echo_stop(struct bench_echo *echo);
/* Waits for an event of this type, releasing those before it. */
void bench_expect_event(natskit_sub events, int32_t type);

#endif
