/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts of JetStream, the bases of natskit.JetStreamContext and natskit.sync.JetStreamContext: the calls
 * of its API by name. What they take and give are JSON texts, which Python's json module makes and reads; the
 * names of the methods, configurations and infos are in natskit/_js.py and natskit/js.
 */
#include "state.h"

#include <string.h>

/* Answers up to this size need no memory of their own on their way. */
#define ANSWER_BYTES 8192
/* What a call may need in the outbox beside its arguments. */
#define CALL_BYTES 1024

static void js_dealloc(PyObject *self);

static PyObject *js_make(PyTypeObject *type, int face)
{
    State *st = base_state(type, js_dealloc);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = st == NULL ? NULL : alloc(type, 0);
    if (self == NULL)
        return NULL;
    DATA(Js, self)->st = state_hold(st);
    DATA(Js, self)->via.face = face;
    return self;
}

static PyObject *js_new_async(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return js_make(type, FACE_ASYNC);
}

static PyObject *js_new_sync(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return js_make(type, FACE_SYNC);
}

/* _open(connection, options, timeout) */
static PyObject *js_open(PyObject *self, PyObject *args)
{
    Js *js = DATA(Js, self);
    State *st = js->st;
    PyObject *conn, *pairs, *timeout;
    if (!PyArg_ParseTuple(args, "O!OO:_open", st->conn_type[js->via.face], &conn, &pairs, &timeout) ||
        timeout_arg(st, timeout, NKPY_FOREVER, &js->timeout_ms) < 0)
        return NULL;
    if (js->handle.id != 0)
        return raise_text(st, NATSKIT_INVALID, "this context was opened before; make a new one");
    natskit_options options;
    natskit_error err = {0};
    if (options_arg(st, NATSKIT_OPTIONS_JETSTREAM, pairs, &options) < 0)
        return NULL;
    natskit_status status = natskit_js_open(DATA(Conn, conn)->handle, options, &js->handle, &err);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    js->via = DATA(Conn, conn)->via;
    js->conn = Py_NewRef(conn);
    Py_RETURN_NONE;
}

static int js_clear(PyObject *self)
{
    Py_CLEAR(DATA(Js, self)->conn);
    return 0;
}

static int js_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(DATA(Js, self)->conn);
    return 0;
}

static void js_dealloc(PyObject *self)
{
    Js *js = DATA(Js, self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (js->handle.id != 0)
        natskit_js_close(js->handle);
    js_clear(self);
    if (js->st != NULL)
        state_drop(js->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* ------------------------------------------------------------------------------------------------ calls */

typedef struct Call {
    const Js *js;
    Text name;
    natskit_json args;
    size_t size; /* of the arguments */
    int64_t deadline;
    natskit_op op;
    natskit_error err;
} Call;

static natskit_status call_try(Call *call)
{
    return natskit_js_call_start(call->js->handle, call->name.data, call->name.len, call->args,
                                 (natskit_options){0}, left_ms(call->deadline), &call->op, &call->err);
}

/* Without the GIL: tries, and waits for room. */
static natskit_status call_block(void *arg, int64_t slice_ms)
{
    Call *call = arg;
    natskit_status status = call_try(call);
    if (status != NATSKIT_WOULD_BLOCK || slice_ms == 0)
        return status;
    return wait_room(call->js->via.conn, call->size + CALL_BYTES, slice_ms);
}

/* `args`: None or an object as JSON text. */
static int call_arg(State *st, Call *call, PyObject *name, PyObject *args)
{
    Text text = {0};
    if (text_arg(st, name, "call", NULL, &call->name) < 0)
        return -1;
    if (args == Py_None)
        return 0;
    natskit_status status = NATSKIT_OK;
    int rc = text_arg(st, args, "arguments", NULL, &text);
    if (rc == 0) {
        status = natskit_json_parse(text.data, text.len, &call->args, &call->err);
        call->size = text.len;
    }
    text_done(&text);
    if (rc == 0 && status == NATSKIT_OK)
        return 0;
    if (rc == 0)
        raise_status(st, status, &call->err);
    text_done(&call->name);
    return -1;
}

static void call_done(Call *call)
{
    text_done(&call->name);
    if (call->args.id != 0)
        natskit_json_close(call->args);
}

/* `first`: the call may wait for room in the outbox; else it fails with WouldBlockError. */
static PyObject *call(PyObject *self, PyObject *args, bool first)
{
    const Js *js = DATA(Js, self);
    State *st = js->st;
    PyObject *name, *text, *timeout;
    int64_t timeout_ms;
    Call call = {.js = js};
    if (!PyArg_ParseTuple(args, "OOO:_call", &name, &text, &timeout) ||
        timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0 || call_arg(st, &call, name, text) < 0)
        return NULL;
    call.deadline = deadline_of(timeout_ms);
    natskit_status status = call_try(&call);
    bool waits = first && timeout_ms != 0 && !js->via.fails;
    int rc = 0;
    if (status == NATSKIT_WOULD_BLOCK && waits && js->via.face == FACE_SYNC)
        rc = block(st, call_block, &call, timeout_ms, &status);
    call_done(&call);
    if (rc < 0)
        return NULL;
    if (status == NATSKIT_OK)
        return face_finish(st, &js->via, call.op, GIVE_JSON);
    if (status != NATSKIT_WOULD_BLOCK || !waits)
        return raise_refused(st, status, &call.err);
    return later(st, self, "_call_now", Py_BuildValue("(OO)", name, text), call.size + CALL_BYTES,
                 timeout_ms);
}

/* _call(name, arguments, timeout) */
static PyObject *js_call(PyObject *self, PyObject *args)
{
    return call(self, args, true);
}

static PyObject *js_call_now(PyObject *self, PyObject *args)
{
    return call(self, args, false);
}

static PyObject *js_room(PyObject *self, PyObject *args)
{
    return room_wait(DATA(Js, self)->st, &DATA(Js, self)->via, args);
}

/* ---------------------------------------------------------------------------------------------- answers */

/* The document's text as an object, or NULL with an exception; `buf` has ANSWER_BYTES. */
static PyObject *answer_text(State *st, natskit_json answer, char *buf)
{
    char *own = NULL;
    size_t len = 0;
    natskit_status status = natskit_json_text(answer, "", 0, buf, ANSWER_BYTES, &len, NULL);
    if (status == NATSKIT_LIMIT) {
        if ((own = PyMem_Malloc(len)) == NULL)
            return PyErr_NoMemory();
        status = natskit_json_text(answer, "", 0, own, len, &len, NULL);
    }
    PyObject *text = status == NATSKIT_OK
                         ? PyUnicode_DecodeUTF8(own == NULL ? buf : own, (Py_ssize_t)len, NULL)
                         : raise_status(st, status, NULL);
    PyMem_Free(own);
    return text;
}

PyObject *js_decode(State *st, natskit_json document)
{
    char buf[ANSWER_BYTES];
    PyObject *text = answer_text(st, document, buf);
    PyObject *object = text == NULL ? NULL : PyObject_CallFunctionObjArgs(st->json_decode, text, NULL);
    Py_XDECREF(text);
    return object;
}

PyObject *js_answer(State *st, natskit_op op)
{
    natskit_json answer = {0};
    natskit_error err = {0};
    natskit_status status;
    Py_BEGIN_ALLOW_THREADS /* lists of thousands of streams take their time */
        status = natskit_op_json(op, &answer, &err);
    Py_END_ALLOW_THREADS if (status != NATSKIT_OK) return raise_status(st, status, &err);
    PyObject *object = js_decode(st, answer);
    natskit_json_close(answer);
    return object;
}

/* ----------------------------------------------------------------------------------------------- tables */

/* Appends a new row, which may be NULL. */
static int list_add(PyObject *list, PyObject *row)
{
    int rc = row == NULL ? -1 : PyList_Append(list, row);
    Py_XDECREF(row);
    return rc;
}

/* _js_calls(): the calls of the API as tuples (name, arguments, since, text). */
PyObject *js_calls(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    natskit_js_call_info info;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && natskit_js_call_at(i, &info, sizeof info) == NATSKIT_OK; i++)
        if (list_add(list, Py_BuildValue("(ssss)", info.name, info.args, info.since, info.text)) < 0)
            Py_CLEAR(list);
    return list;
}

/* _js_fields(): the fields of configurations as tuples (object, name, type, values, level, text). */
PyObject *js_fields(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    natskit_js_field_info info;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && natskit_js_field_at(i, &info, sizeof info) == NATSKIT_OK; i++)
        if (list_add(list, Py_BuildValue("(ssisis)", info.object, info.name, (int)info.type, info.values,
                                         (int)info.level, info.text)) < 0)
            Py_CLEAR(list);
    return list;
}

/* ------------------------------------------------------------------------------------------------ types */

static PyMethodDef js_methods[] = {
    {"_open", js_open, METH_VARARGS,
     "_open($self, connection, options, timeout, /)\n--\n\nOpens the context; `options` are pairs (name, "
     "value)."},
    {"_call", js_call, METH_VARARGS,
     "_call($self, name, arguments, timeout, /)\n--\n\nCalls the API; gives the answer, decoded."},
    {"_call_now", js_call_now, METH_VARARGS,
     "_call_now($self, name, arguments, left, /)\n--\n\nAs _call; WouldBlockError without room."},
    {"publish", (PyCFunction)(void (*)(void))js_publish, METH_FASTCALL | METH_KEYWORDS,
     "publish($self, subject, payload=b'', timeout=None, stream=None, headers=None, msg_ttl=None, *, "
     "msg_id=None, "
     "expected_last_seq=None, expected_last_subject_seq=None, expected_last_subject=None, "
     "expected_last_msg_id=None, increment=None, schedule=None,\n"
     "    schedule_target=None, schedule_source=None, schedule_ttl=None, schedule_time_zone=None,\n"
     "    schedule_rollup=False, unschedule=None, json=None)\n--\n\n"
     "Publishes to a stream, and waits for its ack, a PubAck."},
    {"_publish_now", js_publish_now, METH_VARARGS,
     "_publish_now($self, subject, payload, headers, left, /)\n--\n\nAs publish; WouldBlockError without "
     "room."},
    {"_increment", js_increment, METH_VARARGS,
     "_increment($self, subject, digits, headers, timeout, /)\n--\n\nAdds to a counter; gives the PubAck."},
    {"_increment_now", js_increment_now, METH_VARARGS,
     "_increment_now($self, subject, digits, headers, left, /)\n--\n\nAs _increment; WouldBlockError without "
     "room."},
    {"_fetch", js_fetch, METH_VARARGS,
     "_fetch($self, stream, consumer, options, most, /)\n--\n\nFetches messages of a pull consumer."},
    {"_consume", js_consume, METH_VARARGS,
     "_consume($self, stream, consumer, options, /)\n--\n\nThe subscription that gets its messages."},
    {"_ordered", js_ordered, METH_VARARGS,
     "_ordered($self, stream, options, /)\n--\n\nThe subscription that gets a stream's messages in order."},
    {"_get_msg", js_get_msg, METH_VARARGS,
     "_get_msg($self, stream, seq, subject, start_ns, flags, timeout, /)\n--\n\nOne stored message."},
    {"_get_msg_now", js_get_msg_now, METH_VARARGS,
     "_get_msg_now($self, stream, seq, subject, start_ns, flags, left, /)\n--\n\nAs _get_msg; "
     "WouldBlockError without room."},
    {"_get_batch", js_get_batch, METH_VARARGS,
     "_get_batch($self, stream, options, /)\n--\n\nReads stored messages."},
    {"_get_last", js_get_last, METH_VARARGS,
     "_get_last($self, stream, options, /)\n--\n\nReads the last message of each subject."},
    {"_push", js_push, METH_VARARGS,
     "_push($self, subject, options, timeout, /)\n--\n\nThe subscription to a push consumer, and what waits "
     "for it."},
    {"_snapshot", js_snapshot, METH_VARARGS,
     "_snapshot($self, arguments, timeout, /)\n--\n\nThe subscription to a snapshot's chunks, and what waits "
     "for its state."},
    {"_restore_chunk", js_restore_chunk, METH_VARARGS,
     "_restore_chunk($self, subject, chunk, timeout, /)\n--\n\nGives a chunk of a snapshot back; gives the "
     "stream's info for an empty one."},
    {"_restore_chunk_now", js_restore_chunk_now, METH_VARARGS,
     "_restore_chunk_now($self, subject, chunk, headers, left, /)\n--\n\nAs _restore_chunk; WouldBlockError "
     "without room."},
    {"_room", js_room, METH_VARARGS,
     "_room($self, size, timeout, /)\n--\n\nWaits until the outbox has room for so many bytes."},
    {NULL, NULL, 0, NULL},
};

static char js_doc[] =
    "A context of JetStream; see natskit.JetStreamContext and natskit.sync.JetStreamContext.";

#define JS_SLOTS(make)                                                                                       \
    {Py_tp_doc, js_doc}, {Py_tp_new, make}, {Py_tp_dealloc, js_dealloc}, {Py_tp_traverse, js_traverse},      \
        {Py_tp_clear, js_clear}, {Py_tp_methods, js_methods},                                                \
    {                                                                                                        \
        0, NULL                                                                                              \
    }

static PyType_Slot async_slots[] = {JS_SLOTS(js_new_async)};
static PyType_Slot sync_slots[] = {JS_SLOTS(js_new_sync)};

static PyType_Spec async_spec = {
    .name = "natskit._natskit.AsyncJetStream",
    .basicsize = sizeof(Js),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = async_slots,
};

static PyType_Spec sync_spec = {
    .name = "natskit._natskit.SyncJetStream",
    .basicsize = sizeof(Js),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = sync_slots,
};

int js_init(PyObject *module, State *st)
{
    if (type_add(module, &st->js_type[FACE_ASYNC], &async_spec, "AsyncJetStream") < 0)
        return -1;
    return type_add(module, &st->js_type[FACE_SYNC], &sync_spec, "SyncJetStream");
}
