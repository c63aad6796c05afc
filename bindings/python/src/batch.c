/* SPDX-License-Identifier: Apache-2.0
 *
 * Atomic batches, the bases of natskit.Batch and natskit.sync.Batch; what the methods are called is in
 * natskit/_batch.py.
 */
#include "state.h"

/* What the first frame of a commit may need in the outbox beside its message. */
#define CALL_BYTES 4096

static void batch_dealloc(PyObject *self);

static PyObject *batch_make(PyTypeObject *type, int face)
{
    State *st = base_state(type, batch_dealloc);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = st == NULL ? NULL : alloc(type, 0);
    if (self == NULL)
        return NULL;
    DATA(AtomicBatch, self)->st = state_hold(st);
    DATA(AtomicBatch, self)->via.face = face;
    return self;
}

static PyObject *batch_new_async(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return batch_make(type, FACE_ASYNC);
}

static PyObject *batch_new_sync(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return batch_make(type, FACE_SYNC);
}

/* _open(context, options) */
static PyObject *batch_open(PyObject *self, PyObject *args)
{
    AtomicBatch *batch = DATA(AtomicBatch, self);
    State *st = batch->st;
    PyObject *js, *pairs;
    natskit_options options;
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "O!O:_open", st->js_type[batch->via.face], &js, &pairs))
        return NULL;
    if (batch->handle.id != 0)
        return raise_text(st, NATSKIT_INVALID, "this batch was opened before; make a new one");
    if (options_arg(st, NATSKIT_OPTIONS_BATCH, pairs, &options) < 0)
        return NULL;
    natskit_status status = natskit_batch_open(DATA(Js, js)->handle, options, &batch->handle, &err);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    batch->via = DATA(Js, js)->via;
    batch->conn = Py_NewRef(DATA(Js, js)->conn);
    Py_RETURN_NONE;
}

static int batch_clear(PyObject *self)
{
    Py_CLEAR(DATA(AtomicBatch, self)->conn);
    return 0;
}

static int batch_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(DATA(AtomicBatch, self)->conn);
    return 0;
}

static void batch_dealloc(PyObject *self)
{
    AtomicBatch *batch = DATA(AtomicBatch, self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (batch->handle.id != 0)
        natskit_batch_close(batch->handle);
    batch_clear(self);
    if (batch->st != NULL)
        state_drop(batch->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *batch_discard(PyObject *self, PyObject *unused)
{
    (void)unused;
    natskit_batch_close(DATA(AtomicBatch, self)->handle); /* once more is harmless */
    Py_RETURN_NONE;
}

static PyObject *batch_add(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"add", A_COUNT, 1, 2, PUBLISH_NAMES};
    const AtomicBatch *batch = DATA(AtomicBatch, self);
    State *st = batch->st;
    PyObject *a[A_COUNT];
    More keep;
    Sending send;
    natskit_error err = {0};
    if (match(st, &sig, args, nargs, kwnames, a) < 0)
        return NULL;
    if (a[A_TIMEOUT] != NULL) {
        PyErr_SetString(PyExc_TypeError, "add() sends nothing, and takes no timeout");
        return NULL;
    }
    if (publish_arg(st, a, &keep) < 0)
        return NULL;
    int rc = sending_arg(st, &send, a[A_SUBJECT], a[A_PAYLOAD], NULL, a[A_HEADERS]);
    natskit_status status = NATSKIT_OK;
    if (rc == 0) {
        status = natskit_batch_add(batch->handle, send.subject.data, send.subject.len, send.headers,
                                   send.payload.data, send.payload.len, &err);
        if (status != NATSKIT_OK)
            raise_refused(st, status, &err);
        sending_done(st, &send);
    }
    more_done(&keep);
    if (rc < 0 || status != NATSKIT_OK)
        return NULL;
    Py_RETURN_NONE;
}

/* -------------------------------------------------------------------------------------------- committing */

typedef struct Commit {
    const AtomicBatch *batch;
    int64_t deadline;
    natskit_op op;
    natskit_error err;
} Commit;

static natskit_status commit_try(Commit *call)
{
    return natskit_batch_commit_start(call->batch->handle, (natskit_options){0}, left_ms(call->deadline),
                                      &call->op, &call->err);
}

/* Without the GIL: tries, and waits for room. */
static natskit_status commit_block(void *arg, int64_t slice_ms)
{
    Commit *call = arg;
    natskit_status status = commit_try(call);
    if (status != NATSKIT_WOULD_BLOCK || slice_ms == 0)
        return status;
    return wait_room(call->batch->via.conn, CALL_BYTES, slice_ms);
}

/* `first`: it may wait for room in the outbox; else it fails with WouldBlockError. */
static PyObject *commit(PyObject *self, PyObject *args, bool first)
{
    const AtomicBatch *batch = DATA(AtomicBatch, self);
    State *st = batch->st;
    PyObject *timeout;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "O:_commit", &timeout) ||
        timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    Commit call = {batch, deadline_of(timeout_ms), {0}, {0}};
    natskit_status status = commit_try(&call);
    bool waits = first && timeout_ms != 0 && !batch->via.fails;
    if (status == NATSKIT_WOULD_BLOCK && waits && batch->via.face == FACE_SYNC &&
        block(st, commit_block, &call, timeout_ms, &status) < 0)
        return NULL;
    if (status == NATSKIT_OK)
        return face_finish(st, &batch->via, call.op, GIVE_ACK);
    if (status != NATSKIT_WOULD_BLOCK || !waits)
        return raise_refused(st, status, &call.err);
    return later(st, self, "_commit_now", PyTuple_New(0), CALL_BYTES, timeout_ms);
}

/* _commit(timeout) */
static PyObject *batch_commit(PyObject *self, PyObject *args)
{
    return commit(self, args, true);
}

static PyObject *batch_commit_now(PyObject *self, PyObject *args)
{
    return commit(self, args, false);
}

static PyObject *batch_room(PyObject *self, PyObject *args)
{
    return room_wait(DATA(AtomicBatch, self)->st, &DATA(AtomicBatch, self)->via, args);
}

/* _info(): (messages, bytes, whether a commit was begun) */
static PyObject *batch_info(PyObject *self, PyObject *unused)
{
    (void)unused;
    natskit_batch_info info;
    natskit_status status = natskit_batch_info_get(DATA(AtomicBatch, self)->handle, &info, sizeof info);
    if (status != NATSKIT_OK)
        return raise_status(DATA(AtomicBatch, self)->st, status, NULL);
    return Py_BuildValue("(KKO)", (unsigned long long)info.msgs, (unsigned long long)info.bytes,
                         info.committed ? Py_True : Py_False);
}

/* ------------------------------------------------------------------------------------------------ types */

static PyMethodDef batch_methods[] = {
    {"_open", batch_open, METH_VARARGS, "_open($self, context, options, /)\n--\n\nOpens the batch."},
    {"add", (PyCFunction)(void (*)(void))batch_add, METH_FASTCALL | METH_KEYWORDS,
     "add($self, subject, payload=b'', *, stream=None, headers=None, msg_ttl=None, msg_id=None,\n"
     "    expected_last_seq=None, expected_last_subject_seq=None, expected_last_subject=None, json=None)\n"
     "--\n\n"
     "Adds a message, and sends nothing. Parameters as those of JetStreamContext.publish(). What a batch "
     "may\n"
     "not have raises errors.InvalidError, one message too many errors.LimitReachedError; the batch is as\n"
     "before then."},
    {"discard", batch_discard, METH_NOARGS,
     "discard($self, /)\n--\n\nForgets the messages; harmless after a commit, and more than once."},
    {"_commit", batch_commit, METH_VARARGS, "_commit($self, timeout, /)\n--\n\nStores it; its PubAck."},
    {"_commit_now", batch_commit_now, METH_VARARGS,
     "_commit_now($self, left, /)\n--\n\nAs _commit; WouldBlockError without room."},
    {"_info", batch_info, METH_NOARGS, "_info($self, /)\n--\n\nMessages, bytes, whether it is committed."},
    {"_room", batch_room, METH_VARARGS,
     "_room($self, size, timeout, /)\n--\n\nWaits until the outbox has room for so many bytes."},
    {NULL, NULL, 0, NULL},
};

static char batch_doc[] = "An atomic batch; see natskit.Batch and natskit.sync.Batch.";

#define BATCH_SLOTS(make)                                                                                    \
    {Py_tp_doc, batch_doc}, {Py_tp_new, make}, {Py_tp_dealloc, batch_dealloc},                               \
        {Py_tp_traverse, batch_traverse}, {Py_tp_clear, batch_clear}, {Py_tp_methods, batch_methods},        \
    {                                                                                                        \
        0, NULL                                                                                              \
    }

static PyType_Slot async_slots[] = {BATCH_SLOTS(batch_new_async)};
static PyType_Slot sync_slots[] = {BATCH_SLOTS(batch_new_sync)};

static PyType_Spec async_spec = {
    .name = "natskit._natskit.AsyncBatch",
    .basicsize = sizeof(AtomicBatch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = async_slots,
};

static PyType_Spec sync_spec = {
    .name = "natskit._natskit.SyncBatch",
    .basicsize = sizeof(AtomicBatch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = sync_slots,
};

int batch_init(PyObject *module, State *st)
{
    if (type_add(module, &st->batch_type[FACE_ASYNC], &async_spec, "AsyncBatch") < 0)
        return -1;
    return type_add(module, &st->batch_type[FACE_SYNC], &sync_spec, "SyncBatch");
}
