/* SPDX-License-Identifier: Apache-2.0
 *
 * Acks of messages that a JetStream consumer delivered, for both faces. As with publish, an ack that finds
 * room in the outbox is done when the call returns, and for asyncio its awaitable is ready; without room the
 * blocking face waits here, and asyncio gets the coroutine of natskit/_later.py.
 */
#include "state.h"

#define ROOM_TIMEOUT_MS 10000
#define CONFIRM_TIMEOUT_MS 1000
/* Bytes that an ack may need in the outbox, but for the reason of a term. */
#define ACK_SIZE 256

enum { ACK, NAK, IN_PROGRESS, TERM };

/* -------------------------------------------------------------------------------------------- one ack */

typedef struct Acking {
    const Msg *msg;
    int kind;
    int64_t delay_ms;
    Text reason;
} Acking;

static natskit_status ack_try(const Acking *ack)
{
    natskit_msg *msg = ack->msg->msg;
    switch (ack->kind) {
    case NAK:
        return natskit_msg_nak(msg, ack->delay_ms);
    case IN_PROGRESS:
        return natskit_msg_in_progress(msg);
    case TERM:
        return natskit_msg_term(msg, ack->reason.data, ack->reason.len);
    default:
        return natskit_msg_ack(msg);
    }
}

static size_t ack_size(const Acking *ack)
{
    return ACK_SIZE + ack->reason.len;
}

/* Without the GIL: tries, and waits for room. */
static natskit_status ack_block(void *arg, int64_t slice_ms)
{
    const Acking *ack = arg;
    natskit_status status = ack_try(ack);
    if (status != NATSKIT_WOULD_BLOCK || slice_ms == 0)
        return status;
    return wait_room(ack->msg->via.conn, ack_size(ack), slice_ms);
}

static PyObject *ack_raise(State *st, const Acking *ack, natskit_status status)
{
    if (status != NATSKIT_INVALID)
        return raise_refused(st, status, NULL);
    if (ack->kind == NAK)
        return raise_text(st, status, "delay: too large a number");
    return raise_text(st, status, "reason: not one line of text");
}

/* The ack did not find room at once, or was refused. */
static PyObject *ack_slow(PyObject *self, Acking *ack, natskit_status status)
{
    State *st = ack->msg->st;
    bool waits = status == NATSKIT_WOULD_BLOCK && !ack->msg->via.fails;
    if (waits && ack->msg->via.face == FACE_ASYNC) {
        PyObject *again = Py_BuildValue("(iLs#)", ack->kind, (long long)ack->delay_ms, ack->reason.data,
                                        (Py_ssize_t)ack->reason.len);
        return later(st, self, "_ack_now", again, ack_size(ack), ROOM_TIMEOUT_MS);
    }
    if (waits && block(st, ack_block, ack, ROOM_TIMEOUT_MS, &status) < 0)
        return NULL;
    return status == NATSKIT_OK ? Py_NewRef(Py_None) : ack_raise(st, ack, status);
}

static PyObject *ack_send(PyObject *self, Acking *ack)
{
    natskit_status status = ack_try(ack);
    if (status == NATSKIT_OK)
        return face_done(ack->msg->st, ack->msg->via.face);
    return ack_slow(self, ack, status);
}

static Acking acking(PyObject *self, int kind)
{
    return (Acking){.msg = DATA(Msg, self), .kind = kind, .reason = {.data = ""}};
}

PyObject *msg_ack(PyObject *self, PyObject *unused)
{
    (void)unused;
    Acking ack = acking(self, ACK);
    return ack_send(self, &ack);
}

PyObject *msg_in_progress(PyObject *self, PyObject *unused)
{
    (void)unused;
    Acking ack = acking(self, IN_PROGRESS);
    return ack_send(self, &ack);
}

PyObject *msg_nak(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"nak", 1, 0, 1, {NAME_delay}};
    Acking ack = acking(self, NAK);
    PyObject *delay;
    if (match(ack.msg->st, &sig, args, nargs, kwnames, &delay) < 0 ||
        (delay != NULL && delay != Py_None && delay_arg(ack.msg->st, delay, &ack.delay_ms) < 0))
        return NULL;
    return ack_send(self, &ack);
}

PyObject *msg_term(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"term", 1, 0, 1, {NAME_reason}};
    Acking ack = acking(self, TERM);
    PyObject *reason;
    if (match(ack.msg->st, &sig, args, nargs, kwnames, &reason) < 0 ||
        text_arg(ack.msg->st, reason, "reason", "", &ack.reason) < 0)
        return NULL;
    PyObject *result = ack_send(self, &ack);
    text_done(&ack.reason);
    return result;
}

/* _ack_now(kind, delay, reason, left): fails with WouldBlockError if there is no room. */
PyObject *msg_ack_now(PyObject *self, PyObject *args)
{
    Acking ack = acking(self, ACK);
    State *st = ack.msg->st;
    PyObject *left;
    const char *reason;
    long long delay_ms;
    Py_ssize_t len;
    if (!PyArg_ParseTuple(args, "iLs#O:_ack_now", &ack.kind, &delay_ms, &reason, &len, &left))
        return NULL;
    ack.delay_ms = delay_ms;
    ack.reason.data = reason;
    ack.reason.len = (size_t)len;
    natskit_status status = ack_try(&ack);
    return status == NATSKIT_OK ? face_done(st, ack.msg->via.face) : ack_raise(st, &ack, status);
}

/* -------------------------------------------------------------------------------------- confirmed acks */

typedef struct ConfirmWait {
    const Msg *msg;
    int64_t deadline;
    natskit_op op;
    natskit_error err;
} ConfirmWait;

static natskit_status confirm_try(ConfirmWait *wait)
{
    return natskit_msg_ack_confirm_start(wait->msg->msg, (natskit_options){0}, left_ms(wait->deadline),
                                         &wait->op, &wait->err);
}

static natskit_status confirm_block(void *arg, int64_t slice_ms)
{
    ConfirmWait *wait = arg;
    natskit_status status = confirm_try(wait);
    if (status != NATSKIT_WOULD_BLOCK || slice_ms == 0)
        return status;
    return wait_room(wait->msg->via.conn, ACK_SIZE, slice_ms);
}

PyObject *msg_ack_sync(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"ack_sync", 1, 0, 1, {NAME_timeout}};
    const Msg *msg = DATA(Msg, self);
    State *st = msg->st;
    PyObject *timeout;
    int64_t timeout_ms;
    if (match(st, &sig, args, nargs, kwnames, &timeout) < 0 ||
        timeout_arg(st, timeout, CONFIRM_TIMEOUT_MS, &timeout_ms) < 0)
        return NULL;
    ConfirmWait wait = {.msg = msg, .deadline = deadline_of(timeout_ms)};
    natskit_status status = confirm_try(&wait);
    bool waits = status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && !msg->via.fails;
    if (waits && msg->via.face == FACE_ASYNC)
        return later(st, self, "_ack_sync_now", PyTuple_New(0), ACK_SIZE, timeout_ms);
    if (waits && block(st, confirm_block, &wait, timeout_ms, &status) < 0)
        return NULL;
    if (status != NATSKIT_OK)
        return raise_refused(st, status, &wait.err);
    return face_finish(st, &msg->via, wait.op, GIVE_MSG);
}

/* _ack_sync_now(left): an awaitable, or WouldBlockError. */
PyObject *msg_ack_sync_now(PyObject *self, PyObject *args)
{
    const Msg *msg = DATA(Msg, self);
    PyObject *left;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "O:_ack_sync_now", &left) ||
        timeout_arg(msg->st, left, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    ConfirmWait wait = {.msg = msg, .deadline = deadline_of(timeout_ms)};
    natskit_status status = confirm_try(&wait);
    if (status != NATSKIT_OK)
        return raise_refused(msg->st, status, &wait.err);
    return face_finish(msg->st, &msg->via, wait.op, GIVE_MSG);
}

/* --------------------------------------------------------------------------------------------- batches */

typedef struct BatchWait {
    natskit_conn conn;
    natskit_msg **msgs;
    size_t count;
    size_t done;
} BatchWait;

static natskit_status batch_block(void *arg, int64_t slice_ms)
{
    BatchWait *batch = arg;
    size_t acked = 0;
    natskit_status status = natskit_ack_batch(batch->msgs + batch->done, batch->count - batch->done, &acked);
    batch->done += acked;
    if (status != NATSKIT_WOULD_BLOCK || slice_ms == 0)
        return status;
    return wait_room(batch->conn, ACK_SIZE, slice_ms);
}

/* The messages of a list; to be freed. NULL: exception. */
static natskit_msg **batch_messages(State *st, PyObject *list)
{
    Py_ssize_t size = PyList_Size(list);
    natskit_msg **msgs = PyMem_Malloc((size_t)(size + 1) * sizeof(natskit_msg *));
    if (msgs == NULL)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; msgs != NULL && i < size; i++) {
        PyObject *item = PyList_GetItem(list, i);
        if (Py_TYPE(item) == st->msg_type[FACE_ASYNC] || Py_TYPE(item) == st->msg_type[FACE_SYNC]) {
            msgs[i] = DATA(Msg, item)->msg;
            continue;
        }
        PyErr_Format(PyExc_TypeError, "ack_batch() needs messages, not %R", (PyObject *)Py_TYPE(item));
        PyMem_Free(msgs);
        msgs = NULL;
    }
    return msgs;
}

/* Notes on the exception that is raised how many messages were acked before it. */
static PyObject *batch_failed(State *st, Py_ssize_t acked)
{
    PyObject *number = PyLong_FromSsize_t(acked);
    error_annotate(st, NAME_published, number);
    Py_XDECREF(number);
    return NULL;
}

/* Acks what is in the list, and tells how many were. -1: exception. */
static int batch_ack(const Conn *conn, PyObject *list, int64_t timeout_ms, size_t *done,
                     natskit_status *status)
{
    BatchWait batch = {conn->handle, batch_messages(conn->st, list), (size_t)PyList_Size(list), 0};
    if (batch.msgs == NULL)
        return -1;
    int rc = 0;
    *status = batch_block(&batch, 0);
    if (*status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && conn->via.face == FACE_SYNC)
        rc = block(conn->st, batch_block, &batch, timeout_ms, status);
    *done = batch.done;
    PyMem_Free(batch.msgs);
    return rc;
}

PyObject *conn_ack_batch(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"ack_batch", 2, 1, 1, {NAME_messages, NAME_timeout}};
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
    Py_ssize_t total = PyList_Size(list);
    size_t done = 0;
    natskit_status status = NATSKIT_OK;
    timeout_ms = conn->via.fails ? 0 : timeout_ms;
    PyObject *result = NULL;
    if (batch_ack(conn, list, timeout_ms, &done, &status) < 0) {
        batch_failed(st, (Py_ssize_t)done);
    } else if (status == NATSKIT_OK) {
        result = face_value(st, conn->via.face, PyLong_FromSsize_t(total));
    } else if (status == NATSKIT_WOULD_BLOCK && timeout_ms != 0) {
        PyObject *rest = PyList_GetSlice(list, (Py_ssize_t)done, total);
        PyObject *again = rest == NULL ? NULL : Py_BuildValue("(Nn)", rest, total);
        result = later(st, self, "_ack_batch_now", again, ACK_SIZE, timeout_ms);
    } else {
        raise_refused(st, status, NULL);
        batch_failed(st, (Py_ssize_t)done);
    }
    Py_DECREF(list);
    return result;
}

/* _ack_batch_now(messages, total, left): takes out of the list what is acked; fails with WouldBlockError if
 * some are left. */
PyObject *conn_ack_batch_now(PyObject *self, PyObject *args)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *list, *left;
    Py_ssize_t total;
    size_t done = 0;
    natskit_status status = NATSKIT_OK;
    if (!PyArg_ParseTuple(args, "O!nO:_ack_batch_now", &PyList_Type, &list, &total, &left) ||
        batch_ack(conn, list, 0, &done, &status) < 0 || PyList_SetSlice(list, 0, (Py_ssize_t)done, NULL) < 0)
        return NULL;
    if (status == NATSKIT_OK)
        return face_value(st, conn->via.face, PyLong_FromSsize_t(total));
    raise_refused(st, status, NULL);
    return batch_failed(st, total - PyList_Size(list));
}

/* ------------------------------------------------------------------------------------------- metadata */

PyObject *msg_get_metadata(PyObject *self, void *unused)
{
    (void)unused;
    const Msg *msg = DATA(Msg, self);
    natskit_delivery_view view;
    natskit_status status = natskit_msg_delivery(msg->msg, &view, sizeof view);
    if (status != NATSKIT_OK)
        return raise_status(msg->st, status, NULL);
    PyObject *stream = text_new(view.stream, view.stream_len);
    PyObject *consumer = text_new(view.consumer, view.consumer_len);
    PyObject *domain = text_new(view.domain, view.domain_len);
    PyObject *account = text_new(view.account, view.account_len);
    PyObject *args = NULL;
    PyObject *result = NULL;
    if (stream != NULL && consumer != NULL && domain != NULL && account != NULL)
        args = Py_BuildValue("(OOOOKKKKL)", stream, consumer, domain, account,
                             (unsigned long long)view.stream_seq, (unsigned long long)view.consumer_seq,
                             (unsigned long long)view.delivered, (unsigned long long)view.pending,
                             (long long)view.time_ns);
    if (args != NULL)
        result = PyObject_CallObject(msg->st->metadata, args);
    Py_XDECREF(args);
    Py_XDECREF(stream);
    Py_XDECREF(consumer);
    Py_XDECREF(domain);
    Py_XDECREF(account);
    return result;
}

PyObject *msg_get_is_acked(PyObject *self, void *unused)
{
    (void)unused;
    natskit_delivery_view view;
    natskit_status status = natskit_msg_delivery(DATA(Msg, self)->msg, &view, sizeof view);
    return PyBool_FromLong(status == NATSKIT_OK && view.acked);
}

/* ---------------------------------------------------------------------------------------------- origins */

static int put(PyObject *dict, const char *name, PyObject *value)
{
    int rc = value == NULL ? -1 : PyDict_SetItemString(dict, name, value);
    Py_XDECREF(value);
    return rc;
}

/* What is told, and nothing else. */
static int put_origin(PyObject *dict, const natskit_origin *view)
{
    const struct {
        const char *name;
        const char *text;
        size_t len;
    } texts[] = {
        {"stream", view->stream, view->stream_len},
        {"subject", view->subject, view->subject_len},
        {"source_stream", view->source_stream, view->source_stream_len},
        {"source_filter", view->source_filter, view->source_filter_len},
        {"source_transform", view->source_transform, view->source_transform_len},
        {"source_subject", view->source_subject, view->source_subject_len},
        {"marker", view->marker, view->marker_len},
        {"scheduler", view->scheduler, view->scheduler_len},
        {"schedule_next", view->schedule_next, view->schedule_next_len},
        {"increment", view->increment, view->increment_len},
        {"counter_sources", view->counter_sources, view->counter_sources_len},
    };
    const struct {
        const char *name;
        uint64_t number;
    } numbers[] = {
        {"seq", (uint64_t)view->seq},
        {"last_seq", (uint64_t)view->last_seq},
        {"time_ns", (uint64_t)view->time_ns},
        {"size", (uint64_t)view->size},
        {"source_seq", (uint64_t)view->source_seq},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].len > 0)
            rc = put(dict, texts[i].name, text_new(texts[i].text, texts[i].len));
    for (size_t i = 0; rc == 0 && i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].number > 0)
            rc = put(dict, numbers[i].name, PyLong_FromUnsignedLongLong(numbers[i].number));
    return rc;
}

PyObject *msg_get_origin(PyObject *self, void *unused)
{
    (void)unused;
    natskit_origin view;
    natskit_status status = natskit_msg_origin(DATA(Msg, self)->msg, &view, sizeof view);
    if (status != NATSKIT_OK)
        Py_RETURN_NONE;
    PyObject *dict = PyDict_New();
    if (dict != NULL && put_origin(dict, &view) < 0)
        Py_CLEAR(dict);
    return dict;
}

PyObject *msg_get_counter(PyObject *self, void *unused)
{
    (void)unused;
    const char *digits = "";
    size_t len = 0;
    natskit_status status = natskit_msg_counter(DATA(Msg, self)->msg, &digits, &len);
    return digits_int(digits, status == NATSKIT_OK ? len : 0);
}

/* The number of a str of digits, perhaps behind a '-'; None for all else. */
static PyObject *sum_of(PyObject *value)
{
    Py_ssize_t len = 0;
    const char *text = PyUnicode_Check(value) ? PyUnicode_AsUTF8AndSize(value, &len) : "";
    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeError))
            return NULL;
        PyErr_Clear();
        len = 0;
    }
    Py_ssize_t at = len > 0 && text[0] == '-' ? 1 : 0;
    if (at == len)
        Py_RETURN_NONE;
    for (; at < len; at++)
        if (text[at] < '0' || text[at] > '9')
            Py_RETURN_NONE;
    return digits_int(text, (size_t)len);
}

/* In {"subject": "digits"} the digits become int: 1; 0: it is something else; -1: raised. */
static int totals_to_ints(PyObject *totals)
{
    PyObject *subject;
    PyObject *digits;
    Py_ssize_t at = 0;
    while (PyDict_Next(totals, &at, &subject, &digits)) {
        PyObject *number = sum_of(digits);
        int is_sum = number != Py_None;
        int rc = number == NULL ? -1 : PyDict_SetItem(totals, subject, number); /* the key stays */
        Py_XDECREF(number);
        if (rc < 0 || !is_sum)
            return rc;
    }
    return 1;
}

/* The same of {"STREAM": {"subject": "digits"}}. */
static int sources_to_ints(PyObject *sources)
{
    PyObject *stream;
    PyObject *totals;
    Py_ssize_t at = 0;
    int rc = PyDict_Check(sources);
    while (rc == 1 && PyDict_Next(sources, &at, &stream, &totals))
        rc = PyDict_Check(totals) ? totals_to_ints(totals) : 0;
    return rc;
}

PyObject *msg_get_counter_sources(PyObject *self, void *unused)
{
    (void)unused;
    const Msg *msg = DATA(Msg, self);
    natskit_json document;
    natskit_error err = {0};
    natskit_status status = natskit_msg_counter_sources(msg->msg, &document, &err);
    if (status == NATSKIT_NOT_FOUND || status == NATSKIT_INVALID || status == NATSKIT_LIMIT)
        Py_RETURN_NONE;
    if (status != NATSKIT_OK) {
        raise_status(msg->st, status, &err);
        return NULL;
    }
    PyObject *sources = js_decode(msg->st, document);
    (void)natskit_json_close(document);
    int rc = sources == NULL ? -1 : sources_to_ints(sources);
    if (rc == 1)
        return sources;
    Py_XDECREF(sources);
    return rc == 0 ? Py_NewRef(Py_None) : NULL;
}
