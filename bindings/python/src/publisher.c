/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishers, which have many messages under way to streams at once: the bases of natskit.Publisher and
 * natskit.sync.Publisher. What becomes of the messages is told by a subscription. Where the window or the
 * outbox is full, the blocking face waits here, and asyncio gets the coroutine of natskit/_later.py.
 */
#include "state.h"

#define ROOM_TIMEOUT_MS 10000
/* Messages of a batch that are converted and handed over at once. */
#define CHUNK 256

typedef struct Publisher {
    NKPY_HEAD
    State *st;
    natskit_publisher handle;
    PyObject *conn; /* keeps the connection open; NULL before it was opened */
    PyObject *acks; /* the subscription of the outcomes */
    Via via;
    Budget budget;
    bool closed;
    natskit_publisher_info last; /* as it was when it was closed */
} Publisher;

static void publisher_dealloc(PyObject *self);

static PyObject *publisher_make(PyTypeObject *type, int face)
{
    State *st = base_state(type, publisher_dealloc);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = st == NULL ? NULL : alloc(type, 0);
    if (self == NULL)
        return NULL;
    DATA(Publisher, self)->st = state_hold(st);
    DATA(Publisher, self)->via.face = face;
    budget_reset(&DATA(Publisher, self)->budget);
    return self;
}

static PyObject *publisher_new_async(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return publisher_make(type, FACE_ASYNC);
}

static PyObject *publisher_new_sync(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return publisher_make(type, FACE_SYNC);
}

/* _open(context, options) */
static PyObject *publisher_open(PyObject *self, PyObject *args)
{
    Publisher *pub = DATA(Publisher, self);
    State *st = pub->st;
    PyObject *js, *pairs;
    natskit_options options;
    natskit_sub acks = {0};
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "O!O:_open", st->js_type[pub->via.face], &js, &pairs))
        return NULL;
    if (pub->handle.id != 0)
        return raise_text(st, NATSKIT_INVALID, "this publisher was opened before; make a new one");
    if (options_arg(st, NATSKIT_OPTIONS_PUBLISHER, pairs, &options) < 0)
        return NULL;
    natskit_status status = natskit_publisher_open(DATA(Js, js)->handle, options, &pub->handle, &acks, &err);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    pub->via = DATA(Js, js)->via;
    pub->conn = Py_NewRef(DATA(Js, js)->conn);
    PyObject *none = text_new("", 0);
    if (none != NULL)
        pub->acks = sub_new(st, pub->conn, acks, none, none, false);
    else
        natskit_sub_close(acks);
    Py_XDECREF(none);
    if (pub->acks == NULL)
        return NULL;
    DATA(Sub, pub->acks)->outcomes = true;
    Py_RETURN_NONE;
}

static int publisher_clear(PyObject *self)
{
    Py_CLEAR(DATA(Publisher, self)->acks);
    Py_CLEAR(DATA(Publisher, self)->conn);
    return 0;
}

static int publisher_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(DATA(Publisher, self)->acks);
    Py_VISIT(DATA(Publisher, self)->conn);
    return 0;
}

static void publisher_dealloc(PyObject *self)
{
    Publisher *pub = DATA(Publisher, self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (pub->handle.id != 0 && !pub->closed)
        natskit_publisher_close(pub->handle);
    publisher_clear(self);
    if (pub->st != NULL)
        state_drop(pub->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *publisher_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    Publisher *pub = DATA(Publisher, self);
    if (!pub->closed) {
        natskit_publisher_info_get(pub->handle, &pub->last, sizeof pub->last);
        natskit_publisher_close(pub->handle);
    }
    pub->closed = true;
    return face_done(pub->st, pub->via.face);
}

/* ----------------------------------------------------------------------------------------------- no room */

/* What a message needs in the outbox beside its own bytes: its reply subject, and the line's numbers. */
#define FRAME_BYTES 512

/* Whether it may be the outbox that has no room; else it is the window. In doubt, since it may have been
 * written meanwhile, the window: who waits for that tries again. */
static bool outbox_full(const Publisher *pub, size_t size)
{
    natskit_op op = {0};
    natskit_error err;
    int32_t outcome;
    if (natskit_room_start(pub->via.conn, (natskit_options){0}, size + FRAME_BYTES, NKPY_FOREVER, &op,
                           NULL) != NATSKIT_OK)
        return false;
    bool full = natskit_op_result(op, &outcome, &err) == NATSKIT_PENDING;
    natskit_op_close(op);
    return full;
}

/* Whether asyncio waits after a WOULD_BLOCK. With outbox_full="fail" it does for the window alone. */
static bool may_wait(const Publisher *pub, size_t size, int64_t timeout_ms)
{
    return timeout_ms != 0 && pub->via.face == FACE_ASYNC && !(pub->via.fails && outbox_full(pub, size));
}

/* Why a message of so many bytes was not accepted. */
static void *raise_no_room(const Publisher *pub, natskit_status status, size_t size)
{
    if (status == NATSKIT_WOULD_BLOCK && !outbox_full(pub, size))
        return raise_text(pub->st, status, "the publisher's window is full");
    return raise_refused(pub->st, status, NULL);
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
    natskit_publisher handle;
    const Sending *send;
    uint64_t id;
    bool refused;
} Handover;

static natskit_status handover_block(void *arg, int64_t slice_ms)
{
    Handover *h = arg;
    const Sending *s = h->send;
    natskit_status status = natskit_publisher_publish(h->handle, s->subject.data, s->subject.len, s->headers,
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
static PyObject *accepted(Publisher *pub, uint64_t id)
{
    PyObject *number = PyLong_FromUnsignedLongLong(id);
    if (pub->via.face == FACE_SYNC)
        return number;
    return ready_new(pub->st, number, budget_spent(&pub->budget));
}

static PyObject *hand_over(PyObject *self, PyObject *subject, PyObject *payload, PyObject *headers,
                           int64_t timeout_ms)
{
    Publisher *pub = DATA(Publisher, self);
    State *st = pub->st;
    Sending send;
    if (sending_arg(st, &send, subject, payload, NULL, headers) < 0)
        return NULL;
    Handover h = {pub->handle, &send, 0, false};
    natskit_status status = handover_now(&h);
    int rc = 0;
    if (status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && pub->via.face == FACE_SYNC)
        rc = block(st, handover_block, &h, timeout_ms, &status);
    status = h.refused ? NATSKIT_WOULD_BLOCK : status;
    size_t size = sending_size(&send);
    if (rc == 0 && status == NATSKIT_INVALID)
        raise_subject(st, &send);
    sending_done(st, &send);
    if (rc < 0 || status == NATSKIT_INVALID)
        return NULL;
    if (status == NATSKIT_OK)
        return accepted(pub, h.id);
    if (status != NATSKIT_WOULD_BLOCK || !may_wait(pub, size, timeout_ms))
        return h.refused ? raise_refused(st, status, NULL) : raise_no_room(pub, status, size);
    PyObject *again = Py_BuildValue("(OOO)", subject, or_none(payload), or_none(headers));
    return later(st, self, "_publish_now", again, size, timeout_ms);
}

/* publish(subject, payload) of a str and small bytes, the usual call: its number, or 0 if the general way has
 * to find out what there is to say. */
static uint64_t hand_over_plain(const Publisher *pub, PyObject *subject, PyObject *payload)
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
        natskit_publisher_publish(pub->handle, text, (size_t)subject_len, (natskit_headers){0},
                                  PyBytes_AsString(payload), (size_t)PyBytes_Size(payload), 0, &id);
    return status == NATSKIT_OK ? id : 0;
}

static PyObject *publisher_publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"publish", A_COUNT, 1, 6, PUBLISH_NAMES};
    Publisher *pub = DATA(Publisher, self);
    State *st = pub->st;
    PyObject *a[A_COUNT];
    int64_t timeout_ms;
    More keep;
    if (nargs == 2 && kwnames == NULL) {
        uint64_t id = hand_over_plain(pub, args[0], args[1]);
        if (id != 0)
            return accepted(pub, id);
    }
    if (match(st, &sig, args, nargs, kwnames, a) < 0 ||
        timeout_arg(st, a[A_TIMEOUT], ROOM_TIMEOUT_MS, &timeout_ms) < 0 || publish_arg(st, a, &keep) < 0)
        return NULL;
    PyObject *result = hand_over(self, a[A_SUBJECT], a[A_PAYLOAD], a[A_HEADERS], timeout_ms);
    more_done(&keep);
    return result;
}

/* _publish_now(subject, payload, headers, left): fails with WouldBlockError if there is no room. */
static PyObject *publisher_publish_now(PyObject *self, PyObject *args)
{
    PyObject *subject, *payload, *headers, *left;
    if (!PyArg_ParseTuple(args, "OOOO:_publish_now", &subject, &payload, &headers, &left))
        return NULL;
    return hand_over(self, subject, payload == Py_None ? NULL : payload, headers, 0);
}

/* ---------------------------------------------------------------------------------------- many messages */

typedef struct Chunk {
    natskit_publisher handle;
    Sending send[CHUNK];
    natskit_outgoing out[CHUNK];
    size_t count;
    size_t done; /* of them accepted */
    size_t bytes;
    bool refused;
} Chunk;

static natskit_status chunk_block(void *arg, int64_t slice_ms)
{
    Chunk *chunk = arg;
    size_t published = 0;
    natskit_status status =
        natskit_publisher_publish_batch(chunk->handle, chunk->out + chunk->done, sizeof chunk->out[0],
                                        chunk->count - chunk->done, slice_ms, NULL, &published);
    chunk->done += published;
    return no_wait(status, slice_ms, &chunk->refused);
}

static natskit_status chunk_now(Chunk *chunk)
{
    if (chunk->bytes < (size_t)NKPY_LARGE)
        return chunk_block(chunk, 0);
    natskit_status status;
    Py_BEGIN_ALLOW_THREADS status = chunk_block(chunk, 0);
    Py_END_ALLOW_THREADS return status;
}

/* Why the next message was not accepted; nothing if asyncio will wait for room. */
static void chunk_raise(const Publisher *pub, const Chunk *chunk, natskit_status status, int64_t timeout_ms)
{
    const Sending *next = &chunk->send[chunk->done];
    size_t size = status == NATSKIT_WOULD_BLOCK ? sending_size(next) : 0;
    if (status == NATSKIT_INVALID)
        raise_subject(pub->st, next);
    else if (chunk->refused)
        raise_refused(pub->st, status, NULL);
    else if (status != NATSKIT_WOULD_BLOCK || !may_wait(pub, size, timeout_ms))
        raise_no_room(pub, status, size);
}

static int chunk_add(State *st, Chunk *chunk, PyObject *item)
{
    PyObject *a[3] = {NULL, NULL, NULL};
    Py_ssize_t size = PyTuple_Check(item) ? PyTuple_Size(item) : 0;
    if (size < 1 || size > 3) {
        PyErr_SetString(PyExc_TypeError, "publish_batch() needs tuples (subject, payload[, headers])");
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++)
        a[i] = PyTuple_GetItem(item, i);
    Sending *s = &chunk->send[chunk->count];
    if (sending_arg(st, s, a[0], a[1], NULL, a[2]) < 0)
        return -1;
    chunk->out[chunk->count++] = (natskit_outgoing){
        .subject = s->subject.data,
        .subject_len = s->subject.len,
        .headers = s->headers,
        .data = s->payload.data,
        .data_len = s->payload.len,
    };
    chunk->bytes += s->payload.len;
    return 0;
}

static int chunk_publish(const Publisher *pub, Chunk *chunk, PyObject *list, Py_ssize_t at,
                         int64_t timeout_ms, natskit_status *status)
{
    State *st = pub->st;
    Py_ssize_t size = PyList_Size(list);
    int rc = 0;
    for (Py_ssize_t i = at; rc == 0 && i < size && chunk->count < CHUNK; i++)
        rc = chunk_add(st, chunk, PyList_GetItem(list, i));
    *status = NATSKIT_OK;
    if (chunk->count == 0)
        return rc;
    *status = chunk_now(chunk); /* what stands before a wrong item, as it would have been by a loop */
    if (*status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && pub->via.face == FACE_SYNC && rc == 0)
        rc = block(st, chunk_block, chunk, timeout_ms, status);
    *status = chunk->refused ? NATSKIT_WOULD_BLOCK : *status;
    if (rc == 0 && *status != NATSKIT_OK)
        chunk_raise(pub, chunk, *status, timeout_ms);
    return PyErr_Occurred() ? -1 : rc;
}

/* Publishes a list from `*at` on and moves `*at`. 1: all; 0: no room (asyncio), `*bytes` are wanted; -1:
 * exception. */
static int batch_publish(const Publisher *pub, PyObject *list, Py_ssize_t *at, int64_t timeout_ms,
                         size_t *bytes)
{
    Chunk *chunk = PyMem_Malloc(sizeof *chunk);
    if (chunk == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    natskit_status status = NATSKIT_OK;
    int rc = 0;
    while (rc == 0 && status == NATSKIT_OK && *at < PyList_Size(list)) {
        chunk->handle = pub->handle;
        chunk->count = chunk->done = chunk->bytes = 0;
        chunk->refused = false;
        rc = chunk_publish(pub, chunk, list, *at, timeout_ms, &status);
        *at += (Py_ssize_t)chunk->done;
        *bytes = chunk->done < chunk->count ? sending_size(&chunk->send[chunk->done]) : 0;
        for (size_t i = 0; i < chunk->count; i++)
            sending_done(pub->st, &chunk->send[i]);
    }
    PyMem_Free(chunk);
    return rc < 0 ? -1 : status == NATSKIT_OK;
}

static void *batch_failed(State *st, Py_ssize_t published)
{
    PyObject *number = PyLong_FromSsize_t(published);
    error_annotate(st, NAME_published, number);
    Py_XDECREF(number);
    return NULL;
}

static PyObject *publisher_publish_batch(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                         PyObject *kwnames)
{
    static const Signature sig = {"publish_batch", 2, 1, 1, {NAME_messages, NAME_timeout}};
    Publisher *pub = DATA(Publisher, self);
    State *st = pub->st;
    PyObject *a[2];
    int64_t timeout_ms;
    if (match(st, &sig, args, nargs, kwnames, a) < 0 ||
        timeout_arg(st, a[1], ROOM_TIMEOUT_MS, &timeout_ms) < 0)
        return NULL;
    PyObject *list = PySequence_List(a[0]);
    if (list == NULL)
        return NULL;
    Py_ssize_t at = 0, total = PyList_Size(list);
    size_t bytes = 0;
    int rc = batch_publish(pub, list, &at, timeout_ms, &bytes);
    PyObject *result = NULL;
    if (rc > 0) {
        result = accepted(pub, (uint64_t)total);
    } else if (rc < 0) {
        batch_failed(st, at);
    } else {
        PyObject *rest = PyList_GetSlice(list, at, total);
        PyObject *again = rest == NULL ? NULL : Py_BuildValue("(Nn)", rest, total);
        result = later(st, self, "_publish_batch_now", again, bytes, timeout_ms);
    }
    Py_DECREF(list);
    return result;
}

/* _publish_batch_now(messages, total, left): takes out of the list what is accepted; fails with
 * WouldBlockError if some are left. */
static PyObject *publisher_publish_batch_now(PyObject *self, PyObject *args)
{
    Publisher *pub = DATA(Publisher, self);
    PyObject *list, *left;
    Py_ssize_t total, at = 0;
    size_t bytes = 0;
    if (!PyArg_ParseTuple(args, "O!nO:_publish_batch_now", &PyList_Type, &list, &total, &left))
        return NULL;
    int rc = batch_publish(pub, list, &at, NKPY_FOREVER, &bytes);
    Py_ssize_t rest = PyList_Size(list) - at;
    if (rc < 0)
        return batch_failed(pub->st, total - rest);
    if (PyList_SetSlice(list, 0, at, NULL) < 0)
        return NULL;
    if (rc > 0)
        return accepted(pub, (uint64_t)total);
    raise_no_room(pub, NATSKIT_WOULD_BLOCK, bytes);
    return batch_failed(pub->st, total - rest);
}

/* ------------------------------------------------------------------------------------------------- waits */

/* _done(timeout) */
static PyObject *publisher_done(PyObject *self, PyObject *timeout)
{
    const Publisher *pub = DATA(Publisher, self);
    int64_t timeout_ms;
    natskit_op op = {0};
    natskit_error err = {0};
    if (timeout_arg(pub->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    natskit_status status =
        natskit_publisher_done_start(pub->handle, (natskit_options){0}, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(pub->st, status, &err);
    return face_finish(pub->st, &pub->via, op, GIVE_NONE);
}

/* _window(size, timeout): waits until the window has room for so many bytes. */
static PyObject *publisher_window(PyObject *self, PyObject *args)
{
    const Publisher *pub = DATA(Publisher, self);
    PyObject *timeout;
    unsigned long long size;
    int64_t timeout_ms;
    natskit_op op = {0};
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "KO:_window", &size, &timeout) ||
        timeout_arg(pub->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    natskit_status status =
        natskit_publisher_room_start(pub->handle, (natskit_options){0}, size, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(pub->st, status, &err);
    return face_finish(pub->st, &pub->via, op, GIVE_NONE);
}

static PyObject *publisher_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Publisher *pub = DATA(Publisher, self);
    natskit_publisher_info i = pub->last;
    natskit_status status = pub->closed ? NATSKIT_OK : natskit_publisher_info_get(pub->handle, &i, sizeof i);
    if (status != NATSKIT_OK)
        return raise_status(pub->st, status, NULL);
    return Py_BuildValue("{sK,sK,sK,sK,sK,sK,sK,sK,sK,sK}", "published", (unsigned long long)i.published,
                         "pending", (unsigned long long)i.pending, "pending_bytes",
                         (unsigned long long)i.pending_bytes, "acked", (unsigned long long)i.acked,
                         "duplicates", (unsigned long long)i.duplicates, "failed",
                         (unsigned long long)i.failed, "retried", (unsigned long long)i.retried, "resent",
                         (unsigned long long)i.resent, "late", (unsigned long long)i.late, "untaken",
                         (unsigned long long)i.untaken);
}

static PyObject *publisher_get_outcomes(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *acks = DATA(Publisher, self)->acks;
    return Py_NewRef(acks == NULL ? Py_None : acks);
}

/* ------------------------------------------------------------------------------------------------ types */

#define FAST(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef publisher_methods[] = {
    {"publish", FAST(publisher_publish),
     "publish($self, subject, payload=b'', timeout=10.0, stream=None, headers=None, msg_ttl=None, *, "
     "msg_id=None, "
     "expected_last_seq=None, expected_last_subject_seq=None, expected_last_subject=None, "
     "expected_last_msg_id=None, increment=None, schedule=None,\n"
     "    schedule_target=None, schedule_source=None, schedule_ttl=None, schedule_time_zone=None,\n"
     "    schedule_rollup=False, unschedule=None, json=None)\n--\n\n"
     "Publishes without waiting for the ack; gives the message's number. Waits only while the window or the "
     "outbox is "
     "full, for at most `timeout` seconds."},
    {"publish_batch", FAST(publisher_publish_batch),
     "publish_batch($self, messages, *, timeout=10.0)\n--\n\n"
     "Publishes tuples (subject, payload[, headers]); gives their number."},
    {"close", publisher_close, METH_NOARGS,
     "close($self)\n--\n\nEnds it: of what has no ack yet nobody knows whether it is stored."},
    {"stats", publisher_stats, METH_NOARGS, "stats($self)\n--\n\nCounters of the publisher."},
    {"_open", publisher_open, METH_VARARGS,
     "_open($self, context, options, /)\n--\n\nOpens the publisher; `options` are pairs (name, value)."},
    {"_publish_now", publisher_publish_now, METH_VARARGS,
     "_publish_now($self, subject, payload, headers, left, /)\n--\n\nAs publish; WouldBlockError without "
     "room."},
    {"_publish_batch_now", publisher_publish_batch_now, METH_VARARGS,
     "_publish_batch_now($self, messages, total, left, /)\n--\n\nTakes what is accepted out of the list; "
     "WouldBlockError if some are left."},
    {"_done", publisher_done, METH_O,
     "_done($self, timeout, /)\n--\n\nWaits until everything has its outcome."},
    {"_window", publisher_window, METH_VARARGS,
     "_window($self, size, timeout, /)\n--\n\nWaits until the window has room for so many bytes."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef publisher_getset[] = {
    {"outcomes", publisher_get_outcomes, NULL,
     "A subscription to what becomes of the messages: PubOutcome of each, or of failures alone.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static char publisher_doc[] = "A publisher to streams; see natskit.Publisher and natskit.sync.Publisher.";

#define PUBLISHER_SLOTS(make)                                                                                \
    {Py_tp_doc, publisher_doc}, {Py_tp_new, make}, {Py_tp_dealloc, publisher_dealloc},                       \
        {Py_tp_traverse, publisher_traverse}, {Py_tp_clear, publisher_clear},                                \
        {Py_tp_methods, publisher_methods}, {Py_tp_getset, publisher_getset},                                \
    {                                                                                                        \
        0, NULL                                                                                              \
    }

static PyType_Slot async_slots[] = {PUBLISHER_SLOTS(publisher_new_async)};
static PyType_Slot sync_slots[] = {PUBLISHER_SLOTS(publisher_new_sync)};

#define FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE)

static PyType_Spec specs[] = {
    {"natskit._natskit.AsyncPublisher", sizeof(Publisher), 0, FLAGS, async_slots},
    {"natskit._natskit.SyncPublisher", sizeof(Publisher), 0, FLAGS, sync_slots},
};

int publisher_init(PyObject *module, State *st)
{
    if (type_add(module, &st->publisher_type[FACE_ASYNC], &specs[0], "AsyncPublisher") < 0)
        return -1;
    return type_add(module, &st->publisher_type[FACE_SYNC], &specs[1], "SyncPublisher");
}
