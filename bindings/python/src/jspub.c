/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishing to streams: one message with its ack, and what acks are in Python; publishers are in
 * publisher.c. What a message is to be stored under (its id, what has to be the last before it, its time to
 * live) are headers, which the parameters of those names add to the caller's.
 */
#include "state.h"

#include <stdio.h>
#include <string.h>

/* --------------------------------------------------------------------------------------------- arguments */

enum { WISH_TEXT, WISH_NUMBER, WISH_TTL, WISH_INCREMENT, WISH_ROLLUP, WISH_CANCEL };

static const struct Wish {
    int argument;
    int kind;
    const char *name;
    const char *header;
} wishes[] = {
    {A_STREAM, WISH_TEXT, "stream", "Nats-Expected-Stream"},
    {A_TTL, WISH_TTL, "msg_ttl", "Nats-TTL"},
    {A_ID, WISH_TEXT, "msg_id", "Nats-Msg-Id"},
    {A_LAST, WISH_NUMBER, "expected_last_seq", "Nats-Expected-Last-Sequence"},
    {A_LAST_OF_SUBJECT, WISH_NUMBER, "expected_last_subject_seq", "Nats-Expected-Last-Subject-Sequence"},
    {A_OF_SUBJECT, WISH_TEXT, "expected_last_subject", "Nats-Expected-Last-Subject-Sequence-Subject"},
    {A_LAST_ID, WISH_TEXT, "expected_last_msg_id", "Nats-Expected-Last-Msg-Id"},
    {A_INCREMENT, WISH_INCREMENT, "increment", "Nats-Incr"},
    {A_SCHEDULE, WISH_TEXT, "schedule", "Nats-Schedule"},
    {A_TARGET, WISH_TEXT, "schedule_target", "Nats-Schedule-Target"},
    {A_SOURCE, WISH_TEXT, "schedule_source", "Nats-Schedule-Source"},
    {A_SCHEDULE_TTL, WISH_TTL, "schedule_ttl", "Nats-Schedule-TTL"},
    {A_TIME_ZONE, WISH_TEXT, "schedule_time_zone", "Nats-Schedule-Time-Zone"},
    {A_ROLLUP, WISH_ROLLUP, "schedule_rollup", "Nats-Schedule-Rollup"},
    {A_UNSCHEDULE, WISH_CANCEL, "unschedule", "Nats-Scheduler"},
};
#define WISHES (sizeof wishes / sizeof wishes[0])

static bool is_given(PyObject *value)
{
    return value != NULL && value != Py_None;
}

static int number_text(State *st, PyObject *value, const char *name, char *buf, size_t cap)
{
    if (!PyLong_Check(value) || PyBool_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be int, not %R", name, (PyObject *)Py_TYPE(value));
        return -1;
    }
    unsigned long long number = PyLong_AsUnsignedLongLong(value);
    if (number == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        raise_text(st, NATSKIT_INVALID, "%s: a number from 0 to 2^64-1", name);
        return -1;
    }
    snprintf(buf, cap, "%llu", number);
    return 0;
}

/* A time to live: seconds, a timedelta; a str goes to the server as it is. */
static int ttl_text(State *st, PyObject *value, const char *name, char *buf, size_t cap)
{
    if (PyLong_Check(value))
        return number_text(st, value, name, buf, cap);
    PyObject *number = PyFloat_Check(value)
                           ? Py_NewRef(value)
                           : PyObject_CallMethodObjArgs(value, name_of(st, NAME_total_seconds), NULL);
    double seconds = number == NULL ? -1.0 : PyFloat_AsDouble(number);
    Py_XDECREF(number);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "%s must be a number of seconds, a timedelta or str, not %R", name,
                     (PyObject *)Py_TYPE(value));
        return -1;
    }
    const double century = 3.2e9;
    if (!(seconds > 0.0 && seconds < century)) {
        raise_text(st, NATSKIT_INVALID, "%s: a number of seconds above 0", name);
        return -1;
    }
    /* Not as a fraction, which has a comma in some locales. */
    snprintf(buf, cap, "%lldns", (long long)(seconds * 1e9 + 0.5));
    return 0;
}

/* A new str of a number of any size, with its sign. */
static PyObject *increment_text(PyObject *value)
{
    if (!PyLong_Check(value) || PyBool_Check(value))
        return PyErr_Format(PyExc_TypeError, "increment must be int, not %R", (PyObject *)Py_TYPE(value));
    PyObject *digits = PyObject_Str(value);
    if (digits == NULL || PyUnicode_ReadChar(digits, 0) == '-')
        return digits;
    PyObject *shown = PyUnicode_FromFormat("+%U", digits);
    Py_DECREF(digits);
    return shown;
}

static int set_header(State *st, natskit_headers handle, const char *name, const char *value, size_t len)
{
    natskit_error err = {0};
    natskit_status status =
        natskit_headers_set(handle, name, strlen(name), value, len, NATSKIT_MATCH_EXACT, &err);
    if (status != NATSKIT_OK)
        raise_status(st, status, &err);
    return status == NATSKIT_OK ? 0 : -1;
}

static int add_wish(State *st, natskit_headers handle, const struct Wish *wish, PyObject *value)
{
    char buf[64];
    Text text = {.data = buf};
    PyObject *made = NULL; /* that the text is of */
    int rc;
    switch (wish->kind) {
    case WISH_INCREMENT:
        made = increment_text(value);
        rc = made == NULL ? -1 : text_arg(st, made, wish->name, NULL, &text);
        break;
    case WISH_ROLLUP:
        rc = PyObject_IsTrue(value);
        if (rc <= 0)
            return rc;
        return set_header(st, handle, wish->header, "sub", 3);
    case WISH_TTL:
        rc = PyUnicode_Check(value) ? text_arg(st, value, wish->name, NULL, &text)
                                    : ttl_text(st, value, wish->name, buf, sizeof buf);
        text.len = PyUnicode_Check(value) ? text.len : strlen(buf);
        break;
    case WISH_NUMBER:
        rc = number_text(st, value, wish->name, buf, sizeof buf);
        text.len = rc == 0 ? strlen(buf) : 0;
        break;
    default:
        rc = text_arg(st, value, wish->name, NULL, &text);
        break;
    }
    if (rc == 0) {
        rc = set_header(st, handle, wish->header, text.data, text.len);
        text_done(&text);
    }
    Py_XDECREF(made);
    if (rc == 0 && wish->kind == WISH_CANCEL)
        rc = set_header(st, handle, "Nats-Schedule-Next", "purge", 5);
    return rc;
}

/* The caller's headers with what the other parameters ask for: `*made` is a new object, or NULL if they ask
 * for nothing. */
static int wished_headers(State *st, PyObject *const *a, PyObject **made)
{
    size_t i = 0;
    *made = NULL;
    while (i < WISHES && !is_given(a[wishes[i].argument]))
        i++;
    if (i == WISHES)
        return 0;
    PyObject *headers = headers_open(st);
    if (headers == NULL)
        return -1;
    natskit_headers handle = DATA(Headers, headers)->handle;
    int rc = is_given(a[A_HEADERS]) ? headers_add_from(st, handle, a[A_HEADERS]) : 0;
    for (; rc == 0 && i < WISHES; i++)
        if (is_given(a[wishes[i].argument]))
            rc = add_wish(st, handle, &wishes[i], a[wishes[i].argument]);
    DATA(Headers, headers)->filled = true;
    if (rc == 0)
        *made = headers;
    else
        Py_DECREF(headers);
    return rc;
}

int publish_arg(State *st, PyObject **a, More *keep)
{
    PyObject *extra[3] = {a[A_JSON], NULL, NULL};
    if (more_arg(st, extra, &a[A_PAYLOAD], &a[A_HEADERS], keep) < 0)
        return -1;
    if (wished_headers(st, a, &keep->headers) < 0) {
        more_done(keep);
        return -1;
    }
    if (keep->headers != NULL)
        a[A_HEADERS] = keep->headers;
    return 0;
}

/* ------------------------------------------------------------------------------------------ one message */

/* What the payload is. */
enum {
    STORED, /* a message */
    ADDED,  /* the digits of what a counter gets */
    CHUNK   /* of a snapshot on its way back; empty: its end */
};

/* The method that does it again, once there is room. */
static const char *const again_of[] = {"_publish_now", "_increment_now", "_restore_chunk_now"};

typedef struct PublishCall {
    const Js *js;
    const Sending *send;
    int what;
    int64_t deadline;
    natskit_op op;
    natskit_error err;
} PublishCall;

static natskit_status publish_try(PublishCall *call)
{
    const Sending *s = call->send;
    if (call->what == ADDED)
        return natskit_js_increment_start(call->js->handle, s->subject.data, s->subject.len, s->payload.data,
                                          s->payload.len, s->headers, (natskit_options){0},
                                          left_ms(call->deadline), &call->op, &call->err);
    if (call->what == CHUNK)
        return natskit_js_restore_chunk_start(call->js->handle, s->subject.data, s->subject.len,
                                              s->payload.data, s->payload.len, (natskit_options){0},
                                              left_ms(call->deadline), &call->op, &call->err);
    return natskit_js_publish_start(call->js->handle, s->subject.data, s->subject.len, s->headers,
                                    s->payload.data, s->payload.len, (natskit_options){0},
                                    left_ms(call->deadline), &call->op, &call->err);
}

/* Without the GIL: tries, and waits for room. */
static natskit_status publish_block(void *arg, int64_t slice_ms)
{
    PublishCall *call = arg;
    natskit_status status = publish_try(call);
    if (status != NATSKIT_WOULD_BLOCK || slice_ms == 0)
        return status;
    return sending_wait_room(call->js->via.conn, call->send, slice_ms);
}

static natskit_status publish_begin(PublishCall *call)
{
    if (call->send->payload.len < (size_t)NKPY_LARGE)
        return publish_try(call);
    natskit_status status;
    Py_BEGIN_ALLOW_THREADS status = publish_try(call);
    Py_END_ALLOW_THREADS return status;
}

/* `first`: it may wait for room in the outbox; else it fails with WouldBlockError. */
static PyObject *publish(PyObject *self, PyObject *subject, PyObject *payload, PyObject *headers, int what,
                         int64_t timeout_ms, bool first)
{
    const Js *js = DATA(Js, self);
    State *st = js->st;
    Sending send;
    if (sending_arg(st, &send, subject, payload, NULL, headers) < 0)
        return NULL;
    PublishCall call = {js, &send, what, deadline_of(timeout_ms), {0}, {0}};
    natskit_status status = publish_begin(&call);
    bool waits = first && timeout_ms != 0 && !js->via.fails;
    int rc = 0;
    if (status == NATSKIT_WOULD_BLOCK && waits && js->via.face == FACE_SYNC)
        rc = block(st, publish_block, &call, timeout_ms, &status);
    size_t size = sending_size(&send);
    int gives = what != CHUNK ? GIVE_ACK : send.payload.len == 0 ? GIVE_JSON : GIVE_NONE;
    if (rc == 0 && status == NATSKIT_INVALID && call.err.status == NATSKIT_INVALID && what == ADDED &&
        natskit_subject_check(send.subject.data, send.subject.len, 0, NULL) == NATSKIT_OK)
        raise_status(st, status, &call.err); /* too many digits */
    else if (rc == 0 && status == NATSKIT_INVALID)
        raise_subject(st, &send);
    sending_done(st, &send);
    if (rc < 0 || status == NATSKIT_INVALID)
        return NULL;
    if (status == NATSKIT_OK)
        return face_finish(st, &js->via, call.op, gives);
    if (status != NATSKIT_WOULD_BLOCK || !waits)
        return raise_refused(st, status, &call.err);
    PyObject *again = Py_BuildValue("(OOO)", subject, or_none(payload), or_none(headers));
    return later(st, self, again_of[what], again, size, timeout_ms);
}

PyObject *js_publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"publish", A_COUNT, 1, 6, PUBLISH_NAMES};
    const Js *js = DATA(Js, self);
    State *st = js->st;
    PyObject *a[A_COUNT];
    int64_t timeout_ms;
    More keep;
    if (match(st, &sig, args, nargs, kwnames, a) < 0 ||
        timeout_arg(st, a[A_TIMEOUT] == Py_None ? NULL : a[A_TIMEOUT], js->timeout_ms, &timeout_ms) < 0 ||
        publish_arg(st, a, &keep) < 0)
        return NULL;
    PyObject *result = publish(self, a[A_SUBJECT], a[A_PAYLOAD], a[A_HEADERS], STORED, timeout_ms, true);
    more_done(&keep);
    return result;
}

/* _publish_now(subject, payload, headers, left) */
PyObject *js_publish_now(PyObject *self, PyObject *args)
{
    PyObject *subject, *payload, *headers, *left;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "OOOO:_publish_now", &subject, &payload, &headers, &left) ||
        timeout_arg(DATA(Js, self)->st, left, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    return publish(self, subject, payload == Py_None ? NULL : payload, headers, STORED, timeout_ms, false);
}

/* (subject, digits, headers, seconds) */
static PyObject *increment(PyObject *self, PyObject *args, bool first)
{
    const Js *js = DATA(Js, self);
    PyObject *subject, *digits, *headers, *timeout;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "OOOO:_increment", &subject, &digits, &headers, &timeout) ||
        timeout_arg(js->st, timeout == Py_None ? NULL : timeout, first ? js->timeout_ms : NKPY_FOREVER,
                    &timeout_ms) < 0)
        return NULL;
    return publish(self, subject, digits, headers, ADDED, timeout_ms, first);
}

PyObject *js_increment(PyObject *self, PyObject *args)
{
    return increment(self, args, true);
}

PyObject *js_increment_now(PyObject *self, PyObject *args)
{
    return increment(self, args, false);
}

/* _restore_chunk(subject, chunk, timeout) */
PyObject *js_restore_chunk(PyObject *self, PyObject *args)
{
    PyObject *subject, *chunk, *timeout;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "OOO:_restore_chunk", &subject, &chunk, &timeout) ||
        timeout_arg(DATA(Js, self)->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    return publish(self, subject, chunk, NULL, CHUNK, timeout_ms, true);
}

/* _restore_chunk_now(subject, chunk, headers, left): it has no headers */
PyObject *js_restore_chunk_now(PyObject *self, PyObject *args)
{
    PyObject *subject, *chunk, *none, *left;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "OOOO:_restore_chunk_now", &subject, &chunk, &none, &left) ||
        timeout_arg(DATA(Js, self)->st, left, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    return publish(self, subject, chunk, NULL, CHUNK, timeout_ms, false);
}

/* ------------------------------------------------------------------------------------------------- acks */

/* Sets the fields of a new structure; NULL if it or one of them is. Takes the fields over. */
static PyObject *filled(PyObject *made, PyObject **fields, Py_ssize_t count)
{
    bool whole = made != NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        whole = whole && fields[i] != NULL;
        if (made != NULL)
            PyStructSequence_SetItem(made, i, fields[i]);
        else
            Py_XDECREF(fields[i]);
    }
    if (!whole)
        Py_CLEAR(made);
    /* Python's own makers of them do that, this one does not: the error of an outcome may hold the outcome.
     */
    if (made != NULL && !PyObject_GC_IsTracked(made))
        PyObject_GC_Track(made);
    return made;
}

/* Characters of a counter's value; natskit_pub_ack tells no more. */
#define VALUE_MAX 4096

PyObject *digits_int(const char *text, size_t text_len)
{
    if (text_len == 0 || text_len > VALUE_MAX)
        Py_RETURN_NONE;
    char digits[VALUE_MAX + 1];
    memcpy(digits, text, text_len);
    digits[text_len] = '\0';
    return PyLong_FromString(digits, NULL, 10);
}

static PyObject *ack_object(State *st, const natskit_pub_ack *ack)
{
    PyObject *fields[] = {
        text_new(ack->stream, ack->stream_len),
        PyLong_FromUnsignedLongLong(ack->seq),
        ack->domain_len == 0 ? Py_NewRef(Py_None) : text_new(ack->domain, ack->domain_len),
        PyBool_FromLong(ack->duplicate),
        ack->batch_len == 0 ? Py_NewRef(Py_None) : text_new(ack->batch, ack->batch_len),
        PyLong_FromUnsignedLongLong(ack->count),
        digits_int(ack->value, ack->value_len),
    };
    return filled(PyStructSequence_New(st->ack_type), fields, 7);
}

PyObject *ack_new(State *st, natskit_msg *msg)
{
    natskit_pub_ack ack;
    natskit_status status = natskit_msg_pub_ack(msg, &ack, sizeof ack);
    PyObject *object = status == NATSKIT_OK ? ack_object(st, &ack) : raise_status(st, status, NULL);
    natskit_msg_release(msg);
    return object;
}

/* Why a publisher's message is not known to be in the stream, as an exception that is not raised. */
static PyObject *failure(State *st, const natskit_pub_ack *ack)
{
    natskit_error err = {.status = ack->status, .server_code = ack->server_code, .err_code = ack->err_code};
    size_t len = ack->text_len < sizeof err.text - 1 ? ack->text_len : sizeof err.text - 1;
    if (len > 0)
        memcpy(err.text, ack->text, len);
    PyObject *error = error_object(st, ack->status, &err);
    PyObject *outcome = error == NULL ? NULL : outcome_name(ack->outcome);
    if (outcome != NULL && PyObject_SetAttr(error, name_of(st, NAME_outcome), outcome) < 0)
        Py_CLEAR(error);
    if (outcome == NULL && PyErr_Occurred())
        Py_CLEAR(error);
    Py_XDECREF(outcome);
    return error;
}

PyObject *outcome_new(State *st, natskit_msg *msg)
{
    natskit_pub_ack ack;
    natskit_status status = natskit_msg_pub_ack(msg, &ack, sizeof ack);
    PyObject *object = NULL;
    if (status == NATSKIT_OK) {
        bool stored = ack.status == NATSKIT_OK;
        PyObject *fields[] = {
            PyLong_FromUnsignedLongLong(ack.id),
            stored ? ack_object(st, &ack) : Py_NewRef(Py_None),
            stored ? Py_NewRef(Py_None) : failure(st, &ack),
        };
        object = filled(PyStructSequence_New(st->outcome_type), fields, 3);
    } else {
        raise_status(st, status, NULL);
    }
    natskit_msg_release(msg);
    return object;
}

int jspub_init(PyObject *module, State *st)
{
    static PyStructSequence_Field ack_fields[] = {
        {"stream", "The stream that has it."},
        {"seq", "Its number there."},
        {"domain", "The stream's JetStream domain, or None."},
        {"duplicate", "Whether the stream had a message with this id before."},
        {"batch", "The id of the batch that was stored, or None."},
        {"batch_size", "The messages of that batch; else 0."},
        {"value", "The counter's value after the message, an int, or None."},
        {NULL, NULL},
    };
    static PyStructSequence_Field outcome_fields[] = {
        {"id", "The message's number, as publish() gave it."},
        {"ack", "The stream's PubAck, or None."},
        {"error", "Why it is not known to be in the stream, as an exception, or None."},
        {NULL, NULL},
    };
    static PyStructSequence_Desc ack_desc = {"natskit.PubAck", "The ack of a stream for a published message.",
                                             ack_fields, 4};
    static PyStructSequence_Desc outcome_desc = {
        "natskit.PubOutcome", "What became of a message of a publisher.", outcome_fields, 3};
    st->ack_type = PyStructSequence_NewType(&ack_desc);
    st->outcome_type = PyStructSequence_NewType(&outcome_desc);
    if (st->ack_type == NULL || st->outcome_type == NULL ||
        PyModule_AddObjectRef(module, "PubAck", (PyObject *)st->ack_type) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "PubOutcome", (PyObject *)st->outcome_type);
}
