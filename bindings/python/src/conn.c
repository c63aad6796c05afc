/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection: opening, closing, state and statistics; what sends is in publish.c. The type is the base of
 * natskit.Client and natskit.sync.Client, which only add names and defaults. An object that was never opened
 * has the handle 0 and tells that it is closed.
 */
#include "state.h"

#include <stddef.h>
#include <string.h>

#define LINGER_MS 2000
#define TIMEOUT_MS 10000
#define DRAIN_TIMEOUT_MS 30000

static void *conn_raise(State *st, natskit_status status, const natskit_error *err)
{
    return raise_status(st, status, err);
}

static PyObject *conn_make(PyTypeObject *type, PyObject *args, PyObject *kwargs, State *st, int face)
{
    (void)args;
    (void)kwargs;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = alloc(type, 0);
    if (self == NULL)
        return NULL;
    Conn *conn = DATA(Conn, self);
    conn->st = state_hold(st);
    conn->via.face = face;
    conn->closed = true;
    budget_reset(&conn->budget);
    return self;
}

static void conn_dealloc(PyObject *self);

static PyObject *conn_new_async(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    State *st = base_state(type, conn_dealloc);
    return st == NULL ? NULL : conn_make(type, args, kwargs, st, FACE_ASYNC);
}

static PyObject *conn_new_sync(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    State *st = base_state(type, conn_dealloc);
    return st == NULL ? NULL : conn_make(type, args, kwargs, st, FACE_SYNC);
}

/* Whether publishing is to fail at once when the outbox is full; the library has checked the value. */
static bool fails_when_full(PyObject *pairs)
{
    bool fails = false;
    for (Py_ssize_t i = 0; i < PyList_Size(pairs); i++) {
        PyObject *name = PyTuple_GetItem(PyList_GetItem(pairs, i), 0);
        PyObject *value = PyTuple_GetItem(PyList_GetItem(pairs, i), 1);
        if (name != Py_None && PyUnicode_CompareWithASCIIString(name, "outbox_full") == 0)
            fails = PyUnicode_CompareWithASCIIString(value, "fail") == 0;
    }
    return fails;
}

/* Goes on after connect_start: calls `begun` before anything is waited for. */
static PyObject *connect_go_on(Conn *conn, natskit_op op, PyObject *begun)
{
    PyObject *done = begun == Py_None ? Py_NewRef(Py_None) : PyObject_CallNoArgs(begun);
    if (done == NULL) {
        natskit_op_close(op);
        return NULL;
    }
    Py_DECREF(done);
    return face_finish(conn->st, &conn->via, op, GIVE_NONE);
}

/* _connect(url, options, timeout, begun): `options` are pairs (name, value); `begun()` is called when there
 * is a connection that tries servers, and nothing was waited for yet. */
static PyObject *conn_connect(PyObject *self, PyObject *args)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *url, *pairs, *timeout, *begun;
    if (!PyArg_ParseTuple(args, "OOOO:_connect", &url, &pairs, &timeout, &begun))
        return NULL;
    if (conn->handle.id != 0)
        return raise_text(st, NATSKIT_INVALID, "this client was connected before; make a new one");
    int64_t timeout_ms;
    Text text;
    if (timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0 || text_arg(st, url, "url", "", &text) < 0)
        return NULL;
    natskit_options options;
    if (options_arg(st, NATSKIT_OPTIONS_CONNECT, pairs, &options) < 0) {
        text_done(&text);
        return NULL;
    }
    natskit_error err = {0};
    natskit_op op = {0};
    natskit_status status =
        natskit_connect_start(text.data, text.len, options, timeout_ms, &conn->handle, &op, &err);
    text_done(&text);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return conn_raise(st, status, &err);
    conn->closed = false;
    conn->via.conn = conn->handle;
    conn->via.fails = fails_when_full(pairs);
    st->open_conns++;
    return connect_go_on(conn, op, begun);
}

/* Why the connection has ended by itself, or NULL; to be freed with PyMem_Free. */
static natskit_error *end_reason(const Conn *conn)
{
    natskit_conn_info info;
    natskit_error err = {0};
    if (natskit_conn_info_get(conn->handle, &info, sizeof info) != NATSKIT_OK ||
        info.state != NATSKIT_STATE_CLOSED || natskit_conn_closed(conn->handle, 0, &err) == NATSKIT_OK)
        return NULL;
    natskit_error *end = PyMem_Malloc(sizeof *end);
    if (end != NULL)
        *end = err;
    return end;
}

/* It counts as closed from now on. */
static void conn_forget(Conn *conn)
{
    natskit_conn_stats_get(conn->handle, &conn->last_stats, sizeof conn->last_stats);
    conn->end = end_reason(conn);
    conn->closed = true;
    if (--conn->st->open_conns == 0 && conn->st->spare.id != 0) {
        natskit_headers_close(conn->st->spare);
        conn->st->spare.id = 0;
    }
}

static void conn_end(Conn *conn)
{
    if (conn->closed)
        return;
    conn_forget(conn);
    natskit_conn_close(conn->handle, 0);
}

static PyObject *conn_close(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"close", 1, 0, 1, {NAME_linger}};
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *linger;
    int64_t linger_ms;
    if (match(st, &sig, args, nargs, kwnames, &linger) < 0 ||
        timeout_arg(st, linger, LINGER_MS, &linger_ms) < 0)
        return NULL;
    if (conn_handled_close(conn) < 0)
        return NULL;
    natskit_op op = {0};
    natskit_error err = {0};
    if (conn->closed || linger_ms == 0) {
        conn_end(conn);
        return face_done(st, conn->via.face);
    }
    conn_forget(conn);
    natskit_status status = natskit_conn_close_start(conn->handle, linger_ms, &op, &err);
    if (status != NATSKIT_OK)
        return conn_raise(st, status, &err);
    return face_finish(st, &conn->via, op, GIVE_NONE);
}

static void conn_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    conn_handled_clear(DATA(Conn, self));
    conn_end(DATA(Conn, self));
    PyMem_Free(DATA(Conn, self)->end);
    if (DATA(Conn, self)->st != NULL)
        state_drop(DATA(Conn, self)->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static int conn_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(DATA(Conn, self)->handled);
    return 0;
}

static int conn_clear(PyObject *self)
{
    conn_handled_clear(DATA(Conn, self));
    return 0;
}

/* ------------------------------------------------------------------------------------------ what it tells */

static natskit_status conn_info(const Conn *conn, natskit_conn_info *info)
{
    memset(info, 0, sizeof *info);
    if (conn->closed)
        return NATSKIT_CLOSED;
    return natskit_conn_info_get(conn->handle, info, sizeof *info);
}

/* Whether the connection is in the state that `which` names. */
static PyObject *conn_get_is(PyObject *self, void *which)
{
    const Conn *conn = DATA(Conn, self);
    natskit_conn_info info;
    natskit_status status = conn_info(conn, &info);
    if (status == NATSKIT_FORKED)
        return conn_raise(conn->st, status, NULL);
    int32_t state = status == NATSKIT_OK ? info.state : NATSKIT_STATE_CLOSED;
    return PyBool_FromLong(state == (int32_t)(intptr_t)which);
}

static PyObject *conn_get_is_draining(PyObject *self, void *unused)
{
    (void)unused;
    natskit_conn_info info;
    bool lives = conn_info(DATA(Conn, self), &info) == NATSKIT_OK && info.state != NATSKIT_STATE_CLOSED;
    return PyBool_FromLong(lives && info.draining != 0);
}

static PyObject *conn_get_url(PyObject *self, void *unused)
{
    (void)unused;
    const Conn *conn = DATA(Conn, self);
    natskit_conn_info info;
    if (conn_info(conn, &info) != NATSKIT_OK || info.state != NATSKIT_STATE_CONNECTED)
        Py_RETURN_NONE;
    return text_new(info.url, strlen(info.url));
}

static PyObject *conn_get_max_payload(PyObject *self, void *unused)
{
    (void)unused;
    natskit_conn_info info;
    conn_info(DATA(Conn, self), &info);
    return PyLong_FromLongLong(info.max_payload);
}

static PyObject *conn_get_client_id(PyObject *self, void *unused)
{
    (void)unused;
    natskit_conn_info info;
    conn_info(DATA(Conn, self), &info);
    return PyLong_FromUnsignedLongLong(info.client_id);
}

static PyObject *conn_get_fails(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(DATA(Conn, self)->via.fails);
}

static PyObject *conn_get_client_ip(PyObject *self, void *unused)
{
    (void)unused;
    natskit_conn_info info;
    conn_info(DATA(Conn, self), &info);
    return text_new(info.client_ip, strlen(info.client_ip));
}

/* A fact of TLS that is a flag: by its place in natskit_conn_info. */
static PyObject *conn_get_flag(PyObject *self, void *place)
{
    natskit_conn_info info;
    conn_info(DATA(Conn, self), &info);
    int32_t flag;
    memcpy(&flag, (const char *)&info + (size_t)place, sizeof flag);
    return PyBool_FromLong(flag);
}

/* A fact of TLS that is a text. */
static PyObject *conn_get_text(PyObject *self, void *place)
{
    natskit_conn_info info;
    conn_info(DATA(Conn, self), &info);
    const char *text = (const char *)&info + (size_t)place;
    return text_new(text, strlen(text));
}

static PyObject *conn_server_at_least(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                      PyObject *kwnames)
{
    static const Signature sig = {"server_at_least", 3, 1, 3, {NAME_major, NAME_minor, NAME_patch}};
    const Conn *conn = DATA(Conn, self);
    PyObject *a[3];
    uint64_t parts[3] = {0, 0, 0};
    if (match(conn->st, &sig, args, nargs, kwnames, a) < 0)
        return NULL;
    for (int i = 0; i < 3; i++) {
        if (count_arg(conn->st, a[i], "a part of the version", 0, &parts[i]) < 0)
            return NULL;
        parts[i] = parts[i] < INT32_MAX ? parts[i] : INT32_MAX;
    }
    int32_t yes = 0;
    natskit_status status = conn->closed
                                ? NATSKIT_NOT_FOUND
                                : natskit_conn_server_at_least(conn->handle, (int32_t)parts[0],
                                                               (int32_t)parts[1], (int32_t)parts[2], &yes);
    if (status != NATSKIT_OK && status != NATSKIT_NOT_FOUND)
        return conn_raise(conn->st, status, NULL);
    return PyBool_FromLong(yes);
}

static PyObject *conn_get_last_error(PyObject *self, void *unused)
{
    (void)unused;
    const Conn *conn = DATA(Conn, self);
    natskit_conn_info info;
    if (conn_info(conn, &info) != NATSKIT_OK || info.reason == NATSKIT_OK)
        Py_RETURN_NONE;
    natskit_error err = {.status = info.reason};
    memcpy(err.text, info.reason_text, sizeof info.reason_text);
    return error_object(conn->st, info.reason, &err);
}

/* A text of the connection, or None if there is none. */
static PyObject *grown_text(const Conn *conn, natskit_status (*get)(natskit_conn, char *, size_t, size_t *))
{
    size_t cap = 2048, len = 0;
    for (;;) {
        char *buf = PyMem_Malloc(cap);
        if (buf == NULL)
            return PyErr_NoMemory();
        natskit_status status = conn->closed ? NATSKIT_NOT_FOUND : get(conn->handle, buf, cap, &len);
        PyObject *text = status == NATSKIT_OK ? PyUnicode_DecodeUTF8(buf, (Py_ssize_t)len, "replace") : NULL;
        PyMem_Free(buf);
        if (status == NATSKIT_OK)
            return text;
        if (status == NATSKIT_NOT_FOUND)
            Py_RETURN_NONE;
        if (status != NATSKIT_LIMIT)
            return conn_raise(conn->st, status, NULL);
        cap = len + 256; /* a longer one may come between the two calls */
    }
}

/* _server_info(): the server's last INFO as JSON text, or None before the first. */
static PyObject *conn_server_info(PyObject *self, PyObject *unused)
{
    (void)unused;
    return grown_text(DATA(Conn, self), natskit_conn_server_info);
}

/* _trace(): the last lines of the protocol as JSON text, or None once closed. */
static PyObject *conn_trace(PyObject *self, PyObject *unused)
{
    (void)unused;
    return grown_text(DATA(Conn, self), natskit_conn_trace);
}

/* _servers(): the pool of servers as JSON text, or None once closed. */
static PyObject *conn_servers(PyObject *self, PyObject *unused)
{
    (void)unused;
    return grown_text(DATA(Conn, self), natskit_conn_servers);
}

/* _set_servers(urls) */
static PyObject *conn_set_servers(PyObject *self, PyObject *urls)
{
    const Conn *conn = DATA(Conn, self);
    Text text = {0};
    natskit_error err = {0};
    if (text_arg(conn->st, urls, "servers", NULL, &text) < 0)
        return NULL;
    natskit_status status = natskit_conn_servers_set(conn->handle, text.data, text.len, &err);
    text_done(&text);
    if (status != NATSKIT_OK)
        return conn_raise(conn->st, status, &err);
    Py_RETURN_NONE;
}

static int set_counter(PyObject *dict, const char *name, uint64_t value)
{
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    int rc = number == NULL ? -1 : PyDict_SetItemString(dict, name, number);
    Py_XDECREF(number);
    return rc;
}

static PyObject *conn_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Conn *conn = DATA(Conn, self);
    natskit_conn_stats s = conn->last_stats;
    if (!conn->closed) {
        natskit_status status = natskit_conn_stats_get(conn->handle, &s, sizeof s);
        if (status != NATSKIT_OK)
            return conn_raise(conn->st, status, NULL);
    }
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"in_msgs", s.in_msgs},
        {"in_bytes", s.in_bytes},
        {"out_msgs", s.out_msgs},
        {"out_bytes", s.out_bytes},
        {"reconnects", s.reconnects},
        {"pending_out_bytes", s.pending_out_bytes},
        {"dropped_msgs", s.dropped_msgs},
        {"orphan_msgs", s.orphan_msgs},
        {"late_replies", s.late_replies},
        {"unconfirmed", s.unconfirmed},
        {"unsent", s.unsent},
        {"subs", s.subs},
        {"requests", s.requests},
        {"abandoned_msgs", s.abandoned_msgs},
    };
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < sizeof rows / sizeof rows[0]; i++)
        if (set_counter(dict, rows[i].name, rows[i].value) < 0)
            Py_CLEAR(dict);
    return dict;
}

static PyObject *conn_new_inbox(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Conn *conn = DATA(Conn, self);
    char buf[512];
    size_t len = 0;
    natskit_status status = natskit_conn_new_inbox(conn->handle, buf, sizeof buf, &len);
    if (status != NATSKIT_OK)
        return conn_raise(conn->st, status, NULL);
    return text_new(buf, len);
}

/* ------------------------------------------------------------------------------------- what it begins */

/* _subscribe(subject, queue, options) */
static PyObject *conn_subscribe(PyObject *self, PyObject *args)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *subject, *queue, *pairs;
    if (!PyArg_ParseTuple(args, "OOO:_subscribe", &subject, &queue, &pairs))
        return NULL;
    Text texts[2] = {{0}, {0}};
    natskit_options options = {0};
    natskit_sub sub = {0};
    natskit_error err = {0};
    PyObject *object = NULL;
    if (text_arg(st, subject, "subject", NULL, &texts[0]) < 0 ||
        text_arg(st, queue, "queue", "", &texts[1]) < 0 ||
        options_arg(st, NATSKIT_OPTIONS_SUBSCRIBE, pairs, &options) < 0)
        goto out;
    natskit_status status = natskit_subscribe(conn->handle, texts[0].data, texts[0].len, texts[1].data,
                                              texts[1].len, options, &sub, &err);
    if (status == NATSKIT_INVALID)
        raise_class(st, st->bad_subject, status, &err);
    else if (status != NATSKIT_OK)
        conn_raise(st, status, &err);
    else
        object = sub_new(st, self, sub, subject, queue, SUB_MSGS);
out:
    text_done(&texts[0]);
    text_done(&texts[1]);
    if (options.id != 0)
        natskit_options_close(options);
    return object;
}

/* _events(options, keep): without `keep` they do not keep the connection open. */
static PyObject *conn_events(PyObject *self, PyObject *args)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *pairs;
    int keep;
    natskit_options options;
    if (!PyArg_ParseTuple(args, "Op:_events", &pairs, &keep) ||
        options_arg(st, NATSKIT_OPTIONS_EVENTS, pairs, &options) < 0)
        return NULL;
    natskit_sub sub = {0};
    natskit_error err = {0};
    natskit_status status = natskit_conn_events(conn->handle, options, &sub, &err);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return conn_raise(st, status, &err);
    PyObject *none = text_new("", 0);
    PyObject *object = none == NULL ? NULL : sub_new(st, self, sub, none, none, SUB_EVENTS);
    Py_XDECREF(none);
    if (none == NULL)
        natskit_sub_close(sub);
    if (object != NULL && !keep)
        sub_let_go(object);
    return object;
}

/* ------------------------------------------------------------------------------------- what takes time */

typedef natskit_status (*start_fn)(natskit_conn conn, natskit_options options, int64_t timeout_ms,
                                   natskit_op *op, natskit_error *err);

/* A method whose one parameter is its timeout. */
typedef struct Timed {
    Signature sig;
    start_fn start;
    int64_t missing_ms;
    int gives;
} Timed;

static PyObject *run(PyObject *self, const Timed *timed, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *timeout;
    int64_t timeout_ms;
    if (match(st, &timed->sig, args, nargs, kwnames, &timeout) < 0 ||
        timeout_arg(st, timeout, timed->missing_ms, &timeout_ms) < 0)
        return NULL;
    natskit_op op = {0};
    natskit_error err = {0};
    natskit_status status = timed->start(conn->handle, (natskit_options){0}, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return conn_raise(st, status, &err);
    return face_finish(st, &conn->via, op, timed->gives);
}

#define TIMED(name, start, missing_ms, gives)                                                                \
    static PyObject *conn_##name(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) \
    {                                                                                                        \
        static const Timed timed = {{#name, 1, 0, 1, {NAME_timeout}}, start, missing_ms, gives};             \
        return run(self, &timed, args, nargs, kwnames);                                                      \
    }

TIMED(flush, natskit_flush_start, TIMEOUT_MS, GIVE_NONE)
TIMED(rtt, natskit_flush_start, TIMEOUT_MS, GIVE_SECONDS)
TIMED(written, natskit_written_start, TIMEOUT_MS, GIVE_NONE)
TIMED(drain, natskit_conn_drain_start, DRAIN_TIMEOUT_MS, GIVE_NONE)

static PyObject *conn_closed(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"closed", 1, 0, 1, {NAME_timeout}};
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *timeout;
    int64_t timeout_ms;
    if (match(st, &sig, args, nargs, kwnames, &timeout) < 0 ||
        timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    if (conn->closed) {
        PyObject *reason =
            conn->end == NULL ? Py_NewRef(Py_None) : error_object(st, conn->end->status, conn->end);
        return reason == NULL ? NULL : face_value(st, conn->via.face, reason);
    }
    natskit_op op = {0};
    natskit_error err = {0};
    /* The deadline is that of the wait: the connection itself may have ended for having taken too long. */
    natskit_status status =
        natskit_conn_closed_start(conn->handle, (natskit_options){0}, NKPY_FOREVER, &op, &err);
    if (status != NATSKIT_OK)
        return conn_raise(st, status, &err);
    return face_finish_within(st, &conn->via, op, GIVE_REASON, timeout_ms);
}

static PyObject *conn_reconnect(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Conn *conn = DATA(Conn, self);
    natskit_error err = {0};
    natskit_status status = natskit_conn_reconnect(conn->handle, &err);
    if (status != NATSKIT_OK)
        return conn_raise(conn->st, status, &err);
    return face_done(conn->st, conn->via.face);
}

static PyObject *conn_room(PyObject *self, PyObject *args)
{
    const Conn *conn = DATA(Conn, self);
    return room_wait(conn->st, &conn->via, args);
}

/* ------------------------------------------------------------------------------------------------ types */

#define PLACE(field) ((void *)offsetof(natskit_conn_info, field))

static PyGetSetDef conn_getset[] = {
    {"is_connecting", conn_get_is, NULL, "The first connect is under way.", (void *)NATSKIT_STATE_CONNECTING},
    {"is_connected", conn_get_is, NULL, "The server has answered.", (void *)NATSKIT_STATE_CONNECTED},
    {"is_reconnecting", conn_get_is, NULL, "Lost; servers are tried again.",
     (void *)NATSKIT_STATE_RECONNECTING},
    {"is_draining", conn_get_is_draining, NULL, "drain() was called and has not ended.", NULL},
    {"is_closed", conn_get_is, NULL, "Ended for good.", (void *)NATSKIT_STATE_CLOSED},
    {"connected_url", conn_get_url, NULL, "URL of the server, or None while there is none.", NULL},
    {"max_payload", conn_get_max_payload, NULL, "Bytes that headers and payload may have together.", NULL},
    {"client_id", conn_get_client_id, NULL, "The server's number for this connection.", NULL},
    {"_fails", conn_get_fails, NULL, "Whether a full outbox is an error at once.", NULL},
    {"client_ip", conn_get_client_ip, NULL, "The address of this client as the server sees it, or ''.", NULL},
    {"tls", conn_get_flag, NULL, "Everything goes through TLS.", PLACE(tls)},
    {"tls_version", conn_get_text, NULL, "As \"TLSv1.3\", or '' without TLS.", PLACE(tls_version)},
    {"tls_cipher", conn_get_text, NULL, "Name of the cipher suite, or ''.", PLACE(tls_cipher)},
    {"tls_insecure", conn_get_flag, NULL, "Whose certificate it is was not asked (option tls_insecure).",
     PLACE(tls_insecure)},
    {"tls_resumed", conn_get_flag, NULL, "An earlier TLS session was resumed.", PLACE(tls_resumed)},
    {"last_error", conn_get_last_error, NULL, "Why it was lost last, as an exception, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define FAST(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef conn_methods[] = {
    {"publish", FAST(conn_publish),
     "publish($self, subject, payload=b'', reply='', headers=None, *, timeout=10.0, json=None, "
     "trace_destination=None, trace_only=False)\n--\n\n"
     "Hands a message over for sending. Waits only while the outbox is full, for at most `timeout` seconds."},
    {"publish_msg", FAST(conn_publish_msg),
     "publish_msg($self, msg, subject=None, reply=None, *, timeout=10.0)\n--\n\n"
     "Publishes a received message once more; None keeps its subject or reply subject, '' drops the latter."},
    {"publish_batch", FAST(conn_publish_batch),
     "publish_batch($self, messages, *, timeout=10.0)\n--\n\n"
     "Publishes tuples (subject, payload[, reply[, headers]]) in one hand-over; gives their number."},
    {"request", FAST(conn_request),
     "request($self, subject, payload=b'', timeout=0.5, headers=None, *, own_sub=False, reply=None, "
     "wait_reconnect=False, json=None, trace_destination=None, trace_only=False)\n--\n\n"
     "Publishes and gives the first reply."},
    {"flush", FAST(conn_flush),
     "flush($self, timeout=10.0)\n--\n\nWaits until the server has processed all that was sent before."},
    {"written", FAST(conn_written),
     "written($self, timeout=10.0)\n--\n\nWaits until the system has taken all that was published before, "
     "also "
     "through reconnects. It may still be lost on its way: flush() tells when the server has it."},
    {"rtt", FAST(conn_rtt), "rtt($self, timeout=10.0)\n--\n\nSeconds from a ping to the server's answer."},
    {"reconnect", conn_reconnect, METH_NOARGS,
     "reconnect($self)\n--\n\nGives up the present transport and connects anew, to another server if there "
     "is "
     "one. Does not wait."},
    {"drain", FAST(conn_drain),
     "drain($self, timeout=30.0)\n--\n\nEnds the connection in good order: no message comes any more, loops "
     "go "
     "on until they have handled all that has come, what was published reaches the server. After `timeout` "
     "seconds a TimeoutError, and closed all the same. Cancelling the wait does not stop the drain."},
    {"closed", FAST(conn_closed),
     "closed($self, timeout=None)\n--\n\nWaits until the connection has ended. None if the program closed or "
     "drained it, else the reason as an exception (not raised)."},
    {"close", FAST(conn_close),
     "close($self, linger=2.0)\n--\n\nEnds the connection, after what was published has reached the server "
     "or "
     "`linger` "
     "seconds have passed (then with a TimeoutError, but closed all the same)."},
    {"new_inbox", conn_new_inbox, METH_NOARGS, "new_inbox($self)\n--\n\nA new unique subject for replies."},
    {"stats", conn_stats, METH_NOARGS,
     "stats($self)\n--\n\nCounters of the connection; after close their last values."},
    {"health", conn_health, METH_NOARGS,
     "health($self)\n--\n\nWhether the connection works, and since when; never waits."},
    {"_connect", conn_connect, METH_VARARGS,
     "_connect($self, url, options, timeout, begun, /)\n--\n\nOpens the connection; `options` are pairs "
     "(name, value), begun() is called before the wait."},
    {"_subscribe", conn_subscribe, METH_VARARGS,
     "_subscribe($self, subject, queue, options, /)\n--\n\nSubscribes."},
    {"_events", conn_events, METH_VARARGS,
     "_events($self, options, keep, /)\n--\n\nBegins a subscription to events, which keeps the connection "
     "open "
     "or not."},
    {"_room", conn_room, METH_VARARGS,
     "_room($self, size, timeout, /)\n--\n\nWaits until the outbox has room for so many bytes."},
    {"_publish_now", conn_publish_now, METH_VARARGS,
     "_publish_now($self, subject, payload, reply, headers, left, /)\n--\n\nAs publish; WouldBlockError "
     "without room."},
    {"ack_batch", FAST(conn_ack_batch),
     "ack_batch($self, messages, *, timeout=10.0)\n--\n\n"
     "Acks messages of JetStream consumers; how many. Stops at the first that cannot be acked."},
    {"_ack_batch_now", conn_ack_batch_now, METH_VARARGS,
     "_ack_batch_now($self, messages, total, left, /)\n--\n\nTakes what is acked out of the list; "
     "WouldBlockError if some are left."},
    {"_publish_batch_now", conn_publish_batch_now, METH_VARARGS,
     "_publish_batch_now($self, messages, total, left, /)\n--\n\nTakes what is accepted out of the list; "
     "WouldBlockError if some are left."},
    {"_request_now", conn_request_now, METH_VARARGS,
     "_request_now($self, subject, payload, headers, options, left, /)\n--\n\nAs request; WouldBlockError "
     "without room."},
    {"_service", conn_service, METH_VARARGS,
     "_service($self, config, options, name, /)\n--\n\nA service and the subscription of its requests."},
    {"_discover", conn_discover, METH_VARARGS,
     "_discover($self, verb, prefix, name, id, options, /)\n--\n\nThe subscription that gets the answers."},
    {"_request_many", conn_request_many, METH_VARARGS,
     "_request_many($self, subject, payload, headers, options, timeout, /)\n--\n\nThe subscription that gets "
     "the replies."},
    {"_more", conn_more, METH_VARARGS,
     "_more($self, payload, headers, json, trace_destination, trace_only, /)\n--\n\nPayload and headers."},
    {"_forward_now", conn_forward_now, METH_VARARGS,
     "_forward_now($self, msg, subject, reply, left, /)\n--\n\nAs publish_msg; WouldBlockError without "
     "room."},
    {"_dispatch", conn_dispatch, METH_O, "_dispatch($self, timeout, /)\n--\n\nCalls handlers."},
    {"server_at_least", FAST(conn_server_at_least),
     "server_at_least($self, major, minor=0, patch=0)\n--\n\nWhether the server has this version or a later "
     "one; False before it has told."},
    {"_trace", conn_trace, METH_NOARGS,
     "_trace($self)\n--\n\nThe last lines of the protocol as JSON, or None."},
    {"_server_info", conn_server_info, METH_NOARGS,
     "_server_info($self)\n--\n\nThe last INFO of the server as JSON, or None."},
    {"_servers", conn_servers, METH_NOARGS, "_servers($self)\n--\n\nThe pool of servers as JSON, or None."},
    {"_set_servers", conn_set_servers, METH_O,
     "_set_servers($self, urls, /)\n--\n\nReplaces the servers that were given."},
    {NULL, NULL, 0, NULL},
};

static char conn_doc[] = "A connection; see natskit.Client and natskit.sync.Client.";

#define CONN_SLOTS(make)                                                                                     \
    {Py_tp_doc, conn_doc}, {Py_tp_new, make}, {Py_tp_dealloc, conn_dealloc},                                 \
        {Py_tp_traverse, conn_traverse}, {Py_tp_clear, conn_clear}, {Py_tp_methods, conn_methods},           \
        {Py_tp_getset, conn_getset},                                                                         \
    {                                                                                                        \
        0, NULL                                                                                              \
    }

static PyType_Slot async_slots[] = {CONN_SLOTS(conn_new_async)};
static PyType_Slot sync_slots[] = {CONN_SLOTS(conn_new_sync)};

static PyType_Spec async_spec = {
    .name = "natskit._natskit.AsyncConnection",
    .basicsize = sizeof(Conn),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = async_slots,
};

static PyType_Spec sync_spec = {
    .name = "natskit._natskit.SyncConnection",
    .basicsize = sizeof(Conn),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = sync_slots,
};

int conn_init(PyObject *module, State *st)
{
    if (type_add(module, &st->conn_type[FACE_ASYNC], &async_spec, "AsyncConnection") < 0)
        return -1;
    return type_add(module, &st->conn_type[FACE_SYNC], &sync_spec, "SyncConnection");
}
