/* What the files of the battery share (battery_test.c tells what it is): choices, checks, pools. Any worker.
 */
#ifndef TESTS_CAPI_BATTERY_H
#define TESTS_CAPI_BATTERY_H

#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    THREADS = 4,
    KINDS = NATSKIT_KIND_INGEST + 1,
    POOL = 32,
    MESSAGES = 64,
    SUBJECTS = 16,
    STATUS_MIN = -200,
    DEFAULT_CALLS = 1000000
};

/* What is known of a picked id. */
enum sort { LIVE, DEAD, FOREIGN, FORGED, ZERO };

/* Ids that were opened, and ids whose close has returned. Connections are few, because each costs a
 * handshake. */
struct pool {
    _Atomic uint64_t live[POOL];
    _Atomic uint64_t dead[POOL];
    unsigned size;
};

struct worker {
    pthread_t thread;
    uint64_t random;
    uint64_t calls;
    uint64_t limit;
    uint64_t seen[-STATUS_MIN + 1]; /* how often a status was given */
    uint64_t received;
    char fault[256]; /* the first one */
};

extern _Atomic(natskit_msg *) messages[MESSAGES];
extern char payload[70000];

unsigned below(struct worker *me, unsigned limit);
const char *some_subject(struct worker *me, char room[16], bool pattern);
/* An id of this kind, or one that is none. */
uint64_t pick(struct worker *me, int32_t kind, enum sort *sort);
void fault(struct worker *me, const char *call, uint64_t id, natskit_status status, const char *why);
/* Counts a call and checks that it gave a status. */
natskit_status gave(struct worker *me, const char *call, natskit_status status);
/* The same for a call whose other arguments are all right. */
natskit_status gave_for(struct worker *me, const char *call, uint64_t id, enum sort sort,
                        natskit_status status);
/* Puts a new id into the pool; what had its place is closed. */
void keep(struct worker *me, int32_t kind, uint64_t id);
/* The same for a message. */
void keep_message(struct worker *me, natskit_msg *msg);
natskit_headers some_headers(struct worker *me);
int64_t some_timeout(struct worker *me);

/* battery_json.c */
void step_json(struct worker *me);

/* battery_js.c */
void step_contexts(struct worker *me);
void step_calls(struct worker *me);
void step_keys(struct worker *me);
void step_batches(struct worker *me);
/* Makes the stream of those. */
void begin_ingests(natskit_conn conn);
void step_ingests(struct worker *me);
void step_publishers(struct worker *me);
void step_watch(struct worker *me);
void step_objects(struct worker *me);
/* Makes the object that is read; gives up what it is known by. */
void begin_readers(natskit_conn conn);
void end_readers(void);
void step_readers(struct worker *me);
void step_entry(struct worker *me);

/* battery_service.c */
void step_service(struct worker *me);
void step_discover(struct worker *me);

/* battery_requests.c */
void step_many(struct worker *me);
void step_own(struct worker *me);
void step_edit(struct worker *me);
void step_add_all(struct worker *me);
void step_republish(struct worker *me);
void step_names(struct worker *me);
void step_first(struct worker *me);
void step_op(struct worker *me);
void step_waitset(struct worker *me);
void ack_some(struct worker *me, natskit_msg *msg);

#endif
