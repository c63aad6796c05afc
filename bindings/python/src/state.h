/* SPDX-License-Identifier: Apache-2.0
 *
 * What every source of the extension shares: the state of one module object, the layout of its types, and the
 * functions between the files. The extension uses the limited API of Python 3.11 and natskit.h, nothing else.
 *
 * Rules: no static or global Python object (an interpreter may load the module again, and others beside it);
 * instance data is reached through DATA() alone; fields are guarded by the GIL, which is released only around
 * calls of natskit that wait or copy much; nothing here runs on a thread that Python did not make.
 */
#ifndef NKPY_STATE_H
#define NKPY_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <natskit.h>

#include <stdbool.h>
#include <stdint.h>

/* The one way from an object to its data. Where object headers are opaque (free-threaded stable ABI), this
 * becomes PyObject_GetTypeData and NKPY_HEAD becomes empty; so nothing may lean on the cast. */
#define NKPY_HEAD PyObject_HEAD
#define DATA(type, object) ((type *)(object))

/* From this size on a payload is copied with the GIL released. */
#define NKPY_LARGE ((Py_ssize_t)65536)
/* So many messages an iterator takes at once from the core's queue. */
#define NKPY_AHEAD 64
/* A wait without deadline, in milliseconds. */
#define NKPY_FOREVER ((int64_t)-1)

/* The two faces: awaitables, or calls that block. */
enum { FACE_ASYNC, FACE_SYNC, FACES };

/* Strings that are needed often: interned once per module. Also the names of keyword parameters. */
#define NKPY_NAMES(X)                                                                                        \
    X(subject)                                                                                               \
    X(payload)                                                                                               \
    X(reply)                                                                                                 \
    X(headers)                                                                                               \
    X(timeout)                                                                                               \
    X(n)                                                                                                     \
    X(limit)                                                                                                 \
    X(data)                                                                                                  \
    X(linger)                                                                                                \
    X(credentials)                                                                                           \
    X(delay)                                                                                                 \
    X(messages)                                                                                              \
    X(call_later)                                                                                            \
    X(call_soon_threadsafe)                                                                                  \
    X(add_reader)                                                                                            \
    X(remove_reader)                                                                                         \
    X(is_closed)                                                                                             \
    X(cancel)                                                                                                \
    X(get)                                                                                                   \
    X(items)                                                                                                 \
    X(status)                                                                                                \
    X(server_code)                                                                                           \
    X(err_code)                                                                                              \
    X(errno)                                                                                                 \
    X(outcome)                                                                                               \
    X(published)                                                                                             \
    X(main_thread)                                                                                           \
    X(ident)                                                                                                 \
    X(msg)                                                                                                   \
    X(json)                                                                                                  \
    X(trace_destination)                                                                                     \
    X(reason)                                                                                                \
    X(trace_only)                                                                                            \
    X(own_sub)                                                                                               \
    X(wait_reconnect)                                                                                        \
    X(major)                                                                                                 \
    X(minor)                                                                                                 \
    X(patch)                                                                                                 \
    X(total_seconds)                                                                                         \
    X(expected_last_msg_id)                                                                                  \
    X(increment)                                                                                             \
    X(schedule)                                                                                              \
    X(schedule_target)                                                                                       \
    X(schedule_source)                                                                                       \
    X(schedule_ttl)                                                                                          \
    X(schedule_time_zone)                                                                                    \
    X(schedule_rollup)                                                                                       \
    X(unschedule)                                                                                            \
    X(expected_last_subject)                                                                                 \
    X(expected_last_subject_seq)                                                                             \
    X(expected_last_seq)                                                                                     \
    X(msg_id)                                                                                                \
    X(msg_ttl)                                                                                               \
    X(stream)                                                                                                \
    X(call_soon)                                                                                             \
    X(callback)                                                                                              \
    X(context)                                                                                               \
    X(run)                                                                                                   \
    X(_turn)                                                                                                 \
    X(_finished)                                                                                             \
    X(_dispatch)                                                                                             \
    X(__await__)

enum {
#define NKPY_ENUM(name) NAME_##name,
    NKPY_NAMES(NKPY_ENUM)
#undef NKPY_ENUM
        NAMES
};

typedef struct State {
    /* One for the module, one for each instance: destructors may run after the module was cleared, then they
     * find the objects below gone, but not the memory. */
    Py_ssize_t refs;

    PyTypeObject *msg_type[FACES];
    PyTypeObject *conn_type[FACES];
    PyTypeObject *sub_type[FACES];
    PyTypeObject *events_type[FACES];
    PyTypeObject *event_type;
    PyTypeObject *headers_type;
    PyTypeObject *ready_type;
    PyTypeObject *next_type;
    PyTypeObject *loop_type[FACES];
    PyTypeObject *hold_type;
    PyTypeObject *finish_type;
    PyTypeObject *reactor_type;
    PyTypeObject *waiting_type;
    PyTypeObject *js_type[FACES];
    PyTypeObject *status_type;
    PyTypeObject *ack_type;
    PyTypeObject *outcome_type;
    PyTypeObject *publisher_type[FACES];
    PyTypeObject *kv_type[FACES];
    PyTypeObject *batch_type[FACES];
    PyTypeObject *ingest_type[FACES];
    PyTypeObject *entry_type;
    PyTypeObject *service_type;
    PyTypeObject *object_store_type[FACES];
    PyTypeObject *object_writer_type[FACES];
    PyTypeObject *object_reader_type[FACES];
    PyTypeObject *object_info_type;
    PyTypeObject *watcher_type[FACES];
    PyTypeObject *stored_type;
    PyTypeObject *reading_type[FACES];

    PyObject *names[NAMES];
    PyObject *errors;         /* dict: status -> exception class; set by natskit.errors */
    PyObject *error_base;     /* natskit.errors.Error */
    PyObject *sub_closed;     /* natskit.errors.SubscriptionClosedError */
    PyObject *bad_subject;    /* natskit.errors.BadSubjectError */
    PyObject *outbox_full;    /* natskit.errors.OutboundBufferLimitError */
    PyObject *key_wrong_last; /* natskit.errors.KeyWrongLastSequenceError */
    PyObject *later;          /* natskit._later.later: sends once the outbox has room */
    PyObject *json_encode;    /* natskit._later.json_encode and json_decode */
    PyObject *json_decode;
    PyObject *handler_failed; /* natskit._handlers.failed: what a handler has raised */
    PyObject *handler_start;  /* natskit._handlers.start: a task for a handler */
    PyObject *handler_cancel; /* natskit._handlers.cancel: those tasks, but for the one that runs */
    PyObject *auth_pairs;     /* natskit._auth.pairs: credentials as options of scope AUTH */
    PyObject *moment;         /* natskit._metadata.moment: nanoseconds as a datetime */
    PyObject *metadata;       /* natskit._metadata.metadata: what a message tells of its delivery */
    PyObject *health;         /* natskit._health.health: what a look at something tells */
    PyObject *done;           /* Ready with the value None: what most awaits of ours are given */
    PyObject *settle;         /* module function _settle(future) */

    PyObject *running_loop; /* asyncio.get_running_loop, from the first wait on */
    PyObject *reactors;     /* WeakKeyDictionary: event loop -> Reactor */
    PyObject *last_loop;    /* weak reference to the loop of last_reactor */
    PyObject *last_reactor; /* borrowed: a reactor that dies takes itself out */

    natskit_headers spare; /* a set of headers to be filled and sent, or {0} while in use */
    Py_ssize_t open_conns; /* with the last one the spare set is closed, too */
} State;

/* Puts a new reference into a field and drops the one that was there, in this order. */
static inline void set_ref(PyObject **field, PyObject *value)
{
    PyObject *old = *field;
    *field = value;
    Py_XDECREF(old);
}

static inline PyObject *name_of(const State *st, int name)
{
    return st->names[name];
}

/* ---------------------------------------------------------------------------------------------- errors.c */

/* Raise the exception of a status; `err` may be NULL; always give NULL. */
void *raise_status(State *st, natskit_status status, const natskit_error *err);
void *raise_text(State *st, natskit_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void *raise_class(State *st, PyObject *cls, natskit_status status, const natskit_error *err);
/* The exception as an object that is not raised; for reasons and events. */
PyObject *error_object(State *st, natskit_status status, const natskit_error *err);
PyObject *error_make(State *st, PyObject *cls, natskit_status status, const natskit_error *err);
/* Adds an attribute to the exception that is being raised. */
void error_annotate(State *st, int name, PyObject *value);
/* auth.c: functions of the module. */
PyObject *auth_nkey_create(PyObject *module, PyObject *role);
PyObject *auth_nkey_public(PyObject *module, PyObject *seed);
PyObject *auth_nkey_sign(PyObject *module, PyObject *args);
PyObject *auth_nkey_verify(PyObject *module, PyObject *args);
PyObject *auth_jwt_issue_user(PyObject *module, PyObject *args);
PyObject *auth_jwt_expiry(PyObject *module, PyObject *jwt);
PyObject *auth_creds_format(PyObject *module, PyObject *args);

PyObject *errors_statuses(PyObject *module, PyObject *unused);
PyObject *errors_install(PyObject *module, PyObject *args);

/* Where something comes from and goes to: the connection, its face, and what a full outbox means there. */
typedef struct Via {
    natskit_conn conn;
    int face;
    bool fails; /* option outbox_full is "fail": no call waits for room */
} Via;

/* ------------------------------------------------------------------------------------------------ args.c */

/* A function's parameters: interned names, the first `required` of which must be there. */
typedef struct Signature {
    const char *function;
    int count;
    int required;
    int positional;
    int names[20];
} Signature;

/* Matches the arguments of a METH_FASTCALL | METH_KEYWORDS call; `out` gets borrowed references or NULL. */
int match(const State *st, const Signature *sig, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
          PyObject **out);

typedef struct Text {
    const char *data;
    size_t len;
    PyObject *owner; /* NULL if the str itself owns the bytes */
} Text;

/* From str; `missing` is what NULL or None stands for (NULL: it must be there). */
int text_arg(State *st, PyObject *value, const char *what, const char *missing, Text *out);
void text_done(Text *text);
PyObject *text_new(const char *data, size_t len);

typedef struct Payload {
    const void *data;
    size_t len;
    Py_buffer view;
    bool held;
} Payload;

/* From bytes, str (as UTF-8) or anything with a contiguous buffer; NULL is empty. */
int payload_arg(State *st, PyObject *value, Payload *out);
void payload_done(Payload *payload);

/* Seconds to milliseconds: None is for ever, NULL is `missing_ms`. */
int timeout_arg(State *st, PyObject *value, int64_t missing_ms, int64_t *out);
/* The same for a pause, which has an end. */
int delay_arg(State *st, PyObject *value, int64_t *out);
int count_arg(State *st, PyObject *value, const char *what, uint64_t missing, uint64_t *out);

/* What publish, request and respond have in common: subject, reply, payload and headers, ready for a call. */
typedef struct Sending {
    Text subject;
    Text reply;
    Payload payload;
    natskit_headers headers;
    bool borrowed; /* the headers are an object's of the caller */
} Sending;

void sending_done(State *st, Sending *send);

/* From None, a Headers object, whose handle is sent as it is, a message, a mapping of str to str or to a
 * sequence of str, or an iterable of pairs. */
int headers_arg(State *st, PyObject *value, Sending *send);
void headers_done(State *st, Sending *send);
/* Appends all of that to a set. */
int headers_add_from(State *st, natskit_headers headers, PyObject *value);

/* Parameters that change payload and headers: json, trace_destination, trace_only, in this order. */
enum { MORE_JSON, MORE_TRACE_DESTINATION, MORE_TRACE_ONLY };
#define MORE_NAMES NAME_json, NAME_trace_destination, NAME_trace_only

typedef struct More {
    PyObject *payload; /* owned, or NULL */
    PyObject *headers;
} More;

/* Puts what they make into `*payload` and `*headers`, which are borrowed from `more` then. */
int more_arg(State *st, PyObject *const *extra, PyObject **payload, PyObject **headers, More *more);
void more_done(More *more);

/* ----------------------------------------------------------------------------------------------- block.c */

int64_t now_ns(void);
/* A deadline on the monotonic clock in nanoseconds, and what is left of it; for ever stays for ever. */
int64_t deadline_of(int64_t timeout_ms);
int64_t left_ms(int64_t deadline_ns);

/* Calls `wait` with the GIL released, in slices, until it gives anything but NATSKIT_TIMEOUT and
 * NATSKIT_WOULD_BLOCK or the time is over; between slices signals are served. -1 if a signal's handler
 * raised. */
typedef natskit_status (*block_fn)(void *arg, int64_t slice_ms);
int block(State *st, block_fn wait, void *arg, int64_t timeout_ms, natskit_status *status);

/* --------------------------------------------------------------------------------------------- reactor.c */

struct Waiter;
struct Reactor;
struct Sub;

/* Something that a waitset can report, with those who await it. Part of a subscription or an operation. */
typedef struct Source {
    uint64_t object;         /* the handle's id */
    struct Reactor *reactor; /* owned; NULL while no wait happened */
    uint32_t slot;
    struct Waiter *first;
    struct Waiter *last;
    struct Sub *handles; /* the subscription, if it has a handler: then it gets turns */
} Source;

/* One suspended await. Part of an awaitable. */
typedef struct Waiter {
    struct Waiter *prev;
    struct Waiter *next;
    Source *source; /* NULL while not in a list */
    PyObject *future;
    PyObject *timer;
} Waiter;

/* Suspends: gives what is to be yielded to the event loop (a new reference). `timeout_ms` -1: no timer.
 * Who was woken for nothing goes to the `front` of those who wait, where it was. */
PyObject *waiter_suspend(State *st, Waiter *waiter, Source *source, int64_t timeout_ms, bool front);
/* Ends the suspension, whatever the reason. */
void waiter_leave(State *st, Waiter *waiter);
int waiter_traverse(Waiter *waiter, visitproc visit, void *arg);
/* Wakes the first who waits, who goes on at once: to be called by a callback of the loop, while no task runs.
 * Who was woken and took something, or gave up, wakes the next; who found nothing does not. */
int source_wake(Source *source);
/* The same from anywhere in the loop's thread: who waits goes on in the loop's next round. An exception that
 * is set stays. */
void source_pass_on(Source *source);
/* Wakes all, from any thread. */
void source_wake_all(State *st, Source *source);
/* Takes the source out of its loop's waitset; every waiter has left or is abandoned. */
void source_detach(Source *source);
/* For a subscription with a handler: brings it into the running loop's waitset; arms it anew; gives it a
 * turn. */
int source_watch(State *st, Source *source);
void source_arm(Source *source);
int source_turn(struct Sub *sub);
/* After natskit_shutdown: every await finds its object closed. */
int reactor_wake_everything(State *st);
int reactor_init(PyObject *module, State *st);

/* --------------------------------------------------------------------------------------------- waiting.c */

/* What waiter_suspend gives. */
PyObject *waiting_new(State *st, PyObject *loop);
/* The task goes on: now, which only a callback of the loop may ask for; or in the loop's next round. */
int waiting_run(PyObject *waiting);
int waiting_soon(PyObject *waiting);
/* _settle(waiting): waiting_run, for timers and other threads. */
PyObject *waiting_settle(PyObject *module, PyObject *waiting);
int waiting_init(PyObject *module, State *st);

/* ------------------------------------------------------------------------------------------------ wait.c */

/* How long awaits may go on without suspending: 128 of them, or a millisecond. */
typedef struct Budget {
    int left;
    int step;     /* awaits between two looks at the clock */
    int to_check; /* awaits until the next look */
    int64_t since;
    int64_t last;
} Budget;

void budget_reset(Budget *budget);
bool budget_spent_slow(Budget *budget);

static inline bool budget_spent(Budget *budget)
{
    budget->left--;
    if (--budget->to_check > 0 && budget->left > 0)
        return false;
    return budget_spent_slow(budget);
}

/* An awaitable that has its value (a reference is taken over) and suspends once first if asked to. */
PyObject *ready_new(State *st, PyObject *value, bool pause);
/* The end of a call that did not wait: None when blocking, an awaitable of None for asyncio. */
PyObject *face_done(State *st, int face);
PyObject *face_value(State *st, int face, PyObject *value);
/* What an operation gives: None, its message, its duration in seconds, why the connection has ended, its
 * document, decoded, or the ack of a stream; of keys an entry, or a revision. */
enum {
    GIVE_NONE,
    GIVE_MSG,
    GIVE_SECONDS,
    GIVE_REASON,
    GIVE_JSON,
    GIVE_ACK,
    GIVE_ENTRY,
    GIVE_REVISION,
    GIVE_STORED,
    GIVE_OBJECT
};
/* The end of a call that began an operation: waits for it, or gives an awaitable that does. Owns `op` from
 * here on. `timeout_ms` is for operations without a deadline of their own. */
PyObject *face_finish(State *st, const Via *via, natskit_op op, int gives);
/* "rejected" and so on; NULL without an exception for what is no outcome. */
PyObject *outcome_name(int32_t outcome);
PyObject *face_finish_within(State *st, const Via *via, natskit_op op, int gives, int64_t timeout_ms);
int wait_init(PyObject *module, State *st);

/* The coroutine protocol for awaitables of ours: each is one function that goes on until it has to suspend.
 */
typedef PySendResult (*wait_step)(PyObject *self, PyObject **result);
PyObject *wait_send(PyObject *self, wait_step step); /* the method `send` */
PyObject *wait_next(PyObject *self, wait_step step); /* the slot tp_iternext */
PyObject *wait_raise(PyObject *args);                /* what `throw` was given */

/* ------------------------------------------------------------------------------------------------- msg.c */

/* A message or, for the type Event, an event. The text fields are made when first asked for. */
typedef struct Msg {
    NKPY_HEAD
    State *st;
    natskit_msg *msg;
    Via via; /* where `respond` looks for room, and an event is answered */
    PyObject *subject;
    PyObject *reply; /* of an entry: natskit._codec.Codecs, or NULL */
    PyObject *data;
} Msg;

/* Makes the object for a message taken from the core; takes the reference over, also on failure. */
PyObject *msg_new(State *st, const Via *via, natskit_msg *msg);
int msg_init(PyObject *module, State *st);

/* ----------------------------------------------------------------------------------------------- event.c */

PyObject *event_new(State *st, const Via *via, natskit_msg *msg);
int event_init(PyObject *module, State *st);

/* --------------------------------------------------------------------------------------------- headers.c */

typedef struct Headers {
    NKPY_HEAD
    State *st;
    natskit_msg *msg;       /* of a received message; NULL for those that a program made */
    natskit_headers handle; /* of the latter */
    bool filled;            /* whether there are any in `handle` */
} Headers;

PyObject *headers_new(State *st, natskit_msg *msg);
/* An empty set, to be changed and sent. */
PyObject *headers_open(State *st);
/* Appends what is in a Headers object. */
int headers_fill(State *st, natskit_headers handle, PyObject *value);
int headers_init(PyObject *module, State *st);

/* ------------------------------------------------------------------------------------------------ conn.c */

/* Subscriptions that are to have a turn. */
typedef struct TurnList {
    struct Sub *first;
    struct Sub *last;
} TurnList;

typedef struct Conn {
    NKPY_HEAD
    State *st;
    natskit_conn handle;
    Via via;
    bool closed;
    Budget budget;
    PyObject *handled;       /* dict: number of a subscription with a handler -> the subscription; or NULL */
    natskit_waitset waitset; /* of those, for the blocking face */
    TurnList turns;          /* of those, what dispatch() has to do first */
    /* As it was when it was closed: */
    natskit_conn_stats last_stats;
    natskit_error *end; /* why it had ended before that, or NULL */
} Conn;

struct Sub;
int conn_handled_add(Conn *conn, struct Sub *sub);
int conn_handled_drop(Conn *conn, const struct Sub *sub);
/* _dispatch(timeout): calls handlers of the blocking face; how many messages were handled. */
PyObject *conn_dispatch(PyObject *self, PyObject *timeout);
/* Ends every subscription that has a handler. */
int conn_handled_close(Conn *conn);
void conn_handled_clear(Conn *conn);
int conn_init(PyObject *module, State *st);

/* --------------------------------------------------------------------------------------------- publish.c */

PyObject *conn_publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *conn_publish_batch(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *conn_request(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *msg_respond(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
/* The same once there may be room; for natskit._later. */
PyObject *conn_publish_now(PyObject *self, PyObject *args);
PyObject *conn_publish_batch_now(PyObject *self, PyObject *args);
PyObject *conn_request_now(PyObject *self, PyObject *args);
PyObject *msg_respond_now(PyObject *self, PyObject *args);
PyObject *conn_request_many(PyObject *self, PyObject *args);
/* The subscription of a request for many replies, as an object. */
PyObject *many_object(State *st, PyObject *self, natskit_sub sub);
PyObject *conn_more(PyObject *self, PyObject *args);
PyObject *conn_publish_msg(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *conn_forward_now(PyObject *self, PyObject *args);
PyObject *msg_republish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *msg_forward_now(PyObject *self, PyObject *args);

/* What the senders share. */
int sending_arg(State *st, Sending *send, PyObject *subject, PyObject *payload, PyObject *reply,
                PyObject *headers);
/* Bytes that a message may need in the outbox; too little only means to ask once more. */
size_t sending_size(const Sending *send);
/* Without the GIL: waits for room for a message; NATSKIT_WOULD_BLOCK: try again. */
natskit_status wait_room(natskit_conn conn, size_t bytes, int64_t slice_ms);
natskit_status sending_wait_room(natskit_conn conn, const Sending *send, int64_t slice_ms);
/* NATSKIT_INVALID of a publish: it has only the subjects to complain of, and tells why when asked. */
void *raise_subject(State *st, const Sending *send);
/* What is neither success nor NATSKIT_INVALID. */
void *raise_refused(State *st, natskit_status status, const natskit_error *err);
/* The coroutine that repeats `method` of `self`, with `args` (taken over) and the time left, once there may
 * be room for `size` bytes in the outbox. */
PyObject *later(State *st, PyObject *self, const char *method, PyObject *args, size_t size,
                int64_t timeout_ms);
PyObject *or_none(PyObject *object);
/* _room(size, timeout): waits until the outbox has room; for asyncio an awaitable. */
PyObject *room_wait(State *st, const Via *via, PyObject *args);

/* ------------------------------------------------------------------------------------------------- ack.c */

PyObject *msg_ack(PyObject *self, PyObject *unused);
PyObject *msg_nak(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *msg_in_progress(PyObject *self, PyObject *unused);
PyObject *msg_term(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *msg_ack_sync(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *conn_ack_batch(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
/* The same once there may be room; for natskit._later. */
PyObject *msg_ack_now(PyObject *self, PyObject *args);
PyObject *msg_ack_sync_now(PyObject *self, PyObject *args);
PyObject *conn_ack_batch_now(PyObject *self, PyObject *args);
PyObject *conn_health(PyObject *self, PyObject *unused);
PyObject *sub_health(PyObject *self, PyObject *unused);
PyObject *msg_get_metadata(PyObject *self, void *unused);
PyObject *msg_get_origin(PyObject *self, void *unused);
PyObject *msg_get_counter(PyObject *self, void *unused);
PyObject *msg_get_counter_sources(PyObject *self, void *unused);
/* An int of digits, perhaps behind a '-'; None of no or too many. */
PyObject *digits_int(const char *digits, size_t len);
PyObject *msg_get_is_acked(PyObject *self, void *unused);

/* ------------------------------------------------------------------------------------------------- sub.c */

typedef struct Handling Handling;

typedef struct Sub {
    NKPY_HEAD
    State *st;
    natskit_sub handle;
    Source source;
    PyObject *conn; /* keeps the connection open; NULL for events that shall not */
    Via via;
    PyObject *subject;
    PyObject *queue;
    PyObject *codecs;    /* of entries: natskit._codec.Codecs, or NULL */
    PyObject *next_idle; /* an awaitable of __anext__ that can be used again, or NULL */
    natskit_msg **ahead; /* taken from the core's queue and not yet given to anybody; NULL before the first */
    int ahead_first;
    int ahead_count;
    size_t holders; /* loops that run, and Holds */
    bool held;      /* the core was told so: there are holders, or the look-ahead is not empty */
    bool events;
    bool many;     /* replies to one request, a fetch: who leaves a loop over them ends them */
    bool pulls;    /* messages of a consumer: pulled, or in order */
    bool outcomes; /* of the messages of a publisher */
    bool watches;  /* entries of a bucket, infos of a store */
    bool requests; /* of a service: their time begins when they are taken, so none is taken ahead */
    bool reads;    /* stored messages */
    bool closed;
    Budget budget;
    natskit_sub_stats last_stats;
    PyObject *weak_list;
    Handling *handling; /* its handler, or NULL */
} Sub;

/* What it gives. */
enum { SUB_MSGS, SUB_EVENTS, SUB_ENTRIES, SUB_STORED };
PyObject *sub_new(State *st, PyObject *conn, natskit_sub handle, PyObject *subject, PyObject *queue,
                  int gives);
/* Events that do not keep their connection open: they end with it. */
void sub_let_go(PyObject *self);
/* One holder more or less; a drain waits for them. */
void sub_hold(Sub *sub, bool on);
/* Whether a message is there; it is taken into the look-ahead then. */
bool sub_ready(Sub *sub);
/* Takes one message without waiting: 1 with *out, 0 if there is none, else *status (END, CLOSED, ...) and -1.
 */
int sub_take(Sub *sub, natskit_msg **out, natskit_status *status);
/* Up to `cap` at once, without waiting. */
int sub_take_many(Sub *sub, natskit_msg **out, size_t cap, size_t *count, natskit_status *status);
PyObject *sub_object(Sub *sub, natskit_msg *msg);
PyObject *sub_list(Sub *sub, natskit_msg **msgs, size_t count);
/* As sub_take, but it stays where it is. */
int sub_peek(Sub *sub, natskit_status *status);
natskit_status sub_stats_now(const Sub *sub, natskit_sub_stats *stats);
/* As close(). */
int sub_stop(Sub *sub);
/* Whether a loop that is told `status` is to raise; then the exception is set. */
bool sub_end_raises(Sub *sub, natskit_status status);
/* Whether a fetch that has ended without a message raises; then the exception is set. */
bool sub_gather_raises(Sub *sub, natskit_status status);
/* Raises what the end of a subscription means to next_msg. */
void *sub_raise(Sub *sub, natskit_status status);
int sub_init(PyObject *module, State *st);

/* ---------------------------------------------------------------------------------------------- handle.c */

void handle_push(TurnList *list, Sub *sub);
Sub *handle_pop(TurnList *list);
size_t handle_count(const TurnList *list);
/* Whether as many of its handlers run as may. */
bool handle_busy(const Sub *sub);
void handle_unlink(TurnList *list, const Sub *sub);
/* One turn: 1 if there may be more, -1 with an exception. */
int handle_turn(Sub *sub, Budget *budget);
/* close() was called: its tasks are cancelled. */
int handle_close(Sub *sub);
/* Raises for who wants to take messages that a handler gets. */
bool handle_refuses(Sub *sub);
uint64_t handle_processed(const Sub *sub, uint64_t taken);
int handle_traverse(Sub *sub, visitproc visit, void *arg);
void handle_clear(Sub *sub);
PyObject *sub_handle(PyObject *self, PyObject *args);
PyObject *sub_turn(PyObject *self, PyObject *unused);
PyObject *sub_take_one(PyObject *self, PyObject *done);
PyObject *sub_failed(PyObject *self, PyObject *error);
PyObject *sub_handled(PyObject *self, PyObject *unused);
PyObject *sub_finished(PyObject *self, PyObject *task);
PyObject *sub_get_handler_errors(PyObject *self, void *unused);

/* ------------------------------------------------------------------------------------------------ next.c */

PyObject *sub_anext(PyObject *self);
PyObject *sub_iternext(PyObject *self);
/* The same for a loop (a Hold), which is let go when it is told the end. */
PyObject *sub_anext_for(Sub *sub, PyObject *loop);
PyObject *sub_iternext_for(Sub *sub, PyObject *loop);
PyObject *sub_next_msg(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
/* next_msg as nats-py calls it for watchers. */
PyObject *watcher_updates(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
/* All messages until the subscription ends, but at most `most`, as a list; for asyncio an awaitable of it.
 * Raises why it has ended if there were none, or, of a watch, if that is not the end of what there was. */
PyObject *sub_gather(Sub *sub, size_t most, int64_t timeout_ms);
PyObject *sub_next_batch(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
int next_init(PyObject *module, State *st);

/* ------------------------------------------------------------------------------------------------ loop.c */

/* Somebody who handles messages of a subscription: a loop over it, or a block of code. */
typedef struct Hold {
    NKPY_HEAD
    State *st;
    Sub *sub; /* owned */
    bool on;
    bool loop; /* not a block */
} Hold;

PyObject *loop_new(PyObject *sub);
PyObject *hold_new(PyObject *sub, PyObject *unused);
void hold_let_go(PyObject *hold);
int loop_init(PyObject *module, State *st);

/* -------------------------------------------------------------------------------------------------- js.c */

/* A context of JetStream. */
typedef struct Js {
    NKPY_HEAD
    State *st;
    natskit_js handle;
    PyObject *conn;     /* keeps the connection open; NULL before it was opened */
    int64_t timeout_ms; /* for calls that are given none */
    Via via;
} Js;

/* The answer of an operation that has succeeded, decoded. */
PyObject *js_answer(State *st, natskit_op op);
/* A document, decoded. */
PyObject *js_decode(State *st, natskit_json document);
PyObject *js_fetch(PyObject *self, PyObject *args);
PyObject *js_consume(PyObject *self, PyObject *args);
PyObject *js_ordered(PyObject *self, PyObject *args);
PyObject *js_push(PyObject *self, PyObject *args);
PyObject *js_snapshot(PyObject *self, PyObject *args);
PyObject *js_restore_chunk(PyObject *self, PyObject *args);
PyObject *js_restore_chunk_now(PyObject *self, PyObject *args);
PyObject *trace_tree(PyObject *module, PyObject *value);
PyObject *js_calls(PyObject *module, PyObject *unused);
PyObject *js_fields(PyObject *module, PyObject *unused);
int js_init(PyObject *module, State *st);

/* ----------------------------------------------------------------------------------------------- jspub.c */

/* Parameters of both publish methods, as matched into an array a[]. */
enum {
    A_SUBJECT,
    A_PAYLOAD,
    A_TIMEOUT,
    A_STREAM,
    A_HEADERS,
    A_TTL,
    A_ID,
    A_LAST,
    A_LAST_OF_SUBJECT,
    A_OF_SUBJECT,
    A_LAST_ID,
    A_INCREMENT,
    A_SCHEDULE,
    A_TARGET,
    A_SOURCE,
    A_SCHEDULE_TTL,
    A_TIME_ZONE,
    A_ROLLUP,
    A_UNSCHEDULE,
    A_JSON,
    A_COUNT
};
#define PUBLISH_NAMES                                                                                        \
    {                                                                                                        \
        NAME_subject, NAME_payload, NAME_timeout, NAME_stream, NAME_headers, NAME_msg_ttl, NAME_msg_id,      \
            NAME_expected_last_seq, NAME_expected_last_subject_seq, NAME_expected_last_subject,              \
            NAME_expected_last_msg_id, NAME_increment, NAME_schedule, NAME_schedule_target,                  \
            NAME_schedule_source, NAME_schedule_ttl, NAME_schedule_time_zone, NAME_schedule_rollup,          \
            NAME_unschedule, NAME_json                                                                       \
    }

/* Makes headers and payload in a[] what is to be sent; `keep` owns what was made. */
int publish_arg(State *st, PyObject **a, More *keep);
PyObject *js_publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *js_publish_now(PyObject *self, PyObject *args);
PyObject *js_increment(PyObject *self, PyObject *args);
PyObject *js_increment_now(PyObject *self, PyObject *args);
/* A PubAck, or a PubOutcome, from a message of that kind; take the reference over, also on failure. */
PyObject *ack_new(State *st, natskit_msg *msg);
PyObject *outcome_new(State *st, natskit_msg *msg);
int jspub_init(PyObject *module, State *st);

/* ------------------------------------------------------------------------------------------- publisher.c */

int publisher_init(PyObject *module, State *st);

/* ---------------------------------------------------------------------------------------------- ingest.c */

int ingest_init(PyObject *module, State *st);

/* ------------------------------------------------------------------------------------------------ pull.c */

/* A Status from a message of that kind; takes the reference over, also on failure. */
PyObject *status_new(State *st, natskit_msg *msg);
/* Adds what a subscription to a pull consumer tells of itself. */
int pull_stats(natskit_sub sub, PyObject *dict);
/* The same of one to a push consumer; which one that is, as (stream, consumer), or None. */
int push_stats(natskit_sub sub, PyObject *dict);
PyObject *push_consumer(natskit_sub sub);
int pull_init(PyObject *module, State *st);

/* --------------------------------------------------------------------------------------------- service.c */

PyObject *conn_service(PyObject *self, PyObject *args);
PyObject *conn_discover(PyObject *self, PyObject *args);
PyObject *msg_get_endpoint(PyObject *self, void *unused);
PyObject *msg_handled(PyObject *self, PyObject *unused);
PyObject *msg_service_error(PyObject *self, PyObject *unused);
PyObject *msg_respond_error(PyObject *self, PyObject *args);
PyObject *msg_respond_error_now(PyObject *self, PyObject *args);
int service_init(PyObject *module, State *st);

/* -------------------------------------------------------------------------------------------------- kv.c */

/* A key-value bucket. */
typedef struct Kv {
    NKPY_HEAD
    State *st;
    natskit_kv handle;
    PyObject *conn;   /* keeps the connection open; NULL before it was opened */
    PyObject *codecs; /* natskit._codec.Codecs, or NULL */
    Via via;
} Kv;

/* --------------------------------------------------------------------------------------------- batch.c */

typedef struct AtomicBatch {
    NKPY_HEAD
    State *st;
    natskit_batch handle;
    PyObject *conn; /* keeps the connection open; NULL before it was opened */
    Via via;
} AtomicBatch;

int batch_init(PyObject *module, State *st);

/* An Entry from a message of that kind, the revision from one that acks a change; both take the reference
 * over, also on failure. */
/* `codecs`: natskit._codec.Codecs, or NULL. */
PyObject *entry_new(State *st, const Via *via, PyObject *codecs, natskit_msg *msg);
PyObject *kv_revision(State *st, natskit_msg *msg);
/* Adds what a watch or an ordered consumer tells of itself; `last` is what the last sequence is called. */
int watch_stats(natskit_sub sub, const char *last, PyObject *dict);
int kv_init(PyObject *module, State *st);

/* ---------------------------------------------------------------------------------------------- stored.c */

/* A StoredMsg from a message of that kind; takes the reference over, also on failure. */
PyObject *stored_new(State *st, const Via *via, natskit_msg *msg);
PyObject *js_get_msg(PyObject *self, PyObject *args);
PyObject *js_get_msg_now(PyObject *self, PyObject *args);
PyObject *js_get_batch(PyObject *self, PyObject *args);
PyObject *js_get_last(PyObject *self, PyObject *args);
int stored_init(PyObject *module, State *st);
/* ---------------------------------------------------------------------------------------------- object.c */

/* An object store. */
typedef struct ObjectStore {
    NKPY_HEAD
    State *st;
    natskit_object_store handle;
    PyObject *conn; /* keeps the connection open; NULL before it was opened */
    Via via;
} ObjectStore;

/* An ObjectInfo from a message of that kind; takes the reference over, also on failure. */
PyObject *object_info_new(State *st, const Via *via, natskit_msg *msg);
PyObject *object_config(PyObject *module, PyObject *text);
int object_init(PyObject *module, State *st);

/* ---------------------------------------------------------------------------------------------- module.c */

State *state_hold(State *st);
void state_drop(State *st);
State *module_state(PyObject *module);
State *type_state(PyTypeObject *type);
/* The same from a subclass that Python code made, of a type of ours with this destructor; NULL: exception. */
State *base_state(PyTypeObject *type, destructor own);
/* Makes a type of the module, keeps it in `slot` and lists it under `name`. */
int type_add(PyObject *module, PyTypeObject **slot, PyType_Spec *spec, const char *name);
/* Fills an options handle from a sequence of (name, value); `*out` is {0} for an empty one. */
int options_arg(State *st, int32_t scope, PyObject *pairs, natskit_options *out);

#endif
