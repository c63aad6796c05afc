/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishers and fast ingests as one type over the functions of either: see publishing.h. Where the window or
 * the outbox is full, the blocking face waits here, and asyncio gets the coroutine of natskit/_later.py.
 */
#include "publishing.h"

PyObject *publishing_make(PyTypeObject *type, const PublishCalls *calls, int face)
{
    State *st = base_state(type, publishing_dealloc);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = st == NULL ? NULL : alloc(type, 0);
    if (self == NULL)
        return NULL;
    DATA(Publishing, self)->st = state_hold(st);
    DATA(Publishing, self)->calls = calls;
    DATA(Publishing, self)->via.face = face;
    budget_reset(&DATA(Publishing, self)->budget);
    return self;
}

/* _open(context, options) */
PyObject *publishing_open(PyObject *self, PyObject *args)
{
    Publishing *pub = DATA(Publishing, self);
    State *st = pub->st;
    PyObject *js, *pairs;
    natskit_options options;
    natskit_sub told = {0};
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "O!O:_open", st->js_type[pub->via.face], &js, &pairs))
        return NULL;
    if (pub->handle != 0)
        return raise_text(st, NATSKIT_INVALID, "this %s was opened before; make a new one", pub->calls->name);
    if (options_arg(st, pub->calls->scope, pairs, &options) < 0)
        return NULL;
    natskit_status status = pub->calls->open(DATA(Js, js)->handle, options, &pub->handle, &told, &err);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    pub->via = DATA(Js, js)->via;
    pub->conn = Py_NewRef(DATA(Js, js)->conn);
    PyObject *none = text_new("", 0);
    if (none != NULL)
        pub->told = sub_new(st, pub->conn, told, none, none, false);
    else
        natskit_sub_close(told);
    Py_XDECREF(none);
    if (pub->told == NULL)
        return NULL;
    DATA(Sub, pub->told)->outcomes = true;
    Py_RETURN_NONE;
}

int publishing_clear(PyObject *self)
{
    Py_CLEAR(DATA(Publishing, self)->told);
    Py_CLEAR(DATA(Publishing, self)->conn);
    return 0;
}

int publishing_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(DATA(Publishing, self)->told);
    Py_VISIT(DATA(Publishing, self)->conn);
    return 0;
}

void publishing_dealloc(PyObject *self)
{
    Publishing *pub = DATA(Publishing, self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (pub->handle != 0 && !pub->closed)
        pub->calls->close(pub->handle);
    publishing_clear(self);
    if (pub->st != NULL)
        state_drop(pub->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

PyObject *publishing_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    Publishing *pub = DATA(Publishing, self);
    if (!pub->closed) {
        pub->calls->counters(pub->handle, &pub->last);
        pub->calls->close(pub->handle);
    }
    pub->closed = true;
    return face_done(pub->st, pub->via.face);
}

int publishing_counters(const Publishing *pub, Counters *out)
{
    *out = pub->last;
    natskit_status status = pub->closed ? NATSKIT_OK : pub->calls->counters(pub->handle, out);
    if (status == NATSKIT_OK)
        return 0;
    raise_status(pub->st, status, NULL);
    return -1;
}

PyObject *publishing_get_told(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *told = DATA(Publishing, self)->told;
    return Py_NewRef(told == NULL ? Py_None : told);
}

/* ----------------------------------------------------------------------------------------------- no room */

/* What a message needs in the outbox beside its own bytes: its reply subject, and the line's numbers. */
#define FRAME_BYTES 512

/* Whether it may be the outbox that has no room; else it is the window. In doubt, since it may have been
 * written meanwhile, the window: who waits for that tries again. */
static bool outbox_full(const Publishing *pub, size_t size)
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

bool publishing_may_wait(const Publishing *pub, size_t size, int64_t timeout_ms)
{
    return timeout_ms != 0 && pub->via.face == FACE_ASYNC && !(pub->via.fails && outbox_full(pub, size));
}

void *publishing_no_room(const Publishing *pub, natskit_status status, size_t size)
{
    if (status == NATSKIT_WOULD_BLOCK && !outbox_full(pub, size))
        return raise_text(pub->st, status, "the %s's window is full", pub->calls->name);
    return raise_refused(pub->st, status, NULL);
}

natskit_status publishing_no_wait(natskit_status status, int64_t slice_ms, bool *refused)
{
    *refused = status == NATSKIT_WOULD_BLOCK && slice_ms != 0;
    return *refused ? NATSKIT_OK : status;
}

/* ------------------------------------------------------------------------------------------- one message */

typedef struct Handover {
    const Publishing *pub;
    const Sending *send;
    uint64_t id;
    bool refused;
} Handover;

static natskit_status handover_block(void *arg, int64_t slice_ms)
{
    Handover *h = arg;
    const Sending *s = h->send;
    natskit_status status =
        h->pub->calls->publish(h->pub->handle, s->subject.data, s->subject.len, s->headers, s->payload.data,
                               s->payload.len, slice_ms, &h->id);
    return publishing_no_wait(status, slice_ms, &h->refused);
}

static natskit_status handover_now(Handover *h)
{
    if (h->send->payload.len < (size_t)NKPY_LARGE)
        return handover_block(h, 0);
    natskit_status status;
    Py_BEGIN_ALLOW_THREADS status = handover_block(h, 0);
    Py_END_ALLOW_THREADS return status;
}

PyObject *publishing_accepted(Publishing *pub, uint64_t number)
{
    PyObject *result = PyLong_FromUnsignedLongLong(number);
    if (pub->via.face == FACE_SYNC)
        return result;
    return ready_new(pub->st, result, budget_spent(&pub->budget));
}

static PyObject *hand_over(PyObject *self, PyObject *subject, PyObject *payload, PyObject *headers,
                           int64_t timeout_ms)
{
    Publishing *pub = DATA(Publishing, self);
    State *st = pub->st;
    Sending send;
    if (sending_arg(st, &send, subject, payload, NULL, headers) < 0)
        return NULL;
    Handover h = {pub, &send, 0, false};
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
        return publishing_accepted(pub, h.id);
    if (status != NATSKIT_WOULD_BLOCK || !publishing_may_wait(pub, size, timeout_ms))
        return h.refused ? raise_refused(st, status, NULL) : publishing_no_room(pub, status, size);
    PyObject *again = Py_BuildValue("(OOO)", subject, or_none(payload), or_none(headers));
    return later(st, self, "_publish_now", again, size, timeout_ms);
}

/* publish(subject, payload) of a str and small bytes, the usual call: its number, or 0 if the general way has
 * to find out what there is to say. */
static uint64_t hand_over_plain(const Publishing *pub, PyObject *subject, PyObject *payload)
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
        pub->calls->publish(pub->handle, text, (size_t)subject_len, (natskit_headers){0},
                            PyBytes_AsString(payload), (size_t)PyBytes_Size(payload), 0, &id);
    return status == NATSKIT_OK ? id : 0;
}

PyObject *publishing_publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"publish", A_COUNT, 1, 6, PUBLISH_NAMES};
    Publishing *pub = DATA(Publishing, self);
    State *st = pub->st;
    PyObject *a[A_COUNT];
    int64_t timeout_ms;
    More keep;
    if (nargs == 2 && kwnames == NULL) {
        uint64_t id = hand_over_plain(pub, args[0], args[1]);
        if (id != 0)
            return publishing_accepted(pub, id);
    }
    if (match(st, &sig, args, nargs, kwnames, a) < 0 ||
        timeout_arg(st, a[A_TIMEOUT], ROOM_TIMEOUT_MS, &timeout_ms) < 0 || publish_arg(st, a, &keep) < 0)
        return NULL;
    PyObject *result = hand_over(self, a[A_SUBJECT], a[A_PAYLOAD], a[A_HEADERS], timeout_ms);
    more_done(&keep);
    return result;
}

/* _publish_now(subject, payload, headers, left): fails with WouldBlockError if there is no room. */
PyObject *publishing_publish_now(PyObject *self, PyObject *args)
{
    PyObject *subject, *payload, *headers, *left;
    if (!PyArg_ParseTuple(args, "OOOO:_publish_now", &subject, &payload, &headers, &left))
        return NULL;
    return hand_over(self, subject, payload == Py_None ? NULL : payload, headers, 0);
}
