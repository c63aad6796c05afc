/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of a connection, as its event subscriptions yield them. The same type for both faces: an event has
 * no method that waits.
 */
#include "state.h"

#include <string.h>

static int event_view(PyObject *self, natskit_event_view *view)
{
    const Msg *event = DATA(Msg, self);
    natskit_status status = natskit_msg_event(event->msg, view, sizeof *view);
    if (status == NATSKIT_OK)
        return 0;
    raise_status(event->st, status, NULL);
    return -1;
}

PyObject *event_new(State *st, const Via *via, natskit_msg *taken)
{
    Msg *event = PyObject_New(Msg, st->event_type);
    if (event == NULL) {
        natskit_msg_release(taken);
        return NULL;
    }
    event->st = state_hold(st);
    event->msg = taken;
    event->via = *via;
    return (PyObject *)event;
}

static void event_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    natskit_msg_release(DATA(Msg, self)->msg);
    state_drop(DATA(Msg, self)->st);
    PyObject_Free(self);
    Py_DECREF(type);
}

static const char *type_name(int32_t type)
{
    static const char *const names[] = {
        [NATSKIT_EVENT_CONNECTED] = "connected",
        [NATSKIT_EVENT_DISCONNECTED] = "disconnected",
        [NATSKIT_EVENT_RECONNECTING] = "reconnecting",
        [NATSKIT_EVENT_RECONNECTED] = "reconnected",
        [NATSKIT_EVENT_SERVERS] = "servers",
        [NATSKIT_EVENT_LAME_DUCK] = "lame_duck",
        [NATSKIT_EVENT_SLOW_CONSUMER] = "slow_consumer",
        [NATSKIT_EVENT_ASYNC_ERROR] = "async_error",
        [NATSKIT_EVENT_STALE] = "stale",
        [NATSKIT_EVENT_CLOSED] = "closed",
        [NATSKIT_EVENT_PING] = "ping",
        [NATSKIT_EVENT_FORCED_RECONNECT] = "forced_reconnect",
        [NATSKIT_EVENT_DELAY_NEEDED] = "delay_needed",
        [NATSKIT_EVENT_AUTH_NEEDED] = "auth_needed",
    };
    bool known = type > 0 && type < (int32_t)(sizeof names / sizeof names[0]);
    return known ? names[type] : NULL;
}

static PyObject *event_get_type(PyObject *self, void *unused)
{
    (void)unused;
    natskit_event_view view;
    if (event_view(self, &view) < 0)
        return NULL;
    const char *name = type_name(view.type);
    return name != NULL ? PyUnicode_FromString(name) : PyUnicode_FromFormat("event_%d", (int)view.type);
}

static PyObject *event_get_error(PyObject *self, void *unused)
{
    (void)unused;
    natskit_event_view view;
    if (event_view(self, &view) < 0)
        return NULL;
    if (view.status == NATSKIT_OK)
        Py_RETURN_NONE;
    natskit_error err = {.status = view.status};
    size_t len = view.text_len < sizeof err.text - 1 ? view.text_len : sizeof err.text - 1;
    if (len > 0)
        memcpy(err.text, view.text, len);
    return error_object(DATA(Msg, self)->st, view.status, &err);
}

enum {
    FIELD_SERVER,
    FIELD_SUBJECT,
    FIELD_TEXT,
    FIELD_EPOCH,
    FIELD_SID,
    FIELD_COUNT,
    FIELD_TIME_NS,
    FIELD_REQUEST,
    FIELD_DELAY,
    FIELD_PENDING,
    FIELD_NONCE,
};

static PyObject *event_get_field(PyObject *self, void *which)
{
    natskit_event_view view;
    if (event_view(self, &view) < 0)
        return NULL;
    switch ((intptr_t)which) {
    case FIELD_SERVER:
        return text_new(view.server, view.server_len);
    case FIELD_SUBJECT:
        return text_new(view.subject, view.subject_len);
    case FIELD_TEXT:
        return text_new(view.text, view.text_len);
    case FIELD_EPOCH:
        return PyLong_FromUnsignedLongLong(view.epoch);
    case FIELD_SID:
        return PyLong_FromUnsignedLongLong(view.sid);
    case FIELD_COUNT:
        return PyLong_FromUnsignedLongLong(view.count);
    case FIELD_REQUEST:
        return PyLong_FromUnsignedLongLong(view.request);
    case FIELD_DELAY:
        return PyFloat_FromDouble((double)view.delay_ms / 1000.0);
    case FIELD_NONCE:
        return text_new(view.text, view.type == NATSKIT_EVENT_AUTH_NEEDED ? view.text_len : 0);
    case FIELD_PENDING:
        return PyLong_FromUnsignedLongLong(view.pending);
    default:
        return PyLong_FromLongLong(view.time_ns);
    }
}

static PyObject *event_answer(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"answer", 1, 1, 1, {NAME_delay}};
    const Msg *event = DATA(Msg, self);
    PyObject *delay;
    int64_t delay_ms;
    natskit_event_view view;
    if (match(event->st, &sig, args, nargs, kwnames, &delay) < 0 ||
        delay_arg(event->st, delay, &delay_ms) < 0 || event_view(self, &view) < 0)
        return NULL;
    if (view.type != NATSKIT_EVENT_DELAY_NEEDED)
        return raise_text(event->st, NATSKIT_NO_REPLY, "the event does not ask for a delay");
    natskit_error err = {0};
    natskit_status status = natskit_conn_answer_delay(event->via.conn, view.request, delay_ms, &err);
    return status == NATSKIT_OK ? Py_NewRef(Py_None) : raise_status(event->st, status, &err);
}

static PyObject *event_answer_auth(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"answer_auth", 1, 1, 1, {NAME_credentials}};
    const Msg *event = DATA(Msg, self);
    PyObject *credentials;
    natskit_event_view view;
    if (match(event->st, &sig, args, nargs, kwnames, &credentials) < 0 || event_view(self, &view) < 0)
        return NULL;
    if (view.type != NATSKIT_EVENT_AUTH_NEEDED)
        return raise_text(event->st, NATSKIT_NO_REPLY, "the event does not ask for credentials");
    PyObject *pairs = PyObject_CallFunctionObjArgs(event->st->auth_pairs, credentials, NULL);
    if (pairs == NULL)
        return NULL;
    natskit_options options;
    int rc = options_arg(event->st, NATSKIT_OPTIONS_AUTH, pairs, &options);
    Py_DECREF(pairs);
    if (rc < 0)
        return NULL;
    natskit_error err = {0};
    natskit_status status = natskit_conn_answer_auth(event->via.conn, view.request, options, &err);
    if (options.id != 0)
        natskit_options_close(options);
    return status == NATSKIT_OK ? Py_NewRef(Py_None) : raise_status(event->st, status, &err);
}

static PyObject *event_repr(PyObject *self)
{
    PyObject *type = event_get_type(self, NULL);
    PyObject *server = event_get_field(self, (void *)FIELD_SERVER);
    PyObject *text = event_get_field(self, (void *)FIELD_TEXT);
    PyObject *repr = NULL;
    if (type != NULL && server != NULL && text != NULL)
        repr = PyUnicode_FromFormat("<Event %U server=%R text=%R>", type, server, text);
    Py_XDECREF(type);
    Py_XDECREF(server);
    Py_XDECREF(text);
    return repr;
}

#define FIELD(name, which, doc)                                                                              \
    {                                                                                                        \
        name, event_get_field, NULL, doc, (void *)which                                                      \
    }

static PyGetSetDef event_getset[] = {
    {"type", event_get_type, NULL, "What happened: 'connected', 'disconnected', ...", NULL},
    {"error", event_get_error, NULL, "The reason as an exception (not raised), or None.", NULL},
    FIELD("server", FIELD_SERVER, "URL of the server, without user and password, or ''."),
    FIELD("subject", FIELD_SUBJECT, "Subject that the event is about, or ''."),
    FIELD("text", FIELD_TEXT, "The words of the server or the library."),
    FIELD("epoch", FIELD_EPOCH, "Number of the transport: 1 for the first."),
    FIELD("sid", FIELD_SID, "Number of the subscription that the event is about, or 0."),
    FIELD("count", FIELD_COUNT, "A number that belongs to the event, such as the size of the server pool."),
    FIELD("time_ns", FIELD_TIME_NS, "When it happened: nanoseconds since 1970 UTC."),
    FIELD("request", FIELD_REQUEST, "Number of the request that is to be answered, or 0."),
    FIELD("delay", FIELD_DELAY, "'delay_needed': seconds of the pause that comes without an answer."),
    FIELD("pending", FIELD_PENDING, "'slow_consumer': messages in the full queue."),
    FIELD("nonce", FIELD_NONCE, "'auth_needed': what the server wants signed, or ''."),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef event_methods[] = {
    {"answer", (PyCFunction)(void (*)(void))event_answer, METH_FASTCALL | METH_KEYWORDS,
     "answer($self, delay)\n--\n\nAnswers 'delay_needed': servers are tried `delay` seconds after it."},
    {"answer_auth", (PyCFunction)(void (*)(void))event_answer_auth, METH_FASTCALL | METH_KEYWORDS,
     "answer_auth($self, credentials)\n--\n\nAnswers 'auth_needed' with a mapping of what the server is to "
     "be "
     "told: user, password, token, jwt, nkey and signature, nkey_seed, creds, creds_file. What it lacks "
     "stays as "
     "configured; "
     "None for all of it."},
    {NULL, NULL, 0, NULL},
};

static char event_doc[] = "Something that happened to a connection.";

static PyType_Slot event_slots[] = {
    {Py_tp_doc, event_doc},       {Py_tp_dealloc, event_dealloc}, {Py_tp_repr, event_repr},
    {Py_tp_getset, event_getset}, {Py_tp_methods, event_methods}, {0, NULL},
};

static PyType_Spec event_spec = {
    .name = "natskit.Event",
    .basicsize = sizeof(Msg),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = event_slots,
};

int event_init(PyObject *module, State *st)
{
    return type_add(module, &st->event_type, &event_spec, "Event");
}
