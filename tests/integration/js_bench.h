/* What the integration tests of JetStream share: calls with arguments as text, and looks into their answers.
 * In all texts of JSON ' stands for ". Used from a test's main thread. */
#ifndef TESTS_INTEGRATION_JS_BENCH_H
#define TESTS_INTEGRATION_JS_BENCH_H

#include "bench.h"

#define NO_ARGS ((natskit_json){0})

natskit_js jb_open(natskit_conn conn);
/* With one option of scope JETSTREAM. */
natskit_js jb_open_with(natskit_conn conn, const char *option, const char *value);

/* A document of a text. */
natskit_json jb_json(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes a call that succeeds, and gives its answer. */
natskit_json jb_call(natskit_js js, const char *call, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, and closes the answer. */
void jb_do(natskit_js js, const char *call, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Makes a call that ends with this status; gives its error. */
natskit_error jb_fails(natskit_js js, natskit_status wanted, const char *call, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Begins one. */
natskit_op jb_start(natskit_js js, const char *call, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The value at a path as compact text, in a buffer that the next call uses again; "" if there is nothing. */
const char *jb_at(natskit_json json, const char *path);
uint64_t jb_number(natskit_json json, const char *path);
size_t jb_size(natskit_json json, const char *path);
/* Fails unless the value is this text ('' as above). */
#define assert_at(json, path, text) jb_assert_at((json), (path), (text), __FILE__, __LINE__)
void jb_assert_at(natskit_json json, const char *path, const char *text, const char *file, int line);

/* Waits until JetStream of the server answers: after it was started anew. */
void jb_wait_ready(natskit_js js);

/* Waits until `condition(arg)` or fails after WAIT_MS. */
void jb_wait(bool (*condition)(void *arg), void *arg);

/* Waits until the server has sent what it may while nothing is taken, which must be less than all. */
void jb_wait_stalled(natskit_conn conn, natskit_sub sub, uint64_t less_than);

#endif
