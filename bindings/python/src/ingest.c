/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast ingest: the bases of natskit.Ingest and natskit.sync.Ingest; what they have beside publishing.c. What
 * the methods are called is in natskit/_ingest.py.
 */
#include "publishing.h"

static natskit_status call_open(natskit_js js, natskit_options options, uint64_t *handle, natskit_sub *told,
                                natskit_error *err)
{
    natskit_ingest opened = {0};
    natskit_status status = natskit_ingest_open(js, options, &opened, told, err);
    *handle = opened.id;
    return status;
}

static natskit_status call_publish(uint64_t handle, const char *subject, size_t subject_len,
                                   natskit_headers headers, const void *data, size_t data_len,
                                   int64_t timeout_ms, uint64_t *number)
{
    return natskit_ingest_publish((natskit_ingest){handle}, subject, subject_len, headers, data, data_len,
                                  timeout_ms, number);
}

static natskit_status call_counters(uint64_t handle, Counters *out)
{
    return natskit_ingest_info_get((natskit_ingest){handle}, &out->ingest, sizeof out->ingest);
}

static natskit_status call_close(uint64_t handle)
{
    return natskit_ingest_close((natskit_ingest){handle});
}

static const PublishCalls calls = {
    "ingest", NATSKIT_OPTIONS_INGEST, call_open, call_publish, call_counters, call_close,
};

/* ------------------------------------------------------------------------------------------------- waits */

/* _commit(timeout) */
static PyObject *ingest_commit(PyObject *self, PyObject *timeout)
{
    const Publishing *me = DATA(Publishing, self);
    int64_t timeout_ms;
    natskit_op op = {0};
    natskit_error err = {0};
    if (timeout_arg(me->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    natskit_status status = natskit_ingest_commit_start((natskit_ingest){me->handle}, (natskit_options){0},
                                                        timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(me->st, status, &err);
    return face_finish(me->st, &me->via, op, GIVE_ACK);
}

/* _window(timeout): waits until one more message may be under way. */
static PyObject *ingest_window(PyObject *self, PyObject *timeout)
{
    const Publishing *me = DATA(Publishing, self);
    int64_t timeout_ms;
    natskit_op op = {0};
    natskit_error err = {0};
    if (timeout_arg(me->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    natskit_status status =
        natskit_ingest_room_start((natskit_ingest){me->handle}, (natskit_options){0}, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(me->st, status, &err);
    return face_finish(me->st, &me->via, op, GIVE_NONE);
}

static PyObject *ingest_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Publishing *me = DATA(Publishing, self);
    Counters counters;
    if (publishing_counters(me, &counters) < 0)
        return NULL;
    natskit_ingest_info i = counters.ingest;
    return Py_BuildValue("{sK,sK,sK,sK,sK,sK,sK}", "published", (unsigned long long)i.published, "acked",
                         (unsigned long long)i.acked, "refused", (unsigned long long)i.refused, "lost",
                         (unsigned long long)i.lost, "window", (unsigned long long)i.window, "pings",
                         (unsigned long long)i.pings, "untaken", (unsigned long long)i.untaken);
}

/* ------------------------------------------------------------------------------------------------ types */

static PyMethodDef ingest_methods[] = {
    {"publish", FAST(publishing_publish),
     PUBLISHING_SIGNATURE
     "Publishes a message; gives its number. Waits only while as many are under way as the stream takes, or "
     "the\n"
     "outbox is full, for at most `timeout` seconds."},
    {"close", publishing_close, METH_NOARGS,
     "close($self)\n--\n\nEnds it without a commit: what is under way may be stored or not."},
    {"stats", ingest_stats, METH_NOARGS, "stats($self)\n--\n\nCounters of the ingest."},
    {"_open", publishing_open, METH_VARARGS,
     "_open($self, context, options, /)\n--\n\nOpens it; `options` are pairs (name, value)."},
    {"_publish_now", publishing_publish_now, METH_VARARGS,
     "_publish_now($self, subject, payload, headers, left, /)\n--\n\nAs publish; WouldBlockError without "
     "room."},
    {"_commit", ingest_commit, METH_O, "_commit($self, timeout, /)\n--\n\nEnds the batch; its PubAck."},
    {"_window", ingest_window, METH_O,
     "_window($self, timeout, /)\n--\n\nWaits until one more message may be under way."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef ingest_getset[] = {
    {"failures", publishing_get_told, NULL,
     "A subscription to what is not stored: PubOutcome of each message that is refused, or of the first of a "
     "gap.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static char ingest_doc[] = "Fast ingest; see natskit.Ingest and natskit.sync.Ingest.";

static PyObject *new_async(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return publishing_make(type, &calls, FACE_ASYNC);
}

static PyObject *new_sync(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return publishing_make(type, &calls, FACE_SYNC);
}

static PyType_Slot async_slots[] = {PUBLISHING_SLOTS(new_async, ingest_doc, ingest_methods, ingest_getset)};
static PyType_Slot sync_slots[] = {PUBLISHING_SLOTS(new_sync, ingest_doc, ingest_methods, ingest_getset)};

static PyType_Spec specs[] = {
    {"natskit._natskit.AsyncIngest", sizeof(Publishing), 0, PUBLISHING_FLAGS, async_slots},
    {"natskit._natskit.SyncIngest", sizeof(Publishing), 0, PUBLISHING_FLAGS, sync_slots},
};

int ingest_init(PyObject *module, State *st)
{
    if (type_add(module, &st->ingest_type[FACE_ASYNC], &specs[0], "AsyncIngest") < 0)
        return -1;
    return type_add(module, &st->ingest_type[FACE_SYNC], &specs[1], "SyncIngest");
}
