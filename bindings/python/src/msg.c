/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages. An object holds one reference to the core's message; text and bytes are made when they are first
 * asked for. It takes no part in garbage collection: what it refers to (str, bytes) refers to nothing.
 */
#include "state.h"

static int msg_view(const Msg *msg, natskit_message_view *view)
{
    natskit_status status = natskit_msg_view(msg->msg, view, sizeof *view);
    if (status == NATSKIT_OK)
        return 0;
    raise_status(msg->st, status, NULL);
    return -1;
}

PyObject *msg_new(State *st, const Via *via, natskit_msg *taken)
{
    Msg *msg = PyObject_New(Msg, st->msg_type[via->face]);
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

static void msg_dealloc(PyObject *self)
{
    Msg *msg = DATA(Msg, self);
    PyTypeObject *type = Py_TYPE(self);
    natskit_msg_release(msg->msg);
    Py_XDECREF(msg->subject);
    Py_XDECREF(msg->reply);
    Py_XDECREF(msg->data);
    state_drop(msg->st);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* ----------------------------------------------------------------------------------------------- fields */

static PyObject *msg_get_subject(PyObject *self, void *unused)
{
    (void)unused;
    Msg *msg = DATA(Msg, self);
    natskit_message_view view;
    if (msg->subject == NULL && msg_view(msg, &view) == 0)
        msg->subject = text_new(view.subject, view.subject_len);
    return Py_XNewRef(msg->subject);
}

static PyObject *msg_get_reply(PyObject *self, void *unused)
{
    (void)unused;
    Msg *msg = DATA(Msg, self);
    natskit_message_view view;
    if (msg->reply == NULL && msg_view(msg, &view) == 0)
        msg->reply = text_new(view.reply, view.reply_len);
    return Py_XNewRef(msg->reply);
}

static PyObject *msg_get_data(PyObject *self, void *unused)
{
    (void)unused;
    Msg *msg = DATA(Msg, self);
    natskit_message_view view;
    if (msg->data == NULL && msg_view(msg, &view) == 0)
        msg->data = PyBytes_FromStringAndSize(view.data, (Py_ssize_t)view.data_len);
    return Py_XNewRef(msg->data);
}

static PyObject *msg_get_headers(PyObject *self, void *unused)
{
    (void)unused;
    const Msg *msg = DATA(Msg, self);
    natskit_message_view view;
    if (msg_view(msg, &view) < 0)
        return NULL;
    if (view.header_block == NULL)
        Py_RETURN_NONE;
    return headers_new(msg->st, msg->msg);
}

static PyObject *msg_get_size(PyObject *self, void *unused)
{
    (void)unused;
    natskit_message_view view;
    if (msg_view(DATA(Msg, self), &view) < 0)
        return NULL;
    return PyLong_FromSize_t(view.subject_len + view.reply_len + view.header_block_len + view.data_len);
}

static PyObject *msg_get_text(PyObject *self, void *unused)
{
    (void)unused;
    natskit_message_view view;
    if (msg_view(DATA(Msg, self), &view) < 0)
        return NULL;
    return PyUnicode_DecodeUTF8(view.data_len == 0 ? "" : view.data, (Py_ssize_t)view.data_len, NULL);
}

static PyObject *msg_json(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *data = msg_get_data(self, NULL);
    if (data == NULL)
        return NULL;
    PyObject *value = PyObject_CallFunctionObjArgs(DATA(Msg, self)->st->json_decode, data, NULL);
    Py_DECREF(data);
    return value;
}

static PyObject *msg_get_sid(PyObject *self, void *unused)
{
    (void)unused;
    natskit_message_view view;
    return msg_view(DATA(Msg, self), &view) < 0 ? NULL : PyLong_FromUnsignedLongLong(view.sid);
}

static PyObject *msg_get_status_code(PyObject *self, void *unused)
{
    (void)unused;
    natskit_message_view view;
    return msg_view(DATA(Msg, self), &view) < 0 ? NULL : PyLong_FromLong(view.status_code);
}

static PyObject *msg_get_description(PyObject *self, void *unused)
{
    (void)unused;
    natskit_message_view view;
    if (msg_view(DATA(Msg, self), &view) < 0)
        return NULL;
    return text_new(view.description, view.description_len);
}

/* ---------------------------------------------------------------------------------------------- buffer */

static int msg_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    const Msg *msg = DATA(Msg, self);
    natskit_message_view view;
    if (msg_view(msg, &view) < 0) {
        buffer->obj = NULL;
        return -1;
    }
    /* The buffer holds this object, and this object the message, so the bytes stay as long as they are seen.
     * The copy of the address drops a const that readonly = 1 puts back. */
    union {
        const void *in;
        void *out;
    } address = {.in = view.data_len == 0 ? "" : view.data};
    return PyBuffer_FillInfo(buffer, self, address.out, (Py_ssize_t)view.data_len, 1, flags);
}

static Py_ssize_t msg_length(PyObject *self)
{
    natskit_message_view view;
    return msg_view(DATA(Msg, self), &view) < 0 ? -1 : (Py_ssize_t)view.data_len;
}

static int msg_bool(PyObject *self)
{
    (void)self;
    return 1; /* an empty payload does not make a message false */
}

static PyObject *msg_room(PyObject *self, PyObject *args)
{
    const Msg *msg = DATA(Msg, self);
    return room_wait(msg->st, &msg->via, args);
}

static PyObject *msg_repr(PyObject *self)
{
    const Msg *msg = DATA(Msg, self);
    natskit_message_view view;
    if (msg_view(msg, &view) < 0)
        return NULL;
    PyObject *subject = msg_get_subject(self, NULL);
    PyObject *reply = msg_get_reply(self, NULL);
    PyObject *text = NULL;
    if (subject != NULL && reply != NULL)
        text = PyUnicode_FromFormat("<Msg subject=%R reply=%R, %zd bytes%s>", subject, reply,
                                    (Py_ssize_t)view.data_len, view.header_block == NULL ? "" : ", headers");
    Py_XDECREF(subject);
    Py_XDECREF(reply);
    return text;
}

/* ------------------------------------------------------------------------------------------------ types */

static PyGetSetDef msg_getset[] = {
    {"subject", msg_get_subject, NULL, "Subject that the message was published to.", NULL},
    {"reply", msg_get_reply, NULL, "Subject that a reply is to be sent to, or ''.", NULL},
    {"data", msg_get_data, NULL, "The payload.", NULL},
    {"headers", msg_get_headers, NULL, "The headers, or None if the message has no header block.", NULL},
    {"header", msg_get_headers, NULL, "The same as headers.", NULL},
    {"text", msg_get_text, NULL, "The payload as UTF-8.", NULL},
    {"size", msg_get_size, NULL, "Bytes of subject, reply, headers and payload.", NULL},
    {"sid", msg_get_sid, NULL, "Number of the subscription on the wire.", NULL},
    {"status_code", msg_get_status_code, NULL, "Code of the header block's status line, or 0.", NULL},
    {"description", msg_get_description, NULL, "Text of the header block's status line, or ''.", NULL},
    {"metadata", msg_get_metadata, NULL, "What the server tells of its delivery by a JetStream consumer.",
     NULL},
    {"origin", msg_get_origin, NULL,
     "Where it comes from, by headers that servers write (Nats-Stream, Nats-Stream-Source, ...): a dict of "
     "what "
     "they tell, or None.",
     NULL},
    {"counter", msg_get_counter, NULL, "The value of a stored counter, an int of any size, or None.", NULL},
    {"counter_sources", msg_get_counter_sources, NULL,
     "What was added up of other streams, {stream: {subject: int}}; None without it, or for anything else.",
     NULL},
    {"is_acked", msg_get_is_acked, NULL, "Whether a final ack was sent, or confirmed by the server.", NULL},
    {"_endpoint", msg_get_endpoint, NULL, "Number of the endpoint of a service's request; else -1.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef msg_methods[] = {
    {"respond", (PyCFunction)(void (*)(void))msg_respond, METH_FASTCALL | METH_KEYWORDS,
     "respond($self, data=b'', headers=None, *, timeout=10.0, json=None, trace_destination=None, "
     "trace_only=False)\n--\n\nPublishes to the reply subject."},
    {"republish", (PyCFunction)(void (*)(void))msg_republish, METH_FASTCALL | METH_KEYWORDS,
     "republish($self, subject=None, reply=None, *, timeout=10.0)\n--\n\n"
     "Publishes it once more, to another subject or its own; None keeps its reply subject, '' drops it."},
    {"ack", msg_ack, METH_NOARGS, "ack($self)\n--\n\nAcks: it was processed."},
    {"nak", (PyCFunction)(void (*)(void))msg_nak, METH_FASTCALL | METH_KEYWORDS,
     "nak($self, delay=None)\n--\n\nAsks for it to be delivered once more, at once or after so many "
     "seconds."},
    {"in_progress", msg_in_progress, METH_NOARGS,
     "in_progress($self)\n--\n\nTells that it is still being processed; may be repeated."},
    {"term", (PyCFunction)(void (*)(void))msg_term, METH_FASTCALL | METH_KEYWORDS,
     "term($self, reason=None)\n--\n\nTells that it is never to be delivered again."},
    {"ack_sync", (PyCFunction)(void (*)(void))msg_ack_sync, METH_FASTCALL | METH_KEYWORDS,
     "ack_sync($self, timeout=1.0)\n--\n\nAcks, and waits until the server has confirmed it; gives its "
     "message."},
    {"_ack_now", msg_ack_now, METH_VARARGS,
     "_ack_now($self, kind, delay, reason, left, /)\n--\n\nAs ack and others; WouldBlockError without room."},
    {"_ack_sync_now", msg_ack_sync_now, METH_VARARGS,
     "_ack_sync_now($self, left, /)\n--\n\nAs ack_sync; WouldBlockError without room."},
    {"json", msg_json, METH_NOARGS, "json($self)\n--\n\nThe payload, decoded as JSON."},
    {"_forward_now", msg_forward_now, METH_VARARGS,
     "_forward_now($self, msg, subject, reply, left, /)\n--\n\nAs republish; WouldBlockError without room."},
    {"_respond_now", msg_respond_now, METH_VARARGS,
     "_respond_now($self, data, headers, left, /)\n--\n\nAs respond; WouldBlockError without room."},
    {"_handled", msg_handled, METH_NOARGS, "_handled($self)\n--\n\nThe request is done with."},
    {"_service_error", msg_service_error, METH_NOARGS,
     "_service_error($self)\n--\n\nRaises what it says of an error of the service."},
    {"_respond_error", msg_respond_error, METH_VARARGS,
     "_respond_error($self, code, description, data, headers, timeout, /)\n--\n\nAnswers with an error."},
    {"_respond_error_now", msg_respond_error_now, METH_VARARGS,
     "_respond_error_now($self, code, description, data, headers, left, /)\n--\n\nAs _respond_error; "
     "WouldBlockError without room."},
    {"_room", msg_room, METH_VARARGS,
     "_room($self, size, timeout, /)\n--\n\nWaits until the outbox has room for so many bytes."},
    {NULL, NULL, 0, NULL},
};

static char msg_doc[] =
    "A received message. Supports the buffer protocol: memoryview(msg) is its payload, not copied.";

static PyType_Slot msg_slots[] = {
    {Py_tp_doc, msg_doc},       {Py_tp_dealloc, msg_dealloc},      {Py_tp_repr, msg_repr},
    {Py_tp_getset, msg_getset}, {Py_tp_methods, msg_methods},      {Py_sq_length, msg_length},
    {Py_nb_bool, msg_bool},     {Py_bf_getbuffer, msg_get_buffer}, {0, NULL},
};

static PyType_Spec msg_spec = {
    .name = "natskit.Msg",
    .basicsize = sizeof(Msg),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = msg_slots,
};

static PyType_Spec sync_msg_spec = {
    .name = "natskit.sync.Msg",
    .basicsize = sizeof(Msg),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = msg_slots,
};

int msg_init(PyObject *module, State *st)
{
    if (type_add(module, &st->msg_type[FACE_ASYNC], &msg_spec, "AsyncMsg") < 0)
        return -1;
    return type_add(module, &st->msg_type[FACE_SYNC], &sync_msg_spec, "SyncMsg");
}
