/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast ingest: the bases of natskit.Ingest and natskit.sync.Ingest; what the methods are called is in
 * natskit/_ingest.py. Where the window or the outbox is full, the blocking face waits here, and asyncio gets
 * the coroutine of natskit/_later.py.
 */
#include "state.h"

#define ROOM_TIMEOUT_MS 10000

typedef struct Ingest {
    NKPY_HEAD
    State *st;
    natskit_ingest handle;
    PyObject *conn;     /* keeps the connection open; NULL before it was opened */
    PyObject *failures; /* the subscription of the outcomes */
    Via via;
    Budget budget;
    bool closed;
    natskit_ingest_info last; /* as it was when it was closed */
} Ingest;

static void ingest_dealloc(PyObject *self);

static PyObject *ingest_make(PyTypeObject *type, int face)
{
    State *st = base_state(type, ingest_dealloc);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = st == NULL ? NULL : alloc(type, 0);
    if (self == NULL)
        return NULL;
    DATA(Ingest, self)->st = state_hold(st);
    DATA(Ingest, self)->via.face = face;
    budget_reset(&DATA(Ingest, self)->budget);
    return self;
}

static PyObject *ingest_new_async(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return ingest_make(type, FACE_ASYNC);
}

static PyObject *ingest_new_sync(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return ingest_make(type, FACE_SYNC);
}

/* _open(context, options) */
static PyObject *ingest_open(PyObject *self, PyObject *args)
{
    Ingest *me = DATA(Ingest, self);
    State *st = me->st;
    PyObject *js, *pairs;
    natskit_options options;
    natskit_sub failures = {0};
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "O!O:_open", st->js_type[me->via.face], &js, &pairs))
        return NULL;
    if (me->handle.id != 0)
        return raise_text(st, NATSKIT_INVALID, "this ingest was opened before; make a new one");
    if (options_arg(st, NATSKIT_OPTIONS_INGEST, pairs, &options) < 0)
        return NULL;
    natskit_status status = natskit_ingest_open(DATA(Js, js)->handle, options, &me->handle, &failures, &err);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    me->via = DATA(Js, js)->via;
    me->conn = Py_NewRef(DATA(Js, js)->conn);
    PyObject *none = text_new("", 0);
    if (none != NULL)
        me->failures = sub_new(st, me->conn, failures, none, none, false);
    else
        natskit_sub_close(failures);
    Py_XDECREF(none);
    if (me->failures == NULL)
        return NULL;
    DATA(Sub, me->failures)->outcomes = true;
    Py_RETURN_NONE;
}

static int ingest_clear(PyObject *self)
{
    Py_CLEAR(DATA(Ingest, self)->failures);
    Py_CLEAR(DATA(Ingest, self)->conn);
    return 0;
}

static int ingest_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(DATA(Ingest, self)->failures);
    Py_VISIT(DATA(Ingest, self)->conn);
    return 0;
}

static void ingest_dealloc(PyObject *self)
{
    Ingest *me = DATA(Ingest, self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (me->handle.id != 0 && !me->closed)
        natskit_ingest_close(me->handle);
    ingest_clear(self);
    if (me->st != NULL)
        state_drop(me->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *ingest_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    Ingest *me = DATA(Ingest, self);
    if (!me->closed) {
        natskit_ingest_info_get(me->handle, &me->last, sizeof me->last);
        natskit_ingest_close(me->handle);
    }
    me->closed = true;
    return face_done(me->st, me->via.face);
}

/* ----------------------------------------------------------------------------------------------- no room */

/* What a message needs in the outbox beside its own bytes: its reply subject, and the line's numbers. */
#define FRAME_BYTES 512

/* Whether it may be the outbox that has no room; else it is the window. In doubt, since it may have been
 * written meanwhile, the window: who waits for that tries again. */
static bool outbox_full(const Ingest *me, size_t size)
{
    natskit_op op = {0};
    natskit_error err;
    int32_t outcome;
    if (natskit_room_start(me->via.conn, (natskit_options){0}, size + FRAME_BYTES, NKPY_FOREVER, &op, NULL) !=
        NATSKIT_OK)
        return false;
    bool full = natskit_op_result(op, &outcome, &err) == NATSKIT_PENDING;
    natskit_op_close(op);
    return full;
}

/* Whether asyncio waits after a WOULD_BLOCK. With outbox_full="fail" it does for the window alone. */
static bool may_wait(const Ingest *me, size_t size, int64_t timeout_ms)
{
    return timeout_ms != 0 && me->via.face == FACE_ASYNC && !(me->via.fails && outbox_full(me, size));
}

/* Why a message of so many bytes was not accepted. */
static void *raise_no_room(const Ingest *me, natskit_status status, size_t size)
{
    if (status == NATSKIT_WOULD_BLOCK && !outbox_full(me, size))
        return raise_text(me->st, status, "the ingest's window is full");
    return raise_refused(me->st, status, NULL);
}

/* For block(): WOULD_BLOCK although there is time to wait means that nobody waits for the outbox, and ends
 * the wait. */
static natskit_status no_wait(natskit_status status, int64_t slice_ms, bool *refused)
{
    *refused = status == NATSKIT_WOULD_BLOCK && slice_ms != 0;
    return *refused ? NATSKIT_OK : status;
}

/* ------------------------------------------------------------------------------------------- one message */

typedef struct Handover {
    natskit_ingest handle;
    const Sending *send;
    uint64_t id;
    bool refused;
} Handover;

static natskit_status handover_block(void *arg, int64_t slice_ms)
{
    Handover *h = arg;
    const Sending *s = h->send;
    natskit_status status = natskit_ingest_publish(h->handle, s->subject.data, s->subject.len, s->headers,
                                                   s->payload.data, s->payload.len, slice_ms, &h->id);
    return no_wait(status, slice_ms, &h->refused);
}

static natskit_status handover_now(Handover *h)
{
    if (h->send->payload.len < (size_t)NKPY_LARGE)
        return handover_block(h, 0);
    natskit_status status;
    Py_BEGIN_ALLOW_THREADS status = handover_block(h, 0);
    Py_END_ALLOW_THREADS return status;
}

/* The end of a call that was accepted: the message's number. */
static PyObject *accepted(Ingest *me, uint64_t id)
{
    PyObject *number = PyLong_FromUnsignedLongLong(id);
    if (me->via.face == FACE_SYNC)
        return number;
    return ready_new(me->st, number, budget_spent(&me->budget));
}

static PyObject *hand_over(PyObject *self, PyObject *subject, PyObject *payload, PyObject *headers,
                           int64_t timeout_ms)
{
    Ingest *me = DATA(Ingest, self);
    State *st = me->st;
    Sending send;
    if (sending_arg(st, &send, subject, payload, NULL, headers) < 0)
        return NULL;
    Handover h = {me->handle, &send, 0, false};
    natskit_status status = handover_now(&h);
    int rc = 0;
    if (status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && me->via.face == FACE_SYNC)
        rc = block(st, handover_block, &h, timeout_ms, &status);
    status = h.refused ? NATSKIT_WOULD_BLOCK : status;
    size_t size = sending_size(&send);
    if (rc == 0 && status == NATSKIT_INVALID)
        raise_subject(st, &send);
    sending_done(st, &send);
    if (rc < 0 || status == NATSKIT_INVALID)
        return NULL;
    if (status == NATSKIT_OK)
        return accepted(me, h.id);
    if (status != NATSKIT_WOULD_BLOCK || !may_wait(me, size, timeout_ms))
        return h.refused ? raise_refused(st, status, NULL) : raise_no_room(me, status, size);
    PyObject *again = Py_BuildValue("(OOO)", subject, or_none(payload), or_none(headers));
    return later(st, self, "_publish_now", again, size, timeout_ms);
}

/* publish(subject, payload) of a str and small bytes, the usual call: its number, or 0 if the general way has
 * to find out what there is to say. */
static uint64_t hand_over_plain(const Ingest *me, PyObject *subject, PyObject *payload)
{
    Py_ssize_t subject_len = 0;
    uint64_t id = 0;
    if (!PyUnicode_Check(subject) || !PyBytes_Check(payload) || PyBytes_Size(payload) >= NKPY_LARGE)
        return 0;
    const char *text = PyUnicode_AsUTF8AndSize(subject, &subject_len);
    if (text == NULL) {
        PyErr_Clear();
        return 0;
    }
    natskit_status status =
        natskit_ingest_publish(me->handle, text, (size_t)subject_len, (natskit_headers){0},
                               PyBytes_AsString(payload), (size_t)PyBytes_Size(payload), 0, &id);
    return status == NATSKIT_OK ? id : 0;
}

static PyObject *ingest_publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"publish", A_COUNT, 1, 6, PUBLISH_NAMES};
    Ingest *me = DATA(Ingest, self);
    State *st = me->st;
    PyObject *a[A_COUNT];
    int64_t timeout_ms;
    More keep;
    if (nargs == 2 && kwnames == NULL) {
        uint64_t id = hand_over_plain(me, args[0], args[1]);
        if (id != 0)
            return accepted(me, id);
    }
    if (match(st, &sig, args, nargs, kwnames, a) < 0 ||
        timeout_arg(st, a[A_TIMEOUT], ROOM_TIMEOUT_MS, &timeout_ms) < 0 || publish_arg(st, a, &keep) < 0)
        return NULL;
    PyObject *result = hand_over(self, a[A_SUBJECT], a[A_PAYLOAD], a[A_HEADERS], timeout_ms);
    more_done(&keep);
    return result;
}

/* _publish_now(subject, payload, headers, left): fails with WouldBlockError if there is no room. */
static PyObject *ingest_publish_now(PyObject *self, PyObject *args)
{
    PyObject *subject, *payload, *headers, *left;
    if (!PyArg_ParseTuple(args, "OOOO:_publish_now", &subject, &payload, &headers, &left))
        return NULL;
    return hand_over(self, subject, payload == Py_None ? NULL : payload, headers, 0);
}

/* ------------------------------------------------------------------------------------------------- waits */

/* _commit(timeout) */
static PyObject *ingest_commit(PyObject *self, PyObject *timeout)
{
    const Ingest *me = DATA(Ingest, self);
    int64_t timeout_ms;
    natskit_op op = {0};
    natskit_error err = {0};
    if (timeout_arg(me->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    natskit_status status =
        natskit_ingest_commit_start(me->handle, (natskit_options){0}, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(me->st, status, &err);
    return face_finish(me->st, &me->via, op, GIVE_ACK);
}

/* _window(timeout): waits until one more message may be under way. */
static PyObject *ingest_window(PyObject *self, PyObject *timeout)
{
    const Ingest *me = DATA(Ingest, self);
    int64_t timeout_ms;
    natskit_op op = {0};
    natskit_error err = {0};
    if (timeout_arg(me->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    natskit_status status =
        natskit_ingest_room_start(me->handle, (natskit_options){0}, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(me->st, status, &err);
    return face_finish(me->st, &me->via, op, GIVE_NONE);
}

static PyObject *ingest_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Ingest *me = DATA(Ingest, self);
    natskit_ingest_info i = me->last;
    natskit_status status = me->closed ? NATSKIT_OK : natskit_ingest_info_get(me->handle, &i, sizeof i);
    if (status != NATSKIT_OK)
        return raise_status(me->st, status, NULL);
    return Py_BuildValue("{sK,sK,sK,sK,sK,sK,sK}", "published", (unsigned long long)i.published, "acked",
                         (unsigned long long)i.acked, "refused", (unsigned long long)i.refused, "lost",
                         (unsigned long long)i.lost, "window", (unsigned long long)i.window, "pings",
                         (unsigned long long)i.pings, "untaken", (unsigned long long)i.untaken);
}

static PyObject *ingest_get_failures(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *failures = DATA(Ingest, self)->failures;
    return Py_NewRef(failures == NULL ? Py_None : failures);
}

/* ------------------------------------------------------------------------------------------------ types */

#define FAST(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef ingest_methods[] = {
    {"publish", FAST(ingest_publish),
     "publish($self, subject, payload=b'', timeout=10.0, stream=None, headers=None, msg_ttl=None, *, "
     "msg_id=None, "
     "expected_last_seq=None, expected_last_subject_seq=None, expected_last_subject=None, "
     "expected_last_msg_id=None, increment=None, schedule=None,\n"
     "    schedule_target=None, schedule_source=None, schedule_ttl=None, schedule_time_zone=None,\n"
     "    schedule_rollup=False, unschedule=None, json=None)\n--\n\n"
     "Publishes a message; gives its number. Waits only while as many are under way as the stream takes, or "
     "the\n"
     "outbox is full, for at most `timeout` seconds."},
    {"close", ingest_close, METH_NOARGS,
     "close($self)\n--\n\nEnds it without a commit: what is under way may be stored or not."},
    {"stats", ingest_stats, METH_NOARGS, "stats($self)\n--\n\nCounters of the ingest."},
    {"_open", ingest_open, METH_VARARGS,
     "_open($self, context, options, /)\n--\n\nOpens it; `options` are pairs (name, value)."},
    {"_publish_now", ingest_publish_now, METH_VARARGS,
     "_publish_now($self, subject, payload, headers, left, /)\n--\n\nAs publish; WouldBlockError without "
     "room."},
    {"_commit", ingest_commit, METH_O, "_commit($self, timeout, /)\n--\n\nEnds the batch; its PubAck."},
    {"_window", ingest_window, METH_O,
     "_window($self, timeout, /)\n--\n\nWaits until one more message may be under way."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef ingest_getset[] = {
    {"failures", ingest_get_failures, NULL,
     "A subscription to what is not stored: PubOutcome of each message that is refused, or of the first of a "
     "gap.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static char ingest_doc[] = "Fast ingest; see natskit.Ingest and natskit.sync.Ingest.";

#define INGEST_SLOTS(make)                                                                                   \
    {Py_tp_doc, ingest_doc}, {Py_tp_new, make}, {Py_tp_dealloc, ingest_dealloc},                             \
        {Py_tp_traverse, ingest_traverse}, {Py_tp_clear, ingest_clear}, {Py_tp_methods, ingest_methods},     \
        {Py_tp_getset, ingest_getset},                                                                       \
    {                                                                                                        \
        0, NULL                                                                                              \
    }

static PyType_Slot async_slots[] = {INGEST_SLOTS(ingest_new_async)};
static PyType_Slot sync_slots[] = {INGEST_SLOTS(ingest_new_sync)};

#define FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE)

static PyType_Spec specs[] = {
    {"natskit._natskit.AsyncIngest", sizeof(Ingest), 0, FLAGS, async_slots},
    {"natskit._natskit.SyncIngest", sizeof(Ingest), 0, FLAGS, sync_slots},
};

int ingest_init(PyObject *module, State *st)
{
    if (type_add(module, &st->ingest_type[FACE_ASYNC], &specs[0], "AsyncIngest") < 0)
        return -1;
    return type_add(module, &st->ingest_type[FACE_SYNC], &specs[1], "SyncIngest");
}
