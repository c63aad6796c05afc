/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests for many replies, and what publishes a received message once more.
 */
#include "state.h"

#define ROOM_TIMEOUT_MS 10000

/* ---------------------------------------------------------------------------------------- many replies */

typedef struct ManyWait {
    natskit_conn conn;
    const Sending *send;
    natskit_options options;
    natskit_sub sub;
    natskit_error err;
} ManyWait;

static natskit_status many_try(ManyWait *wait)
{
    const Sending *s = wait->send;
    return natskit_request_many(wait->conn, s->subject.data, s->subject.len, s->headers, s->payload.data,
                                s->payload.len, wait->options, &wait->sub, &wait->err);
}

static natskit_status many_block(void *arg, int64_t slice_ms)
{
    ManyWait *wait = arg;
    natskit_status status = many_try(wait);
    if (status != NATSKIT_WOULD_BLOCK || slice_ms == 0)
        return status;
    return sending_wait_room(wait->conn, wait->send, slice_ms);
}

static natskit_status many_start(ManyWait *wait)
{
    if (wait->send->payload.len < (size_t)NKPY_LARGE)
        return many_try(wait);
    natskit_status status;
    Py_BEGIN_ALLOW_THREADS status = many_try(wait);
    Py_END_ALLOW_THREADS return status;
}

/* The subject that the answers come to, as an object. */
static PyObject *inbox_of(State *st, natskit_sub sub)
{
    char buf[2048];
    size_t len = 0;
    natskit_status status = natskit_sub_subject(sub, buf, sizeof buf, &len);
    return status == NATSKIT_OK ? text_new(buf, len) : raise_status(st, status, NULL);
}

PyObject *many_object(State *st, PyObject *self, natskit_sub sub)
{
    PyObject *subject = inbox_of(st, sub);
    PyObject *queue = text_new("", 0);
    PyObject *object = NULL;
    if (subject != NULL && queue != NULL) {
        object = sub_new(st, self, sub, subject, queue, SUB_MSGS);
        if (object != NULL)
            DATA(Sub, object)->many = true;
    } else {
        natskit_sub_close(sub);
    }
    Py_XDECREF(subject);
    Py_XDECREF(queue);
    return object;
}

/* _request_many(subject, payload, headers, options, timeout): the subscription; WouldBlockError without room
 * in the outbox, which the blocking face waits for. */
PyObject *conn_request_many(PyObject *self, PyObject *args)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *subject, *payload, *headers, *pairs, *timeout;
    int64_t timeout_ms;
    Sending send;
    if (!PyArg_ParseTuple(args, "OOOOO:_request_many", &subject, &payload, &headers, &pairs, &timeout) ||
        timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0 ||
        sending_arg(st, &send, subject, payload == Py_None ? NULL : payload, NULL, headers) < 0)
        return NULL;
    ManyWait wait = {conn->handle, &send, {0}, {0}, {0}};
    if (options_arg(st, NATSKIT_OPTIONS_REQUEST_MANY, pairs, &wait.options) < 0) {
        sending_done(st, &send);
        return NULL;
    }
    natskit_status status = many_start(&wait);
    int rc = 0;
    if (status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && !conn->via.fails && conn->via.face == FACE_SYNC)
        rc = block(st, many_block, &wait, timeout_ms, &status);
    sending_done(st, &send);
    if (wait.options.id != 0)
        natskit_options_close(wait.options);
    if (rc < 0)
        return NULL;
    if (status == NATSKIT_OK)
        return many_object(st, self, wait.sub);
    return status == NATSKIT_INVALID ? raise_class(st, st->bad_subject, status, &wait.err)
                                     : raise_refused(st, status, &wait.err);
}

/* _more(payload, headers, json, trace_destination, trace_only): the payload and headers that they make. */
PyObject *conn_more(PyObject *self, PyObject *args)
{
    PyObject *payload, *headers, *extra[3];
    if (!PyArg_ParseTuple(args, "OOOOO:_more", &payload, &headers, &extra[MORE_JSON],
                          &extra[MORE_TRACE_DESTINATION], &extra[MORE_TRACE_ONLY]))
        return NULL;
    More more;
    PyObject *given = PyBytes_Check(payload) && PyBytes_Size(payload) == 0 ? NULL : payload;
    if (more_arg(DATA(Conn, self)->st, extra, &given, &headers, &more) < 0)
        return NULL;
    PyObject *result = PyTuple_Pack(2, given == NULL ? payload : given, headers);
    more_done(&more);
    return result;
}

/* ------------------------------------------------------------------------------------------- once more */

typedef struct Forward {
    natskit_conn conn;
    natskit_msg *msg;
    Text subject;
    Text reply;
} Forward;

static natskit_status forward_block(void *arg, int64_t slice_ms)
{
    const Forward *f = arg;
    return natskit_msg_republish(f->conn, f->msg, f->subject.data, f->subject.len, f->reply.data,
                                 f->reply.len, slice_ms);
}

/* `subject` and `reply`: NULL or None is the message's own. */
static int forward_arg(State *st, Forward *f, PyObject *subject, PyObject *reply)
{
    natskit_message_view view;
    natskit_status status = natskit_msg_view(f->msg, &view, sizeof view);
    if (status != NATSKIT_OK) {
        raise_status(st, status, NULL);
        return -1;
    }
    f->subject.owner = f->reply.owner = NULL;
    if (text_arg(st, subject, "subject", "", &f->subject) < 0)
        return -1;
    if (text_arg(st, reply, "reply", "", &f->reply) < 0) {
        text_done(&f->subject);
        return -1;
    }
    if (reply == NULL || reply == Py_None) {
        f->reply.data = view.reply;
        f->reply.len = view.reply_len;
    }
    return 0;
}

/* Why it is NATSKIT_INVALID: a subject, or the headers that came with the message. */
static void *forward_invalid(State *st, const Forward *f)
{
    natskit_error err = {0};
    if ((f->subject.len > 0 &&
         natskit_subject_check(f->subject.data, f->subject.len, 0, &err) != NATSKIT_OK) ||
        (f->reply.len > 0 && natskit_subject_check(f->reply.data, f->reply.len, 0, &err) != NATSKIT_OK))
        return raise_class(st, st->bad_subject, NATSKIT_INVALID, &err);
    return raise_text(st, NATSKIT_INVALID, "the message has headers that may not be sent");
}

/* Over `via`; `target` has the method `_forward_now` for the case that there is no room. */
static PyObject *forward(State *st, const Via *via, PyObject *target, PyObject *object, PyObject *const *a)
{
    Forward f = {via->conn, DATA(Msg, object)->msg, {0}, {0}};
    int64_t timeout_ms;
    if (timeout_arg(st, a[2], ROOM_TIMEOUT_MS, &timeout_ms) < 0 || forward_arg(st, &f, a[0], a[1]) < 0)
        return NULL;
    timeout_ms = via->fails ? 0 : timeout_ms;
    natskit_status status = forward_block(&f, 0);
    int rc = 0;
    if (status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && via->face == FACE_SYNC)
        rc = block(st, forward_block, &f, timeout_ms, &status);
    if (rc == 0 && status == NATSKIT_INVALID)
        forward_invalid(st, &f);
    text_done(&f.subject);
    text_done(&f.reply);
    if (rc < 0 || status == NATSKIT_INVALID)
        return NULL;
    if (status == NATSKIT_OK)
        return face_done(st, via->face);
    if (status != NATSKIT_WOULD_BLOCK || timeout_ms == 0)
        return raise_refused(st, status, NULL);
    PyObject *again = Py_BuildValue("(OOO)", object, or_none(a[0]), or_none(a[1]));
    return later(st, target, "_forward_now", again, NKPY_LARGE, timeout_ms);
}

static int is_msg(const State *st, PyObject *object)
{
    if (Py_TYPE(object) == st->msg_type[FACE_ASYNC] || Py_TYPE(object) == st->msg_type[FACE_SYNC])
        return 1;
    PyErr_Format(PyExc_TypeError, "msg must be a received message, not %R", (PyObject *)Py_TYPE(object));
    return 0;
}

PyObject *conn_publish_msg(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"publish_msg", 4, 1, 3, {NAME_msg, NAME_subject, NAME_reply, NAME_timeout}};
    const Conn *conn = DATA(Conn, self);
    PyObject *a[4];
    if (match(conn->st, &sig, args, nargs, kwnames, a) < 0 || !is_msg(conn->st, a[0]))
        return NULL;
    const Via via = {conn->handle, conn->via.face, conn->via.fails};
    return forward(conn->st, &via, self, a[0], a + 1);
}

PyObject *msg_republish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"republish", 3, 0, 2, {NAME_subject, NAME_reply, NAME_timeout}};
    const Msg *msg = DATA(Msg, self);
    PyObject *a[3];
    if (match(msg->st, &sig, args, nargs, kwnames, a) < 0)
        return NULL;
    return forward(msg->st, &msg->via, self, self, a);
}

/* _forward_now(msg, subject, reply, left), over `via`: fails with WouldBlockError if there is no room. */
static PyObject *forward_now(State *st, const Via *via, PyObject *args)
{
    PyObject *object, *subject, *reply, *left;
    if (!PyArg_ParseTuple(args, "OOOO:_forward_now", &object, &subject, &reply, &left) || !is_msg(st, object))
        return NULL;
    Forward f = {via->conn, DATA(Msg, object)->msg, {0}, {0}};
    if (forward_arg(st, &f, subject, reply) < 0)
        return NULL;
    natskit_status status = forward_block(&f, 0);
    text_done(&f.subject);
    text_done(&f.reply);
    return status == NATSKIT_OK ? face_done(st, via->face) : raise_refused(st, status, NULL);
}

PyObject *conn_forward_now(PyObject *self, PyObject *args)
{
    return forward_now(DATA(Conn, self)->st, &DATA(Conn, self)->via, args);
}

PyObject *msg_forward_now(PyObject *self, PyObject *args)
{
    return forward_now(DATA(Msg, self)->st, &DATA(Msg, self)->via, args);
}
