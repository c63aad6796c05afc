/* SPDX-License-Identifier: Apache-2.0
 *
 * Subscriptions, of messages and of events, for both faces: taking without waiting, the look-ahead, what they
 * tell and how they end. Waiting for a message is in next.c.
 *
 * Look-ahead: up to 64 messages are taken from the core's queue at once and kept here for whoever asks next,
 * an iterator or next_msg; so leaving a loop or cancelling an await loses none. Statistics count them as
 * pending.
 */
#include "state.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

#define DRAIN_TIMEOUT_MS 30000

PyObject *sub_new(State *st, PyObject *conn, natskit_sub handle, PyObject *subject, PyObject *queue,
                  int gives)
{
    int face = DATA(Conn, conn)->via.face;
    PyTypeObject *const types[] = {
        [SUB_MSGS] = st->sub_type[face],
        [SUB_EVENTS] = st->events_type[face],
        [SUB_ENTRIES] = st->watcher_type[face],
        [SUB_STORED] = st->reading_type[face],
    };
    Sub *sub = PyObject_GC_New(Sub, types[gives]);
    if (sub == NULL) {
        natskit_sub_close(handle);
        return NULL;
    }
    sub->st = state_hold(st);
    sub->handle = handle;
    sub->source = (Source){.object = handle.id};
    sub->conn = Py_NewRef(conn);
    sub->via = DATA(Conn, conn)->via;
    sub->subject = Py_NewRef(subject);
    sub->queue = Py_NewRef(queue);
    sub->codecs = NULL;
    sub->next_idle = NULL;
    sub->ahead = NULL;
    sub->ahead_first = sub->ahead_count = 0;
    sub->holders = 0;
    sub->held = false;
    sub->events = gives == SUB_EVENTS;
    sub->many = false;
    sub->pulls = false;
    sub->outcomes = false;
    sub->watches = gives == SUB_ENTRIES;
    sub->requests = false;
    sub->reads = gives == SUB_STORED;
    sub->handling = NULL;
    sub->closed = false;
    sub->budget = (Budget){0};
    budget_reset(&sub->budget);
    memset(&sub->last_stats, 0, sizeof sub->last_stats);
    sub->weak_list = NULL;
    PyObject_GC_Track((PyObject *)sub);
    return (PyObject *)sub;
}

void sub_let_go(PyObject *self)
{
    Py_CLEAR(DATA(Sub, self)->conn);
}

/* ------------------------------------------------------------------------------------------- the holding */

/* Tells the core whether a drain has to wait for more than the core's own queue. Where it cannot be told (the
 * parent's subscription in a child process, one that natskit_shutdown has closed) nothing is drained. */
static void held_set(Sub *sub, bool on)
{
    if (on != sub->held && !sub->closed)
        sub->held = natskit_sub_hold(sub->handle, on) == NATSKIT_OK && on;
}

static void held_update(Sub *sub)
{
    held_set(sub, sub->holders > 0 || sub->ahead_count > 0);
}

void sub_hold(Sub *sub, bool on)
{
    sub->holders = on ? sub->holders + 1 : sub->holders - 1;
    held_update(sub);
}

/* -------------------------------------------------------------------------------------------- the taking */

static int ahead_fill(Sub *sub, natskit_status *status)
{
    if (sub->ahead == NULL && (sub->ahead = PyMem_Malloc(NKPY_AHEAD * sizeof sub->ahead[0])) == NULL) {
        *status = NATSKIT_NO_MEMORY;
        return -1;
    }
    size_t count = 0;
    held_set(sub, true); /* before: no drain may end between the taking and the telling */
    *status = natskit_sub_next_ahead(sub->handle, sub->ahead, sub->requests ? 1 : NKPY_AHEAD, 0, &count);
    if (*status == NATSKIT_OK) {
        sub->ahead_first = 0;
        sub->ahead_count = (int)count;
        return 1;
    }
    held_update(sub);
    return *status == NATSKIT_WOULD_BLOCK || *status == NATSKIT_TIMEOUT ? 0 : -1;
}

int sub_peek(Sub *sub, natskit_status *status)
{
    *status = NATSKIT_CLOSED;
    if (sub->ahead_count > 0)
        return 1;
    return sub->closed ? -1 : ahead_fill(sub, status);
}

bool sub_ready(Sub *sub)
{
    natskit_status status;
    return sub_peek(sub, &status) > 0;
}

int sub_take(Sub *sub, natskit_msg **out, natskit_status *status)
{
    if (sub->ahead_count == 0) {
        if (sub->closed) {
            *status = NATSKIT_CLOSED;
            return -1;
        }
        int rc = ahead_fill(sub, status);
        if (rc <= 0)
            return rc;
    }
    *out = sub->ahead[sub->ahead_first++];
    if (--sub->ahead_count == 0)
        held_update(sub);
    return 1;
}

int sub_take_many(Sub *sub, natskit_msg **out, size_t cap, size_t *count, natskit_status *status)
{
    size_t n = 0;
    while (n < cap && sub->ahead_count > 0) {
        sub->ahead_count--;
        out[n++] = sub->ahead[sub->ahead_first++];
    }
    if (n > 0)
        held_update(sub);
    *status = NATSKIT_OK;
    if (n < cap) {
        size_t more = 0;
        *status =
            sub->closed ? NATSKIT_CLOSED : natskit_sub_next_batch(sub->handle, out + n, cap - n, 0, &more);
        n += more;
    }
    *count = n;
    if (n > 0)
        return 1;
    return *status == NATSKIT_WOULD_BLOCK || *status == NATSKIT_TIMEOUT ? 0 : -1;
}

static void ahead_drop(Sub *sub)
{
    if (sub->ahead_count > 0)
        natskit_msg_release_batch(sub->ahead + sub->ahead_first, (size_t)sub->ahead_count);
    sub->ahead_count = 0;
}

PyObject *sub_object(Sub *sub, natskit_msg *msg)
{
    if (sub->events)
        return event_new(sub->st, &sub->via, msg);
    if (sub->outcomes)
        return outcome_new(sub->st, msg);
    if (sub->reads)
        return stored_new(sub->st, &sub->via, msg);
    natskit_message_view view;
    if (sub->watches && natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK) {
        if (view.kind == NATSKIT_MSG_KV)
            return entry_new(sub->st, &sub->via, sub->codecs, msg);
        if (view.kind == NATSKIT_MSG_OBJECT)
            return object_info_new(sub->st, &sub->via, msg);
        if (view.kind == NATSKIT_MSG_MESSAGE) /* somebody stored it where objects are */
            return msg_new(sub->st, &sub->via, msg);
        natskit_msg_release(msg); /* what there was at the begin has come */
        Py_RETURN_NONE;
    }
    if (sub->pulls && natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK &&
        view.kind == NATSKIT_MSG_STATUS)
        return status_new(sub->st, msg);
    return msg_new(sub->st, &sub->via, msg);
}

PyObject *sub_list(Sub *sub, natskit_msg **msgs, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; i < count; i++) {
        PyObject *object = list == NULL ? NULL : sub_object(sub, msgs[i]);
        if (list == NULL)
            natskit_msg_release(msgs[i]);
        else if (object == NULL)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, object);
    }
    return list;
}

/* ------------------------------------------------------------------------------------- what it tells */

natskit_status sub_stats_now(const Sub *sub, natskit_sub_stats *stats)
{
    *stats = sub->last_stats;
    if (sub->closed)
        return NATSKIT_OK;
    natskit_status status = natskit_sub_stats_get(sub->handle, stats, sizeof *stats);
    if (status == NATSKIT_OK) {
        stats->taken -= (uint64_t)sub->ahead_count;
        stats->pending_msgs += (uint64_t)sub->ahead_count;
    }
    return status;
}

void *sub_raise(Sub *sub, natskit_status status)
{
    State *st = sub->st;
    if (status == NATSKIT_CLOSED)
        return raise_class(st, st->sub_closed, status, NULL);
    if (status != NATSKIT_END)
        return raise_status(st, status, NULL);
    natskit_sub_stats stats;
    natskit_status_info info;
    if (sub_stats_now(sub, &stats) != NATSKIT_OK || stats.reason == NATSKIT_OK ||
        natskit_status_describe(stats.reason, &info, sizeof info) != NATSKIT_OK)
        return raise_status(st, status, NULL);
    return raise_text(st, status, "the subscription has ended: %s", info.text);
}

/* What the library knows of the end beside its reason: perhaps the server's words. */
static const natskit_error *words(const Sub *sub, natskit_status reason, natskit_error *err)
{
    return natskit_sub_reason(sub->handle, err) == reason ? err : NULL;
}

bool sub_end_raises(Sub *sub, natskit_status status)
{
    natskit_sub_stats stats;
    natskit_error err;
    if (sub->events || (status == NATSKIT_CLOSED && sub->closed) || sub_stats_now(sub, &stats) != NATSKIT_OK)
        return false;
    switch (stats.reason) {
    case NATSKIT_TIMEOUT: /* of a subscription: the first message did not come */
        if (sub->many)
            return false;
        if (sub->reads)
            break; /* the server did not answer */
        raise_text(sub->st, NATSKIT_TIMEOUT, "no message came in time");
        return true;
    case NATSKIT_OK:
    case NATSKIT_MAX_REACHED:
    case NATSKIT_STALLED:
    case NATSKIT_SENTINEL:
    case NATSKIT_UNSUBSCRIBED:
        return false;
    case NATSKIT_CLOSED: /* by the connection's end, which other loops do not tell either */
        if (!sub->many)
            return false;
        break;
    default:
        break;
    }
    bool tells = sub->many || sub->pulls || sub->watches || sub->reads;
    if (tells)
        raise_status(sub->st, stats.reason, words(sub, stats.reason, &err));
    return tells;
}

bool sub_gather_raises(Sub *sub, natskit_status status)
{
    natskit_sub_stats stats;
    bool ended = status == NATSKIT_END && sub_stats_now(sub, &stats) == NATSKIT_OK;
    if (ended && stats.reason == NATSKIT_NOT_FOUND)
        return false; /* there was none, and it was not to wait */
    if (ended && sub->watches && stats.reason != NATSKIT_MAX_REACHED) {
        natskit_error err; /* whatever ended it, these are not all: also a drain */
        raise_status(sub->st, stats.reason, words(sub, stats.reason, &err));
        return true;
    }
    if (status == NATSKIT_END)
        return sub_end_raises(sub, status);
    sub_raise(sub, status);
    return true;
}

static PyObject *sub_get_reason(PyObject *self, void *unused)
{
    (void)unused;
    const Sub *sub = DATA(Sub, self);
    natskit_sub_stats stats;
    natskit_status status = sub_stats_now(sub, &stats);
    if (status != NATSKIT_OK)
        return raise_status(sub->st, status, NULL);
    if (stats.reason == NATSKIT_OK)
        Py_RETURN_NONE;
    if (stats.reason == NATSKIT_CLOSED && sub->closed)
        return error_make(sub->st, sub->st->sub_closed, NATSKIT_CLOSED, NULL);
    natskit_error err;
    return error_object(sub->st, stats.reason, words(sub, stats.reason, &err));
}

enum {
    STAT_SID,
    STAT_PENDING_MSGS,
    STAT_PENDING_BYTES,
    STAT_DELIVERED,
    STAT_DROPPED,
    STAT_RECEIVED,
    STAT_PROCESSED,
    STAT_HIGH_MSGS,
    STAT_HIGH_BYTES,
    STAT_MAX,
    STAT_LIMIT_MSGS,
    STAT_LIMIT_BYTES,
    STATS
};

static PyObject *sub_get_stat(PyObject *self, void *which)
{
    const Sub *sub = DATA(Sub, self);
    natskit_sub_stats stats;
    natskit_status status = sub_stats_now(sub, &stats);
    if (status != NATSKIT_OK)
        return raise_status(sub->st, status, NULL);
    const uint64_t values[STATS] = {
        [STAT_SID] = stats.sid,
        [STAT_PENDING_MSGS] = stats.pending_msgs,
        [STAT_PENDING_BYTES] = stats.pending_bytes,
        [STAT_DELIVERED] = stats.taken,
        [STAT_DROPPED] = stats.dropped_msgs,
        [STAT_RECEIVED] = stats.received,
        [STAT_PROCESSED] = handle_processed(sub, stats.taken),
        [STAT_HIGH_MSGS] = stats.high_msgs,
        [STAT_HIGH_BYTES] = stats.high_bytes,
        [STAT_MAX] = stats.max,
        [STAT_LIMIT_MSGS] = stats.limit_msgs,
        [STAT_LIMIT_BYTES] = stats.limit_bytes,
    };
    return PyLong_FromUnsignedLongLong(values[(intptr_t)which]);
}

static PyObject *sub_get_is_draining(PyObject *self, void *unused)
{
    (void)unused;
    natskit_sub_stats stats;
    const Sub *sub = DATA(Sub, self);
    return PyBool_FromLong(!sub->closed && sub_stats_now(sub, &stats) == NATSKIT_OK && stats.draining != 0);
}

static PyObject *sub_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Sub *sub = DATA(Sub, self);
    natskit_sub_stats s;
    natskit_status status = sub_stats_now(sub, &s);
    if (status != NATSKIT_OK)
        return raise_status(sub->st, status, NULL);
    PyObject *dict = Py_BuildValue(
        "{sK,sK,sK,sK,sK,sK,sK,sK,sK,sK,sK,sO}", "received", (unsigned long long)s.received, "delivered",
        (unsigned long long)s.taken, "pending_msgs", (unsigned long long)s.pending_msgs, "pending_bytes",
        (unsigned long long)s.pending_bytes, "high_msgs", (unsigned long long)s.high_msgs, "high_bytes",
        (unsigned long long)s.high_bytes, "dropped_msgs", (unsigned long long)s.dropped_msgs, "dropped_bytes",
        (unsigned long long)s.dropped_bytes, "limit_msgs", (unsigned long long)s.limit_msgs, "limit_bytes",
        (unsigned long long)s.limit_bytes, "max", (unsigned long long)s.max, "draining",
        s.draining != 0 ? Py_True : Py_False);
    if (dict != NULL && sub->pulls && !sub->closed &&
        (pull_stats(sub->handle, dict) < 0 || push_stats(sub->handle, dict) < 0))
        Py_CLEAR(dict);
    const char *last = sub->watches ? "last_revision" : "last_seq";
    if (dict != NULL && (sub->watches || sub->pulls) && !sub->closed &&
        watch_stats(sub->handle, last, dict) < 0)
        Py_CLEAR(dict);
    return dict;
}

static PyObject *sub_get_subject(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(DATA(Sub, self)->subject);
}

static PyObject *sub_get_queue(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(DATA(Sub, self)->queue);
}

static PyObject *sub_get_consumer(PyObject *self, void *unused)
{
    (void)unused;
    return push_consumer(DATA(Sub, self)->handle);
}

static PyObject *sub_get_is_closed(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(DATA(Sub, self)->closed);
}

/* --------------------------------------------------------------------------------------------- the end */

static PyObject *sub_unsubscribe(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"unsubscribe", 1, 0, 1, {NAME_limit}};
    Sub *sub = DATA(Sub, self);
    PyObject *limit;
    uint64_t max;
    if (match(sub->st, &sig, args, nargs, kwnames, &limit) < 0 ||
        count_arg(sub->st, limit, "limit", 0, &max) < 0)
        return NULL;
    natskit_status status = sub->closed ? NATSKIT_CLOSED : natskit_sub_unsubscribe(sub->handle, max);
    if (status != NATSKIT_OK)
        return sub_raise(sub, status);
    return face_done(sub->st, sub->via.face);
}

static PyObject *sub_drain(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"drain", 1, 0, 1, {NAME_timeout}};
    Sub *sub = DATA(Sub, self);
    PyObject *timeout;
    int64_t timeout_ms;
    if (match(sub->st, &sig, args, nargs, kwnames, &timeout) < 0 ||
        timeout_arg(sub->st, timeout, DRAIN_TIMEOUT_MS, &timeout_ms) < 0)
        return NULL;
    if (sub->closed)
        return sub_raise(sub, NATSKIT_CLOSED);
    natskit_op op = {0};
    natskit_error err = {0};
    natskit_status status = natskit_sub_drain_start(sub->handle, (natskit_options){0}, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(sub->st, status, &err);
    return face_finish(sub->st, &sub->via, op, GIVE_NONE);
}

static void sub_end(Sub *sub)
{
    if (sub->closed)
        return;
    ahead_drop(sub);
    sub_stats_now(sub, &sub->last_stats);
    sub->last_stats.pending_msgs = sub->last_stats.pending_bytes = 0;
    if (sub->last_stats.reason == NATSKIT_OK)
        sub->last_stats.reason = NATSKIT_CLOSED;
    sub->closed = true;
    natskit_sub_close(sub->handle);
}

int sub_stop(Sub *sub)
{
    sub_end(sub);
    if (sub->source.first != NULL)
        source_wake_all(sub->st, &sub->source);
    return handle_close(sub);
}

static PyObject *sub_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    Sub *sub = DATA(Sub, self);
    if (sub_stop(sub) < 0)
        return NULL;
    return face_done(sub->st, sub->via.face);
}

static PyObject *sub_exit(PyObject *self, PyObject *args)
{
    (void)args;
    return sub_close(self, NULL);
}

static PyObject *sub_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    Sub *sub = DATA(Sub, self);
    return face_value(sub->st, sub->via.face, Py_NewRef(self));
}

/* `await kv.watch()`, as nats-py has it: the watcher itself. */
static PyObject *watcher_await(PyObject *self)
{
    return ready_new(DATA(Sub, self)->st, Py_NewRef(self), false);
}

static PyObject *sub_self(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(self);
}

static int sub_traverse(PyObject *self, visitproc visit, void *arg)
{
    Sub *sub = DATA(Sub, self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(sub->conn);
    Py_VISIT(sub->codecs);
    Py_VISIT(sub->next_idle);
    return handle_traverse(sub, visit, arg);
}

static int sub_clear(PyObject *self)
{
    Sub *sub = DATA(Sub, self);
    sub_end(sub);
    source_detach(&sub->source);
    handle_clear(sub);
    Py_CLEAR(sub->next_idle);
    Py_CLEAR(sub->codecs);
    Py_CLEAR(sub->conn);
    return 0;
}

static void sub_dealloc(PyObject *self)
{
    Sub *sub = DATA(Sub, self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (sub->weak_list != NULL)
        PyObject_ClearWeakRefs(self);
    sub_clear(self);
    PyMem_Free(sub->ahead);
    Py_XDECREF(sub->subject);
    Py_XDECREF(sub->queue);
    state_drop(sub->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *sub_repr(PyObject *self)
{
    const Sub *sub = DATA(Sub, self);
    const char *name = sub->events    ? "Events"
                       : sub->watches ? "Watcher"
                       : sub->reads   ? "Reading"
                                      : "Subscription";
    return PyUnicode_FromFormat("<%s subject=%R%s%U%s>", name, sub->subject,
                                PyUnicode_GetLength(sub->queue) > 0 ? " queue=" : "", sub->queue,
                                sub->closed ? " closed" : "");
}

/* ------------------------------------------------------------------------------------------------ types */

static PyGetSetDef sub_getset[] = {
    {"subject", sub_get_subject, NULL,
     "The subject as it was asked for; '' for events, stream.consumer of a consumer, bucket: keys of a "
     "watcher.",
     NULL},
    {"queue", sub_get_queue, NULL, "The queue group, or ''.", NULL},
    {"consumer", sub_get_consumer, NULL,
     "The push consumer that it gets messages of, as (stream, consumer), or None.", NULL},
    {"messages", sub_self, NULL, "The subscription itself, as an iterator.", NULL},
    {"is_closed", sub_get_is_closed, NULL, "Whether close() was called.", NULL},
    {"reason", sub_get_reason, NULL, "Why it ended, as an exception (not raised), or None.", NULL},
    {"sid", sub_get_stat, NULL, "Number of the subscription on the wire.", (void *)STAT_SID},
    {"pending_msgs", sub_get_stat, NULL, "Messages that wait to be taken.", (void *)STAT_PENDING_MSGS},
    {"pending_bytes", sub_get_stat, NULL, "Memory that the core's queue holds.", (void *)STAT_PENDING_BYTES},
    {"delivered", sub_get_stat, NULL, "Messages given to the program.", (void *)STAT_DELIVERED},
    {"dropped", sub_get_stat, NULL, "Messages dropped because the queue was full.", (void *)STAT_DROPPED},
    {"received", sub_get_stat, NULL, "Messages that have come.", (void *)STAT_RECEIVED},
    {"processed", sub_get_stat, NULL, "Messages that were handled; without a handler those given out.",
     (void *)STAT_PROCESSED},
    {"high_msgs", sub_get_stat, NULL, "Most messages that have waited at once.", (void *)STAT_HIGH_MSGS},
    {"high_bytes", sub_get_stat, NULL, "Most memory that they have taken.", (void *)STAT_HIGH_BYTES},
    {"max_msgs", sub_get_stat, NULL, "Messages after which it ends by itself, or 0.", (void *)STAT_MAX},
    {"pending_msgs_limit", sub_get_stat, NULL, "Messages that may wait.", (void *)STAT_LIMIT_MSGS},
    {"pending_bytes_limit", sub_get_stat, NULL, "Memory that they may take.", (void *)STAT_LIMIT_BYTES},
    {"is_draining", sub_get_is_draining, NULL, "Whether a drain has begun.", NULL},
    {"handler_errors", sub_get_handler_errors, NULL, "Exceptions that its handler has raised.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define FAST(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL | METH_KEYWORDS
#define HANDLER_METHODS                                                                                      \
    {"_handle", sub_handle, METH_VARARGS,                                                                    \
     "_handle($self, cb, coroutines, concurrency, context, /)\n--\n\nBegins to call a handler."},            \
        {"_turn", sub_turn, METH_NOARGS, "_turn($self)\n--\n\nCalls the handler while messages are there."}, \
        {"_take", sub_take_one, METH_O,                                                                      \
         "_take($self, done, /)\n--\n\nThe next message for a handler, True: none, or False: pause first."}, \
        {"_failed", sub_failed, METH_O, "_failed($self, error, /)\n--\n\nThe handler has raised it."},       \
        {"_handled", sub_handled, METH_NOARGS, "_handled($self)\n--\n\nWhat the handler gave was awaited."}, \
    {                                                                                                        \
        "_finished", sub_finished, METH_O,                                                                   \
            "_finished($self, task, /)\n--\n\nA task of the handler has ended."                              \
    }

#define SUB_METHODS                                                                                          \
    {"next_msg", FAST(sub_next_msg),                                                                         \
     "next_msg($self, timeout=1.0)\n--\n\nThe next message; TimeoutError if none comes in time."},           \
        {"next_batch", FAST(sub_next_batch),                                                                 \
         "next_batch($self, n, timeout=1.0)\n--\n\nWaits for a first message, then takes up to n that are "  \
         "there."},                                                                                          \
        {"unsubscribe", FAST(sub_unsubscribe),                                                               \
         "unsubscribe($self, limit=0)\n--\n\nEnds it at the server, at once or after `limit` messages in "   \
         "all; "                                                                                             \
         "what "                                                                                             \
         "is queued can still be taken."},                                                                   \
        {"drain", FAST(sub_drain),                                                                           \
         "drain($self, timeout=30.0)\n--\n\nEnds it in good order: waits until everything that has come "    \
         "was taken and no loop over it runs any more."},                                                    \
        {"hold", hold_new, METH_NOARGS,                                                                      \
         "hold($self)\n--\n\n`with sub.hold():` has a drain wait for the block, as it does for a loop."},    \
        {"close", sub_close, METH_NOARGS, "close($self)\n--\n\nEnds it and drops what is queued."},          \
    {                                                                                                        \
        "stats", sub_stats, METH_NOARGS, "Counters of the subscription."                                     \
    }

#define ASYNC_METHODS                                                                                        \
    SUB_METHODS, HANDLER_METHODS,                                                                            \
        {"__aenter__", sub_enter, METH_NOARGS, "__aenter__($self)\n--\n\nThe subscription itself."},         \
    {                                                                                                        \
        "__aexit__", sub_exit, METH_VARARGS,                                                                 \
            "__aexit__($self, kind, error, trace, /)\n--\n\nCloses the subscription."                        \
    }
#define SYNC_METHODS                                                                                         \
    SUB_METHODS, HANDLER_METHODS,                                                                            \
        {"__enter__", sub_enter, METH_NOARGS, "__enter__($self)\n--\n\nThe subscription itself."},           \
    {                                                                                                        \
        "__exit__", sub_exit, METH_VARARGS,                                                                  \
            "__exit__($self, kind, error, trace, /)\n--\n\nCloses the subscription."                         \
    }
/* Names of nats-py. */
#define WATCHER_METHODS                                                                                      \
    {"updates", FAST(watcher_updates),                                                                       \
     "updates($self, timeout=5.0)\n--\n\nThe next entry, or None for the marker, as next_msg()."},           \
    {                                                                                                        \
        "stop", sub_close, METH_NOARGS, "stop($self)\n--\n\nThe same as close()."                            \
    }
#define NO_MORE                                                                                              \
    {                                                                                                        \
        NULL, NULL, 0, NULL                                                                                  \
    }

static PyMethodDef async_methods[] = {ASYNC_METHODS, NO_MORE};
static PyMethodDef sync_methods[] = {SYNC_METHODS, NO_MORE};
static PyMethodDef async_watcher_methods[] = {ASYNC_METHODS, WATCHER_METHODS, NO_MORE};
static PyMethodDef sync_watcher_methods[] = {SYNC_METHODS, WATCHER_METHODS, NO_MORE};

static PyMemberDef sub_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Sub, weak_list), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define SUB_SLOTS                                                                                            \
    {Py_tp_dealloc, sub_dealloc}, {Py_tp_traverse, sub_traverse}, {Py_tp_clear, sub_clear},                  \
        {Py_tp_repr, sub_repr}, {Py_tp_getset, sub_getset},                                                  \
    {                                                                                                        \
        Py_tp_members, sub_members                                                                           \
    }

static char async_doc[] = "A subscription: an async iterator.";

static PyType_Slot async_slots[] = {
    SUB_SLOTS,
    {Py_tp_doc, async_doc},
    {Py_tp_methods, async_methods},
    {Py_am_aiter, loop_new},
    {Py_am_anext, sub_anext},
    {0, NULL},
};

static char async_watcher_doc[] = "Entries of a bucket as they are written: an async iterator.";

static PyType_Slot async_watcher_slots[] = {
    SUB_SLOTS,
    {Py_tp_doc, async_watcher_doc},
    {Py_tp_methods, async_watcher_methods},
    {Py_am_aiter, loop_new},
    {Py_am_anext, sub_anext},
    {Py_am_await, watcher_await},
    {0, NULL},
};

static char sync_watcher_doc[] = "Entries of a bucket as they are written: an iterator that blocks.";

static PyType_Slot sync_watcher_slots[] = {
    SUB_SLOTS,
    {Py_tp_doc, sync_watcher_doc},
    {Py_tp_methods, sync_watcher_methods},
    {Py_tp_iter, loop_new},
    {Py_tp_iternext, sub_iternext},
    {0, NULL},
};

static char sync_doc[] = "A subscription: an iterator that blocks.";

static PyType_Slot sync_slots[] = {
    SUB_SLOTS,
    {Py_tp_doc, sync_doc},
    {Py_tp_methods, sync_methods},
    {Py_tp_iter, loop_new},
    {Py_tp_iternext, sub_iternext},
    {0, NULL},
};

static char async_reading_doc[] = "Messages that a stream keeps: an async iterator.";

static PyType_Slot async_reading_slots[] = {
    SUB_SLOTS,
    {Py_tp_doc, async_reading_doc},
    {Py_tp_methods, async_methods},
    {Py_am_aiter, loop_new},
    {Py_am_anext, sub_anext},
    {0, NULL},
};

static char sync_reading_doc[] = "Messages that a stream keeps: an iterator that blocks.";

static PyType_Slot sync_reading_slots[] = {
    SUB_SLOTS,
    {Py_tp_doc, sync_reading_doc},
    {Py_tp_methods, sync_methods},
    {Py_tp_iter, loop_new},
    {Py_tp_iternext, sub_iternext},
    {0, NULL},
};

static PyType_Spec specs[] = {
    {"natskit.Subscription", sizeof(Sub), 0,
     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
     async_slots},
    {"natskit.Events", sizeof(Sub), 0,
     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
     async_slots},
    {"natskit.sync.Subscription", sizeof(Sub), 0,
     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
     sync_slots},
    {"natskit.sync.Events", sizeof(Sub), 0,
     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
     sync_slots},
    {"natskit.Watcher", sizeof(Sub), 0,
     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
     async_watcher_slots},
    {"natskit.sync.Watcher", sizeof(Sub), 0,
     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
     sync_watcher_slots},
    {"natskit.Reading", sizeof(Sub), 0,
     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
     async_reading_slots},
    {"natskit.sync.Reading", sizeof(Sub), 0,
     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
     sync_reading_slots},
};

int sub_init(PyObject *module, State *st)
{
    if (type_add(module, &st->sub_type[FACE_ASYNC], &specs[0], "AsyncSubscription") < 0 ||
        type_add(module, &st->events_type[FACE_ASYNC], &specs[1], "AsyncEvents") < 0 ||
        type_add(module, &st->sub_type[FACE_SYNC], &specs[2], "SyncSubscription") < 0 ||
        type_add(module, &st->watcher_type[FACE_ASYNC], &specs[4], "AsyncWatcher") < 0 ||
        type_add(module, &st->watcher_type[FACE_SYNC], &specs[5], "SyncWatcher") < 0 ||
        type_add(module, &st->reading_type[FACE_ASYNC], &specs[6], "AsyncReading") < 0 ||
        type_add(module, &st->reading_type[FACE_SYNC], &specs[7], "SyncReading") < 0)
        return -1;
    return type_add(module, &st->events_type[FACE_SYNC], &specs[3], "SyncEvents");
}
