/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages as a stream keeps them, natskit.StoredMsg, and how a context gets them: one (_get_msg), a run
 * (_get_batch), or the last of each subject (_get_last). What several come in is a subscription (sub.c) whose
 * objects are such messages; what the methods are called is in natskit/_js.py.
 */
#include "state.h"

/* What a get may need in the outbox beside its subject. */
#define CALL_BYTES 1024

/* --------------------------------------------------------------------------------------------- messages */

static int stored_view(PyObject *self, natskit_stored_view *view)
{
    const Msg *msg = DATA(Msg, self);
    natskit_status status = natskit_msg_stored(msg->msg, view, sizeof *view);
    if (status == NATSKIT_OK)
        return 0;
    raise_status(msg->st, status, NULL);
    return -1;
}

PyObject *stored_new(State *st, const Via *via, natskit_msg *taken)
{
    Msg *msg = PyObject_New(Msg, st->stored_type);
    if (msg == NULL) {
        natskit_msg_release(taken);
        return NULL;
    }
    msg->st = state_hold(st);
    msg->msg = taken;
    msg->via = *via;
    msg->subject = NULL;
    msg->reply = NULL;
    msg->data = NULL;
    return (PyObject *)msg;
}

static void stored_dealloc(PyObject *self)
{
    Msg *msg = DATA(Msg, self);
    PyTypeObject *type = Py_TYPE(self);
    natskit_msg_release(msg->msg);
    Py_XDECREF(msg->subject);
    Py_XDECREF(msg->data);
    state_drop(msg->st);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *stored_get_subject(PyObject *self, void *unused)
{
    (void)unused;
    Msg *msg = DATA(Msg, self);
    natskit_stored_view view;
    if (msg->subject == NULL && stored_view(self, &view) == 0)
        msg->subject = text_new(view.subject, view.subject_len);
    return Py_XNewRef(msg->subject);
}

static PyObject *stored_get_data(PyObject *self, void *unused)
{
    (void)unused;
    Msg *msg = DATA(Msg, self);
    natskit_stored_view view;
    if (msg->data == NULL && stored_view(self, &view) == 0)
        msg->data = PyBytes_FromStringAndSize(view.data, (Py_ssize_t)view.data_len);
    return Py_XNewRef(msg->data);
}

static PyObject *stored_get_headers(PyObject *self, void *unused)
{
    (void)unused;
    natskit_stored_view view;
    if (stored_view(self, &view) < 0)
        return NULL;
    if (view.header_block == NULL)
        Py_RETURN_NONE;
    return headers_new(DATA(Msg, self)->st, DATA(Msg, self)->msg);
}

static PyObject *stored_get_hdrs(PyObject *self, void *unused)
{
    (void)unused;
    natskit_stored_view view;
    if (stored_view(self, &view) < 0)
        return NULL;
    if (view.header_block == NULL)
        return PyBytes_FromStringAndSize("", 0);
    PyObject *block = PyBytes_FromStringAndSize(view.header_block, (Py_ssize_t)view.header_block_len);
    PyObject *end = block == NULL ? NULL : PyBytes_FromStringAndSize("\r\n", 2);
    if (end == NULL)
        Py_CLEAR(block);
    else
        PyBytes_ConcatAndDel(&block, end);
    return block;
}

enum { STORED_STREAM, STORED_SEQ, STORED_TIME_NS, STORED_PENDING };

static PyObject *stored_get_field(PyObject *self, void *which)
{
    natskit_stored_view view;
    if (stored_view(self, &view) < 0)
        return NULL;
    switch ((intptr_t)which) {
    case STORED_STREAM:
        return text_new(view.stream, view.stream_len);
    case STORED_SEQ:
        return PyLong_FromUnsignedLongLong(view.seq);
    case STORED_TIME_NS:
        return PyLong_FromLongLong(view.time_ns);
    default:
        return PyLong_FromUnsignedLongLong(view.pending);
    }
}

static PyObject *stored_get_time(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *ns = stored_get_field(self, (void *)STORED_TIME_NS);
    PyObject *made = ns == NULL ? NULL : PyObject_CallFunctionObjArgs(DATA(Msg, self)->st->moment, ns, NULL);
    Py_XDECREF(ns);
    return made;
}

static PyObject *stored_json(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *data = stored_get_data(self, NULL);
    if (data == NULL)
        return NULL;
    PyObject *value = PyObject_CallFunctionObjArgs(DATA(Msg, self)->st->json_decode, data, NULL);
    Py_DECREF(data);
    return value;
}

static PyObject *stored_repr(PyObject *self)
{
    PyObject *subject = stored_get_subject(self, NULL);
    PyObject *stream = stored_get_field(self, (void *)STORED_STREAM);
    PyObject *seq = stored_get_field(self, (void *)STORED_SEQ);
    PyObject *repr = NULL;
    if (subject != NULL && stream != NULL && seq != NULL)
        repr = PyUnicode_FromFormat("<StoredMsg subject=%R stream=%R seq=%S>", subject, stream, seq);
    Py_XDECREF(subject);
    Py_XDECREF(stream);
    Py_XDECREF(seq);
    return repr;
}

#define FIELD(name, which, doc)                                                                              \
    {                                                                                                        \
        name, stored_get_field, NULL, doc, (void *)which                                                     \
    }

static PyGetSetDef stored_getset[] = {
    {"subject", stored_get_subject, NULL, "Subject that it was published to.", NULL},
    {"data", stored_get_data, NULL, "The payload.", NULL},
    {"headers", stored_get_headers, NULL, "The publisher's headers, or None if there are none.", NULL},
    {"header", stored_get_headers, NULL, "The same as headers.", NULL},
    {"hdrs", stored_get_hdrs, NULL, "The same as bytes, a header block; b'' without one.", NULL},
    {"time", stored_get_time, NULL, "When it was stored: a datetime in UTC, to the microsecond.", NULL},
    {"counter", msg_get_counter, NULL, "The value of a counter, an int of any size, or None.", NULL},
    {"counter_sources", msg_get_counter_sources, NULL,
     "What was added up of other streams, {stream: {subject: int}}; None without it, or for anything else.",
     NULL},
    FIELD("time_ns", STORED_TIME_NS, "When it was stored: nanoseconds since 1970 UTC."),
    FIELD("stream", STORED_STREAM, "Name of the stream that answered, perhaps a mirror."),
    FIELD("seq", STORED_SEQ, "Its sequence in the stream."),
    FIELD("sequence", STORED_SEQ, "The same as seq."),
    FIELD("pending", STORED_PENDING, "Of several: messages that were known to be behind it; else 0."),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef stored_methods[] = {
    {"json", stored_json, METH_NOARGS, "json($self)\n--\n\nThe payload, decoded from JSON."},
    {NULL, NULL, 0, NULL},
};

static char stored_doc[] = "A message as a stream keeps it.";

static PyType_Slot stored_slots[] = {
    {Py_tp_doc, stored_doc},       {Py_tp_dealloc, stored_dealloc}, {Py_tp_repr, stored_repr},
    {Py_tp_getset, stored_getset}, {Py_tp_methods, stored_methods}, {0, NULL},
};

static PyType_Spec stored_spec = {
    .name = "natskit.StoredMsg",
    .basicsize = sizeof(Msg),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = stored_slots,
};

int stored_init(PyObject *module, State *st)
{
    return type_add(module, &st->stored_type, &stored_spec, "StoredMsg");
}

/* -------------------------------------------------------------------------------------------------- one */

typedef struct Get {
    const Js *js;
    Text stream;
    Text subject;
    uint64_t seq;
    int64_t start_ns;
    uint32_t flags;
    int64_t deadline;
    natskit_op op;
    natskit_error err;
} Get;

static natskit_status get_try(Get *get)
{
    return natskit_js_get_msg_start(get->js->handle, get->stream.data, get->stream.len, get->seq,
                                    get->subject.data, get->subject.len, get->start_ns, get->flags,
                                    (natskit_options){0}, left_ms(get->deadline), &get->op, &get->err);
}

/* Without the GIL: tries, and waits for room. */
static natskit_status get_block(void *arg, int64_t slice_ms)
{
    Get *get = arg;
    natskit_status status = get_try(get);
    if (status != NATSKIT_WOULD_BLOCK || slice_ms == 0)
        return status;
    return wait_room(get->js->via.conn, CALL_BYTES, slice_ms);
}

/* `first`: it may wait for room in the outbox; else it fails with WouldBlockError. */
static PyObject *get_one(PyObject *self, PyObject *args, bool first)
{
    const Js *js = DATA(Js, self);
    State *st = js->st;
    PyObject *stream, *seq, *subject, *timeout;
    long long start_ns;
    int64_t timeout_ms;
    Get get = {.js = js};
    int flags;
    if (!PyArg_ParseTuple(args, "OOOLiO:_get_msg", &stream, &seq, &subject, &start_ns, &flags, &timeout) ||
        timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0 ||
        count_arg(st, seq, "seq", 0, &get.seq) < 0 || text_arg(st, stream, "stream", NULL, &get.stream) < 0)
        return NULL;
    if (text_arg(st, subject, "subject", NULL, &get.subject) < 0) {
        text_done(&get.stream);
        return NULL;
    }
    get.start_ns = start_ns;
    get.flags = (uint32_t)flags;
    get.deadline = deadline_of(timeout_ms);
    natskit_status status = get_try(&get);
    bool waits = first && timeout_ms != 0 && !js->via.fails;
    int rc = 0;
    if (status == NATSKIT_WOULD_BLOCK && waits && js->via.face == FACE_SYNC)
        rc = block(st, get_block, &get, timeout_ms, &status);
    text_done(&get.stream);
    text_done(&get.subject);
    if (rc < 0)
        return NULL;
    if (status == NATSKIT_OK)
        return face_finish(st, &js->via, get.op, GIVE_STORED);
    if (status != NATSKIT_WOULD_BLOCK || !waits)
        return raise_refused(st, status, &get.err);
    PyObject *head =
        PyTuple_GetSlice(args, 0, PyTuple_Size(args) - 1); /* the time that is left is put behind */
    return later(st, self, "_get_msg_now", head, CALL_BYTES, timeout_ms);
}

/* _get_msg(stream, seq, subject, start_ns, flags, timeout) */
PyObject *js_get_msg(PyObject *self, PyObject *args)
{
    return get_one(self, args, true);
}

PyObject *js_get_msg_now(PyObject *self, PyObject *args)
{
    return get_one(self, args, false);
}

/* ---------------------------------------------------------------------------------------------- several */

typedef natskit_status (*open_fn)(natskit_js js, const char *stream, size_t stream_len,
                                  natskit_options options, natskit_sub *out, natskit_error *err);

static PyObject *open_with(const Js *js, PyObject *stream, PyObject *pairs, int32_t scope, open_fn open)
{
    State *st = js->st;
    Text text = {0};
    natskit_options options = {0};
    natskit_sub sub = {0};
    natskit_error err = {0};
    natskit_status status = NATSKIT_CLOSED;
    bool ready =
        text_arg(st, stream, "stream", NULL, &text) == 0 && options_arg(st, scope, pairs, &options) == 0;
    if (ready)
        status = open(js->handle, text.data, text.len, options, &sub, &err);
    text_done(&text);
    if (options.id != 0)
        natskit_options_close(options);
    if (!ready)
        return NULL;
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    PyObject *queue = text_new("", 0);
    if (queue == NULL) {
        natskit_sub_close(sub);
        return NULL;
    }
    PyObject *object = sub_new(st, js->conn, sub, stream, queue, SUB_STORED);
    Py_DECREF(queue);
    return object;
}

/* _get_batch(stream, options): the subscription. */
PyObject *js_get_batch(PyObject *self, PyObject *args)
{
    PyObject *stream, *pairs;
    if (!PyArg_ParseTuple(args, "OO:_get_batch", &stream, &pairs))
        return NULL;
    return open_with(DATA(Js, self), stream, pairs, NATSKIT_OPTIONS_GET_BATCH, natskit_js_get_batch);
}

/* _get_last(stream, options): the subscription. */
PyObject *js_get_last(PyObject *self, PyObject *args)
{
    PyObject *stream, *pairs;
    if (!PyArg_ParseTuple(args, "OO:_get_last", &stream, &pairs))
        return NULL;
    return open_with(DATA(Js, self), stream, pairs, NATSKIT_OPTIONS_GET_LAST, natskit_js_get_last);
}
