/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the chaos of JetStream share: js_chaos.c (the main thread: cluster, faults), js_load.c
 * (publishers and consumers), js_watch.c (writers and watches of a bucket), js_objects.c (who puts and gets
 * objects), js_verdict.c (what the servers hold in the end).
 */
#ifndef TESTS_SOAK_JS_CHAOS_H
#define TESTS_SOAK_JS_CHAOS_H

#include <natskit.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/nats_server.h"

#define Z NATSKIT_ZLEN
#define NO_OPTIONS ((natskit_options){0})
#define NO_HEADERS ((natskit_headers){0})

#define JC_STREAM "ORDERS"
#define JC_BUCKET "state"
#define JC_STORE "files"

enum {
    JC_NODES = 3,
    JC_PUBS = 2,
    JC_TAKERS = 4, /* of three durable consumers: one consume, two that share, fetches */
    JC_DURABLES = 3,
    JC_WRITERS = 2,
    JC_WATCHES = 4,
    JC_KEYS = 100, /* of each writer */
    JC_PUTTERS = 2,
    JC_OBJECTS = 8, /* of each of these */
    JC_GETTERS = 1,
    JC_CALL_MS = 30000,
    JC_SLICE_MS = 50,
};
enum {
    JC_FIRST_TAKER = JC_PUBS,
    JC_FIRST_WRITER = JC_FIRST_TAKER + JC_TAKERS,
    JC_FIRST_PUTTER = JC_FIRST_WRITER + JC_WRITERS,
    JC_FIRST_GETTER = JC_FIRST_PUTTER + JC_PUTTERS,
    JC_FIRST_WATCH = JC_FIRST_GETTER + JC_GETTERS,
    JC_ACTORS = JC_FIRST_WATCH + JC_WATCHES,
};

/* Who does something all the time. `mark` says how far it has come: the highest number acked or taken, or the
 * highest revision; -1 before the first one. */
struct jc_actor {
    char name[24];
    natskit_conn conn;
    natskit_js js;
    natskit_sub sub; /* consume, watch, or what a publisher's messages come to */
    _Atomic int64_t mark;
    _Atomic int64_t last_ms;    /* when something came */
    _Atomic int64_t silence_ms; /* the longest since the fault began */
};

/* The watches: all keys; those of one writer; the history; one that is opened again and again. */
enum { JC_ALL_KEYS, JC_ONE_WRITERS, JC_HISTORY, JC_AGAIN };
enum { JC_ACKED = 1, JC_UNKNOWN = 2, JC_REJECTED = 4 };

struct jc_pub {
    natskit_publisher publisher;
    bool insists; /* publishes again what is not known to be in the stream, with the same id */
    size_t cap;
    _Atomic uint64_t next; /* numbers below it were published */
    uint8_t *state;        /* JC_* of each number; these are of the thread, and of the verdict after it */
    uint64_t *seq;         /* of each acked number */
    uint64_t *again;       /* numbers to be published again */
    size_t again_count;    /* of these */
    uint32_t *number_of;   /* of each id that the library gave */
    uint64_t acked;        /* counts of outcomes */
    uint64_t duplicates;   /* acked, and was there before */
    uint64_t unknown;
    uint64_t rejected;
    natskit_publisher_info info; /* in the end */
};

struct jc_watch {
    uint8_t *seen;     /* each revision that came */
    uint64_t initials; /* INITIAL_DONE */
    uint64_t resets;   /* as the library counts them */
    uint64_t rounds;   /* of the one that is opened again and again */
};

struct jc {
    uint64_t seed;
    struct ts_cluster *cluster;
    natskit_conn admin;
    natskit_conn system;
    natskit_js js;
    struct jc_actor actors[JC_ACTORS];
    struct jc_pub pubs[JC_PUBS];
    _Atomic uint8_t *processed[JC_DURABLES][JC_PUBS]; /* how often each number was taken and acked */
    _Atomic uint64_t redelivered;
    _Atomic uint64_t naked;
    _Atomic uint64_t fetches;
    _Atomic uint64_t fetches_failed; /* which had no leader, no connection or no signs of life */
    struct jc_watch watches[JC_WATCHES];
    size_t revision_cap;
    _Atomic uint64_t *entries;     /* what each revision is, by acks and by watches: jc_note_entry */
    _Atomic uint64_t top_revision; /* acked */
    _Atomic uint64_t writes;       /* numbers that the writers gave */
    _Atomic uint64_t writes_failed;
    _Atomic uint64_t puts;
    _Atomic uint64_t puts_failed;
    _Atomic uint64_t gets;        /* that came to their ends */
    _Atomic uint64_t gets_failed; /* also those whose object was replaced meanwhile */
    atomic_bool stop_publishing;
    atomic_bool stop;
};
extern struct jc jc;

void jc_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define JC_CHECK(condition, ...)                                                                             \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            jc_fail(__VA_ARGS__);                                                                            \
        }                                                                                                    \
    } while (0)

/* What came: the actor lives. A lower mark does not take the higher one away. */
void jc_progress(struct jc_actor *actor, int64_t mark);

natskit_options jc_options(int32_t scope);
void jc_set_int(natskit_options options, const char *name, int64_t value);
void jc_set(natskit_options options, const char *name, const char *value);

/* A call that is made until it succeeds; in its arguments ' stands for ". The answer is to be closed. */
natskit_json jc_call(const char *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
void jc_do(const char *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t jc_number(natskit_json json, const char *path);

/* js_load.c: opens publishers and consumers, and what each of the threads does, with the actor's number. */
void jc_load_open(int64_t seconds);
void *jc_publish(void *index);
void *jc_take(void *index);
void jc_load_close(void);

/* js_watch.c: the same of the bucket. */
void jc_watch_open(int64_t seconds);
void *jc_write(void *index);
void *jc_watch(void *index);
void jc_watch_close(void);
/* Revision `revision` is the entry `number` of a writer: whoever knows of it has to say the same. */
void jc_note_entry(uint64_t revision, uint64_t writer, uint64_t number, const char *who);
/* The writer of a revision. */
uint64_t jc_writer_of(uint64_t revision);

/* js_objects.c: the same of the store. */
void jc_objects_open(void);
void *jc_put(void *index);
void *jc_get(void *index);

/* js_verdict.c: waits for what is still under way, then compares; ends the program if something is wrong. */
struct jc_verdict {
    uint64_t stored;
    uint64_t unknown_stored; /* of those whose outcome stayed unknown */
    uint64_t again;          /* how often a message was processed once more */
    uint64_t revisions;
    uint64_t resets;
    uint64_t chunks_left; /* of puts that failed */
};
/* js_objects.c: each object is what was put last, and chunks are left only where that failed. */
void jc_judge_objects(struct jc_verdict *verdict);
void jc_wait_for_the_rest(void);
struct jc_verdict jc_judge(void);

#endif
