/* SPDX-License-Identifier: Apache-2.0
 *
 * What sends: publish, publish_batch, request and respond, for both faces. A call that finds room in the
 * outbox is done when it returns, also for asyncio, where its awaitable is ready. If the outbox is full, the
 * blocking face waits here; asyncio gets the coroutine of natskit/_later.py, which tries again when there may
 * be room. With option outbox_full "fail" neither waits.
 */
#include "state.h"

#include <string.h>

#define ROOM_TIMEOUT_MS 10000
#define REQUEST_TIMEOUT_MS 500
/* Messages of a batch that are converted and handed over at once. */
#define CHUNK 256

/* NATSKIT_INVALID of a publish: it has only the subjects to complain of, and tells why when asked. */
void *raise_subject(State *st, const Sending *send)
{
    natskit_error err = {0};
    if (natskit_subject_check(send->subject.data, send->subject.len, 0, &err) == NATSKIT_OK)
        natskit_subject_check(send->reply.data, send->reply.len, 0, &err);
    return raise_class(st, st->bad_subject, NATSKIT_INVALID, &err);
}

/* What is neither success nor NATSKIT_INVALID. */
void *raise_refused(State *st, natskit_status status, const natskit_error *err)
{
    const natskit_error full = {.status = status, .text = "the outbox is full"};
    if (status == NATSKIT_WOULD_BLOCK)
        return raise_class(st, st->outbox_full, status, &full);
    return raise_status(st, status, err);
}

int sending_arg(State *st, Sending *send, PyObject *subject, PyObject *payload, PyObject *reply,
                PyObject *headers)
{
    send->subject.owner = send->reply.owner = NULL;
    send->payload.held = false;
    send->headers.id = 0;
    send->borrowed = false;
    if (text_arg(st, subject, "subject", NULL, &send->subject) == 0 &&
        payload_arg(st, payload, &send->payload) == 0 &&
        text_arg(st, reply, "reply", "", &send->reply) == 0 && headers_arg(st, headers, send) == 0)
        return 0;
    sending_done(st, send);
    return -1;
}

/* Bytes that a message may need in the outbox; too little only means to ask once more. */
size_t sending_size(const Sending *send)
{
    return send->subject.len + send->reply.len + send->payload.len + (send->headers.id == 0 ? 64 : 4096);
}

/* The coroutine that repeats `method` of `self`, with `args` (taken over) and the time left, once there may
 * be room for `size` bytes in the outbox. */
PyObject *later(State *st, PyObject *self, const char *method, PyObject *args, size_t size,
                int64_t timeout_ms)
{
    PyObject *attempt = PyObject_GetAttrString(self, method);
    PyObject *room = PyObject_GetAttrString(self, "_room");
    PyObject *bytes = PyLong_FromSize_t(size);
    PyObject *timeout = timeout_ms < 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble((double)timeout_ms / 1000.0);
    PyObject *coroutine = NULL;
    if (attempt != NULL && room != NULL && args != NULL && bytes != NULL && timeout != NULL)
        coroutine = PyObject_CallFunctionObjArgs(st->later, room, attempt, args, bytes, timeout, NULL);
    Py_XDECREF(attempt);
    Py_XDECREF(room);
    Py_XDECREF(args);
    Py_XDECREF(bytes);
    Py_XDECREF(timeout);
    return coroutine;
}

PyObject *or_none(PyObject *object)
{
    return object == NULL ? Py_None : object;
}

/* --------------------------------------------------------------------------------------------- publish */

typedef struct PublishWait {
    natskit_conn conn;
    const Sending *send;
} PublishWait;

static natskit_status publish_block(void *arg, int64_t slice_ms)
{
    const PublishWait *wait = arg;
    const Sending *s = wait->send;
    return natskit_publish(wait->conn, s->subject.data, s->subject.len, s->reply.data, s->reply.len,
                           s->headers, s->payload.data, s->payload.len, slice_ms);
}

static natskit_status publish_now(natskit_conn conn, const Sending *send)
{
    PublishWait wait = {conn, send};
    if (send->payload.len < (size_t)NKPY_LARGE)
        return publish_block(&wait, 0);
    natskit_status status;
    Py_BEGIN_ALLOW_THREADS status = publish_block(&wait, 0);
    Py_END_ALLOW_THREADS return status;
}

/* The end of a call that was accepted. */
static PyObject *published(Conn *conn)
{
    if (conn->via.face == FACE_SYNC)
        Py_RETURN_NONE;
    if (budget_spent(&conn->budget))
        return ready_new(conn->st, Py_NewRef(Py_None), true);
    return Py_NewRef(conn->st->done);
}

/* The call without its extras: a[0..4] are subject, payload, reply, headers, timeout. */
static PyObject *publish(PyObject *self, PyObject *const *a)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    Sending send;
    if (sending_arg(st, &send, a[0], a[1], a[2], a[3]) < 0)
        return NULL;
    natskit_status status = publish_now(conn->handle, &send);
    int64_t timeout_ms = 0;
    int rc = 0;
    if (status == NATSKIT_WOULD_BLOCK && !conn->via.fails)
        rc = timeout_arg(st, a[4], ROOM_TIMEOUT_MS, &timeout_ms);
    if (status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && rc == 0 && conn->via.face == FACE_SYNC) {
        PublishWait wait = {conn->handle, &send};
        rc = block(st, publish_block, &wait, timeout_ms, &status);
    }
    size_t size = sending_size(&send);
    if (rc == 0 && status == NATSKIT_INVALID)
        raise_subject(st, &send);
    sending_done(st, &send);
    if (rc < 0 || status == NATSKIT_INVALID)
        return NULL;
    if (status == NATSKIT_OK)
        return published(conn);
    if (status != NATSKIT_WOULD_BLOCK || timeout_ms == 0)
        return raise_refused(st, status, NULL);
    PyObject *again = Py_BuildValue("(OOOO)", a[0], or_none(a[1]), or_none(a[2]), or_none(a[3]));
    return later(st, self, "_publish_now", again, size, timeout_ms);
}

/* publish(subject, payload) of a str and small bytes, the usual call: whether it was accepted. If not, the
 * general way finds out why. */
static bool publish_plain(const Conn *conn, PyObject *subject, PyObject *payload)
{
    Py_ssize_t subject_len = 0;
    if (!PyUnicode_Check(subject) || !PyBytes_Check(payload))
        return false;
    Py_ssize_t len = PyBytes_Size(payload);
    const char *text = len < NKPY_LARGE ? PyUnicode_AsUTF8AndSize(subject, &subject_len) : NULL;
    if (text == NULL) {
        PyErr_Clear();
        return false;
    }
    return natskit_publish(conn->handle, text, (size_t)subject_len, NULL, 0, (natskit_headers){0},
                           PyBytes_AsString(payload), (size_t)len, 0) == NATSKIT_OK;
}

PyObject *conn_publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {
        "publish", 8, 1, 4, {NAME_subject, NAME_payload, NAME_reply, NAME_headers, NAME_timeout, MORE_NAMES}};
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *a[8];
    if (nargs == 2 && kwnames == NULL && publish_plain(conn, args[0], args[1]))
        return published(conn);
    if (match(st, &sig, args, nargs, kwnames, a) < 0)
        return NULL;
    if (kwnames == NULL) /* the extras are keywords */
        return publish(self, a);
    More more;
    if (more_arg(st, a + 5, &a[1], &a[3], &more) < 0)
        return NULL;
    PyObject *result = publish(self, a);
    more_done(&more);
    return result;
}

/* _publish_now(subject, payload, reply, headers, left): fails with WouldBlockError if there is no room. */
PyObject *conn_publish_now(PyObject *self, PyObject *args)
{
    Conn *conn = DATA(Conn, self);
    PyObject *subject, *payload, *reply, *headers, *left;
    Sending send;
    if (!PyArg_ParseTuple(args, "OOOOO:_publish_now", &subject, &payload, &reply, &headers, &left))
        return NULL;
    if (sending_arg(conn->st, &send, subject, payload == Py_None ? NULL : payload, reply, headers) < 0)
        return NULL;
    natskit_status status = publish_now(conn->handle, &send);
    sending_done(conn->st, &send);
    return status == NATSKIT_OK ? face_done(conn->st, conn->via.face) : raise_refused(conn->st, status, NULL);
}

/* ----------------------------------------------------------------------------------------------- batch */

typedef struct Batch {
    natskit_conn conn;
    Sending send[CHUNK];
    natskit_outgoing out[CHUNK];
    size_t count;
    size_t done; /* of them accepted */
    size_t bytes;
} Batch;

static natskit_status batch_block(void *arg, int64_t slice_ms)
{
    Batch *batch = arg;
    size_t accepted = 0;
    natskit_status status = natskit_publish_batch(batch->conn, batch->out + batch->done, sizeof batch->out[0],
                                                  batch->count - batch->done, slice_ms, &accepted);
    batch->done += accepted;
    return status;
}

static int batch_add(State *st, Batch *batch, PyObject *item)
{
    PyObject *a[4] = {NULL, NULL, NULL, NULL};
    Py_ssize_t size = PyTuple_Check(item) ? PyTuple_Size(item) : 0;
    if (size < 1 || size > 4) {
        PyErr_SetString(PyExc_TypeError,
                        "publish_batch() needs tuples (subject, payload[, reply[, headers]])");
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++)
        a[i] = PyTuple_GetItem(item, i);
    Sending *s = &batch->send[batch->count];
    if (sending_arg(st, s, a[0], a[1], a[2], a[3]) < 0)
        return -1;
    batch->out[batch->count++] = (natskit_outgoing){
        .subject = s->subject.data,
        .subject_len = s->subject.len,
        .reply = s->reply.data,
        .reply_len = s->reply.len,
        .headers = s->headers,
        .data = s->payload.data,
        .data_len = s->payload.len,
    };
    batch->bytes += s->payload.len;
    return 0;
}

static void batch_done(State *st, Batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        sending_done(st, &batch->send[i]);
    batch->count = batch->done = batch->bytes = 0;
}

/* Hands one chunk over, the messages of `list` from `start` on. The batch is left filled. */
static int batch_chunk(Conn *conn, Batch *batch, PyObject *list, Py_ssize_t start, int64_t timeout_ms,
                       natskit_status *status)
{
    State *st = conn->st;
    Py_ssize_t size = PyList_Size(list);
    int rc = 0;
    for (Py_ssize_t i = start; rc == 0 && i < size && batch->count < CHUNK; i++)
        rc = batch_add(st, batch, PyList_GetItem(list, i));
    *status = NATSKIT_OK;
    if (batch->count == 0)
        return rc;
    /* What stands before a wrong item is sent, as it would have been by a loop. */
    if (batch->bytes < (size_t)NKPY_LARGE) {
        *status = batch_block(batch, 0);
    } else {
        Py_BEGIN_ALLOW_THREADS *status = batch_block(batch, 0);
        Py_END_ALLOW_THREADS
    }
    if (*status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && conn->via.face == FACE_SYNC && rc == 0)
        rc = block(st, batch_block, batch, timeout_ms, status);
    return rc;
}

/* Publishes a list from `*at` on and moves `*at`. 1: all; 0: no room (asyncio); -1: exception. */
static int batch_publish(Conn *conn, PyObject *list, Py_ssize_t *at, int64_t timeout_ms)
{
    State *st = conn->st;
    Batch *batch = PyMem_Malloc(sizeof *batch);
    if (batch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    batch->conn = conn->handle;
    batch->count = batch->done = batch->bytes = 0;
    natskit_status status = NATSKIT_OK;
    int rc = 0;
    while (rc == 0 && status == NATSKIT_OK && *at < PyList_Size(list)) {
        rc = batch_chunk(conn, batch, list, *at, timeout_ms, &status);
        *at += (Py_ssize_t)batch->done;
        if (status != NATSKIT_OK && rc == 0 && (status != NATSKIT_WOULD_BLOCK || timeout_ms == 0)) {
            if (status == NATSKIT_INVALID && batch->done < batch->count)
                raise_subject(st, &batch->send[batch->done]);
            else
                raise_refused(st, status, NULL);
            rc = -1;
        }
        batch_done(st, batch);
    }
    PyMem_Free(batch);
    return rc < 0 ? -1 : status == NATSKIT_OK;
}

/* Notes on the exception that is raised how many messages were accepted before it. */
static void *batch_failed(State *st, Py_ssize_t accepted)
{
    PyObject *number = PyLong_FromSsize_t(accepted);
    error_annotate(st, NAME_published, number);
    Py_XDECREF(number);
    return NULL;
}

PyObject *conn_publish_batch(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"publish_batch", 2, 1, 1, {NAME_messages, NAME_timeout}};
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *a[2];
    int64_t timeout_ms;
    if (match(st, &sig, args, nargs, kwnames, a) < 0 ||
        timeout_arg(st, a[1], ROOM_TIMEOUT_MS, &timeout_ms) < 0)
        return NULL;
    PyObject *list = PySequence_List(a[0]);
    if (list == NULL)
        return NULL;
    Py_ssize_t at = 0, total = PyList_Size(list);
    int rc = batch_publish(conn, list, &at, conn->via.fails ? 0 : timeout_ms);
    PyObject *result = NULL;
    if (rc > 0) {
        result = PyLong_FromSsize_t(total);
        if (conn->via.face == FACE_ASYNC)
            result = ready_new(st, result, budget_spent(&conn->budget));
    } else if (rc < 0) {
        batch_failed(st, at);
    } else {
        PyObject *rest = PyList_GetSlice(list, at, total);
        PyObject *again = rest == NULL ? NULL : Py_BuildValue("(Nn)", rest, total);
        result = later(st, self, "_publish_batch_now", again, NKPY_LARGE, timeout_ms);
    }
    Py_DECREF(list);
    return result;
}

/* _publish_batch_now(messages, total, left): takes out of the list what is accepted; fails with
 * WouldBlockError if some are left. */
PyObject *conn_publish_batch_now(PyObject *self, PyObject *args)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *list, *left;
    Py_ssize_t total, at = 0;
    if (!PyArg_ParseTuple(args, "O!nO:_publish_batch_now", &PyList_Type, &list, &total, &left))
        return NULL;
    int rc = batch_publish(conn, list, &at, NKPY_FOREVER);
    Py_ssize_t rest = PyList_Size(list) - at;
    if (rc < 0)
        return batch_failed(st, total - rest);
    if (PyList_SetSlice(list, 0, at, NULL) < 0)
        return NULL;
    if (rc > 0)
        return face_value(st, conn->via.face, PyLong_FromSsize_t(total));
    raise_refused(st, NATSKIT_WOULD_BLOCK, NULL);
    return batch_failed(st, total - rest);
}

/* --------------------------------------------------------------------------------------------- request */

typedef struct RequestWait {
    natskit_conn conn;
    const Sending *send;
    natskit_options options;
    int64_t deadline; /* of the operation */
    natskit_op op;
    natskit_error err;
} RequestWait;

static natskit_status request_try(RequestWait *wait)
{
    const Sending *s = wait->send;
    return natskit_request_start(wait->conn, s->subject.data, s->subject.len, s->headers, s->payload.data,
                                 s->payload.len, wait->options, left_ms(wait->deadline), &wait->op,
                                 &wait->err);
}

natskit_status wait_room(natskit_conn conn, size_t bytes, int64_t slice_ms)
{
    natskit_op room = {0};
    natskit_status status = natskit_room_start(conn, (natskit_options){0}, bytes, slice_ms, &room, NULL);
    if (status != NATSKIT_OK)
        return status;
    natskit_op_wait(room, slice_ms);
    natskit_op_close(room);
    return NATSKIT_WOULD_BLOCK;
}

natskit_status sending_wait_room(natskit_conn conn, const Sending *send, int64_t slice_ms)
{
    return wait_room(conn, sending_size(send), slice_ms);
}

/* Without the GIL: tries, and waits for room. */
static natskit_status request_block(void *arg, int64_t slice_ms)
{
    RequestWait *wait = arg;
    natskit_status status = request_try(wait);
    if (status != NATSKIT_WOULD_BLOCK || slice_ms == 0)
        return status;
    return sending_wait_room(wait->conn, wait->send, slice_ms);
}

static natskit_status request_start(RequestWait *wait)
{
    if (wait->send->payload.len < (size_t)NKPY_LARGE)
        return request_try(wait);
    natskit_status status;
    Py_BEGIN_ALLOW_THREADS status = request_try(wait);
    Py_END_ALLOW_THREADS return status;
}

/* Options of a request as pairs (a new list), or None if there are none; NULL: exception. */
static PyObject *request_pairs(PyObject *own_sub, PyObject *reply, PyObject *wait_reconnect)
{
    bool has_reply = reply != NULL && reply != Py_None;
    int own = own_sub == NULL ? 0 : PyObject_IsTrue(own_sub);
    int wait = wait_reconnect == NULL ? 0 : PyObject_IsTrue(wait_reconnect);
    if (own < 0 || wait < 0)
        return NULL;
    if (own == 0 && wait == 0 && !has_reply)
        return Py_NewRef(Py_None);
    PyObject *list = Py_BuildValue("[(sO)(sO)]", "own_sub", own || has_reply ? Py_True : Py_False,
                                   "wait_reconnect", wait ? Py_True : Py_False);
    if (list == NULL || !has_reply)
        return list;
    if (!PyUnicode_Check(reply)) {
        PyErr_Format(PyExc_TypeError, "reply must be str, not %R", (PyObject *)Py_TYPE(reply));
        Py_DECREF(list);
        return NULL;
    }
    PyObject *pair = Py_BuildValue("(sO)", "reply", reply);
    if (pair == NULL || PyList_Append(list, pair) < 0)
        Py_CLEAR(list);
    Py_XDECREF(pair);
    return list;
}

static int request_options(State *st, PyObject *pairs, natskit_options *out)
{
    out->id = 0;
    return pairs == Py_None ? 0 : options_arg(st, NATSKIT_OPTIONS_REQUEST, pairs, out);
}

/* The call without its extras: a[0..3] are subject, payload, timeout, headers. */
static PyObject *request(PyObject *self, PyObject *const *a, PyObject *pairs)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    int64_t timeout_ms;
    Sending send;
    if (timeout_arg(st, a[2], REQUEST_TIMEOUT_MS, &timeout_ms) < 0 ||
        sending_arg(st, &send, a[0], a[1], NULL, a[3]) < 0)
        return NULL;
    RequestWait wait = {conn->handle, &send, {0}, deadline_of(timeout_ms), {0}, {0}};
    if (request_options(st, pairs, &wait.options) < 0) {
        sending_done(st, &send);
        return NULL;
    }
    natskit_status status = request_start(&wait);
    int rc = 0;
    bool waits = timeout_ms != 0 && !conn->via.fails;
    if (status == NATSKIT_WOULD_BLOCK && waits && conn->via.face == FACE_SYNC)
        rc = block(st, request_block, &wait, timeout_ms, &status);
    size_t size = sending_size(&send);
    sending_done(st, &send);
    if (wait.options.id != 0)
        natskit_options_close(wait.options);
    if (rc < 0)
        return NULL;
    if (status == NATSKIT_OK)
        return face_finish(st, &conn->via, wait.op, GIVE_MSG);
    if (status == NATSKIT_WOULD_BLOCK && waits) {
        PyObject *again = Py_BuildValue("(OOOO)", a[0], or_none(a[1]), or_none(a[3]), pairs);
        return later(st, self, "_request_now", again, size, timeout_ms);
    }
    return status == NATSKIT_INVALID ? raise_class(st, st->bad_subject, status, &wait.err)
                                     : raise_refused(st, status, &wait.err);
}

PyObject *conn_request(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"request",
                                  10,
                                  1,
                                  4,
                                  {NAME_subject, NAME_payload, NAME_timeout, NAME_headers, NAME_own_sub,
                                   NAME_reply, NAME_wait_reconnect, MORE_NAMES}};
    State *st = DATA(Conn, self)->st;
    PyObject *a[10];
    More more = {NULL, NULL};
    if (match(st, &sig, args, nargs, kwnames, a) < 0)
        return NULL;
    if (kwnames == NULL)
        return request(self, a, Py_None);
    PyObject *pairs = request_pairs(a[4], a[5], a[6]);
    if (pairs == NULL)
        return NULL;
    PyObject *result = NULL;
    if (more_arg(st, a + 7, &a[1], &a[3], &more) == 0)
        result = request(self, a, pairs);
    more_done(&more);
    Py_DECREF(pairs);
    return result;
}

/* _request_now(subject, payload, headers, options, left): an awaitable, or WouldBlockError. */
PyObject *conn_request_now(PyObject *self, PyObject *args)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *subject, *payload, *headers, *pairs, *left;
    int64_t timeout_ms;
    Sending send;
    if (!PyArg_ParseTuple(args, "OOOOO:_request_now", &subject, &payload, &headers, &pairs, &left) ||
        timeout_arg(st, left, NKPY_FOREVER, &timeout_ms) < 0 ||
        sending_arg(st, &send, subject, payload == Py_None ? NULL : payload, NULL, headers) < 0)
        return NULL;
    RequestWait wait = {conn->handle, &send, {0}, deadline_of(timeout_ms), {0}, {0}};
    int rc = request_options(st, pairs, &wait.options);
    natskit_status status = rc < 0 ? NATSKIT_INVALID : request_start(&wait);
    sending_done(st, &send);
    if (wait.options.id != 0)
        natskit_options_close(wait.options);
    if (rc < 0)
        return NULL;
    if (status != NATSKIT_OK)
        return raise_refused(st, status, &wait.err);
    return face_finish(st, &conn->via, wait.op, GIVE_MSG);
}

/* --------------------------------------------------------------------------------------------- respond */

typedef struct RespondWait {
    natskit_msg *msg;
    const Sending *send;
} RespondWait;

static natskit_status respond_block(void *arg, int64_t slice_ms)
{
    const RespondWait *wait = arg;
    return natskit_msg_respond(wait->msg, wait->send->headers, wait->send->payload.data,
                               wait->send->payload.len, slice_ms);
}

static natskit_status respond_now(natskit_msg *msg, const Sending *send)
{
    RespondWait wait = {msg, send};
    if (send->payload.len < (size_t)NKPY_LARGE)
        return respond_block(&wait, 0);
    natskit_status status;
    Py_BEGIN_ALLOW_THREADS status = respond_block(&wait, 0);
    Py_END_ALLOW_THREADS return status;
}

/* The call without its extras: a[0..2] are data, headers, timeout. */
static PyObject *respond(PyObject *self, PyObject *const *a)
{
    Msg *msg = DATA(Msg, self);
    State *st = msg->st;
    int64_t timeout_ms;
    Sending send;
    if (timeout_arg(st, a[2], ROOM_TIMEOUT_MS, &timeout_ms) < 0 ||
        sending_arg(st, &send, NULL, a[0], NULL, a[1]) < 0)
        return NULL;
    natskit_status status = respond_now(msg->msg, &send);
    int rc = 0;
    timeout_ms = msg->via.fails ? 0 : timeout_ms;
    if (status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && msg->via.face == FACE_SYNC) {
        RespondWait wait = {msg->msg, &send};
        rc = block(st, respond_block, &wait, timeout_ms, &status);
    }
    size_t size = sending_size(&send);
    sending_done(st, &send);
    if (rc < 0)
        return NULL;
    if (status == NATSKIT_OK)
        return face_done(st, msg->via.face);
    if (status != NATSKIT_WOULD_BLOCK || timeout_ms == 0)
        return raise_refused(st, status, NULL);
    return later(st, self, "_respond_now", Py_BuildValue("(OO)", or_none(a[0]), or_none(a[1])), size,
                 timeout_ms);
}

PyObject *msg_respond(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"respond", 6, 0, 2, {NAME_data, NAME_headers, NAME_timeout, MORE_NAMES}};
    State *st = DATA(Msg, self)->st;
    PyObject *a[6];
    More more;
    if (match(st, &sig, args, nargs, kwnames, a) < 0 || more_arg(st, a + 3, &a[0], &a[1], &more) < 0)
        return NULL;
    PyObject *result = respond(self, a);
    more_done(&more);
    return result;
}

/* _respond_now(data, headers, left): fails with WouldBlockError if there is no room. */
PyObject *msg_respond_now(PyObject *self, PyObject *args)
{
    Msg *msg = DATA(Msg, self);
    PyObject *data, *headers, *left;
    Sending send;
    if (!PyArg_ParseTuple(args, "OOO:_respond_now", &data, &headers, &left) ||
        sending_arg(msg->st, &send, NULL, data == Py_None ? NULL : data, NULL, headers) < 0)
        return NULL;
    natskit_status status = respond_now(msg->msg, &send);
    sending_done(msg->st, &send);
    return status == NATSKIT_OK ? face_done(msg->st, msg->via.face) : raise_refused(msg->st, status, NULL);
}

/* ------------------------------------------------------------------------------------------------ room */

PyObject *room_wait(State *st, const Via *via, PyObject *args)
{
    PyObject *timeout;
    unsigned long long size;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "KO:_room", &size, &timeout) ||
        timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    natskit_op op = {0};
    natskit_error err = {0};
    natskit_status status = natskit_room_start(via->conn, (natskit_options){0}, size, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    return face_finish(st, via, op, GIVE_NONE);
}
