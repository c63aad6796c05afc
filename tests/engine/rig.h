/* One engine with a virtual clock and one transport at a time that takes what it is given: for tests that say
 * byte by byte what the server does. What the client writes goes through the strict oracle. One thread. */
#ifndef ENGINE_RIG_H
#define ENGINE_RIG_H

#include "client/engine.h"
#include "support/oracle.h"
#include "support/text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define RIG_EVENTS 64
#define RIG_INFO                                                                                             \
    "INFO "                                                                                                  \
    "{\"server_id\":\"A\",\"version\":\"2.10.0\",\"proto\":1,\"headers\":true,\"max_payload\":1048576}\r\n"
#define RIG_PONG "PONG\r\n"
#define RIG_MS(ms) ((int64_t)(ms)*NKI_NS_PER_MS)

struct rig_event {
    int32_t type;
    int32_t status;
    uint64_t count;
    uint64_t request;
    int64_t delay_ms;
    int64_t now_ns;
    char subject[64];
    char text[256];
};

struct rig {
    struct nki_engine engine;
    struct nki_stream stream; /* of the present transport */
    struct nki_op *connect_op;
    struct nki_sub *events_sub;
    struct ts_oracle *oracle;
    struct ts_buf written; /* by the client, on the present transport */
    int64_t now_ns;
    uint64_t bytes_before;
    uint64_t msgs_before;
    int dials;
    int64_t dialed_ns[64];
    char dialed[64][64]; /* host of each dial */
    bool refuse;         /* dials fail at once */
    bool silent;         /* dials are not answered */
    bool deaf;           /* the socket takes nothing */
    bool has_stream;
    bool tls_wanted;     /* by the engine, on the present transport: rig_secure */
    bool upgrade_wanted; /* the same: rig_upgrade */
    bool right;
    struct rig_event events[RIG_EVENTS];
    size_t event_count;
};

/* Begins to connect to `urls`; `settings`: pairs of option name and value, NULL at the end, or NULL. */
struct rig *rig_new(const char *urls, const char *const *settings, int64_t connect_timeout_ms);
/* Closes if that has not happened, checks that nothing leaks. */
void rig_free(struct rig *rig);
/* Does what the engine wants, takes its events. After each call of the engine. */
void rig_settle(struct rig *rig);
/* The server says something: in one piece, or in pieces of `step` bytes. */
void rig_say(struct rig *rig, const char *text);
void rig_say_bytes(struct rig *rig, const void *data, size_t len, size_t step);
/* The TLS handshake that is wanted is done: what is written from now on goes through it. */
void rig_secure(struct rig *rig);
void rig_upgrade(struct rig *rig);
/* The server closes the connection. */
void rig_eof(struct rig *rig);
/* Time goes on to `at`, with a tick at each deadline on the way. */
void rig_until(struct rig *rig, int64_t at_ns);
void rig_pass(struct rig *rig, int64_t ms);
/* Connects: says INFO and PONG. */
void rig_hello(struct rig *rig);
/* INFO, PONG and a probe that a subscription must get: whether the present transport lives. */
bool rig_connected(const struct rig *rig);
int32_t rig_connect_status(struct rig *rig);
/* The last event of a type, or NULL. */
const struct rig_event *rig_event(const struct rig *rig, int32_t type);
int rig_event_count(const struct rig *rig, int32_t type);
/* Whether the client has written `text` on this transport. */
bool rig_wrote(const struct rig *rig, const char *text);

struct nki_sub *rig_subscribe(struct rig *rig, const char *subject, uint64_t max);
/* Takes one message; its data to `out` (NUL-terminated). False if there is none. */
bool rig_take(struct nki_sub *sub, char *out, size_t cap);
int32_t rig_end_reason(struct nki_sub *sub);
void rig_publish(struct rig *rig, const char *subject, const char *data);
struct nki_op *rig_flush(struct rig *rig, int64_t timeout_ms);
struct nki_op *rig_request(struct rig *rig, int64_t timeout_ms, char *reply, size_t cap);
int32_t rig_op_status(struct nki_op *op);

#endif
