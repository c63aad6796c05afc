/* SPDX-License-Identifier: Apache-2.0
 *
 * Key-value buckets, the bases of natskit.KeyValue and natskit.sync.KeyValue, and their entries. A watch is a
 * subscription (sub.c) whose objects are entries; what the methods are called is in natskit/_kv.py.
 */
#include "state.h"

/* What a call may need in the outbox beside key and value. */
#define CALL_BYTES 1024

/* ---------------------------------------------------------------------------------------------- entries */

static int entry_view(PyObject *self, natskit_kv_view *view)
{
    const Msg *msg = DATA(Msg, self);
    natskit_status status = natskit_msg_kv(msg->msg, view, sizeof *view);
    if (status == NATSKIT_OK)
        return 0;
    raise_status(msg->st, status, NULL);
    return -1;
}

PyObject *entry_new(State *st, const Via *via, PyObject *codecs, natskit_msg *taken)
{
    Msg *msg = PyObject_New(Msg, st->entry_type);
    if (msg == NULL) {
        natskit_msg_release(taken);
        return NULL;
    }
    msg->st = state_hold(st);
    msg->msg = taken;
    msg->via = *via;
    msg->subject = NULL;
    msg->reply = Py_XNewRef(codecs);
    msg->data = NULL;
    return (PyObject *)msg;
}

static void entry_dealloc(PyObject *self)
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

/* What a method of the codecs makes of a key, or of a key and data, whose references are taken over. */
static PyObject *decoded(PyObject *codecs, const char *method, PyObject *key, PyObject *data)
{
    PyObject *result = PyObject_CallMethod(codecs, method, data != NULL ? "OO" : "O", key, data);
    Py_DECREF(key);
    Py_XDECREF(data);
    return result;
}

/* Keeps what was made for the next who asks: a codec may have let another thread make it, too. */
static void entry_keep(PyObject **field, PyObject *made)
{
    if (*field == NULL)
        *field = made;
    else
        Py_XDECREF(made);
}

static PyObject *entry_get_key(PyObject *self, void *unused)
{
    (void)unused;
    Msg *msg = DATA(Msg, self);
    natskit_kv_view view;
    if (msg->subject == NULL && entry_view(self, &view) == 0) {
        PyObject *key = text_new(view.key, view.key_len);
        if (msg->reply != NULL && key != NULL)
            key = decoded(msg->reply, "decode_key", key, NULL);
        entry_keep(&msg->subject, key);
    }
    return Py_XNewRef(msg->subject);
}

/* Takes the reference of the data over. */
static PyObject *value_decoded(PyObject *codecs, const natskit_kv_view *view, PyObject *data)
{
    PyObject *key = text_new(view->key, view->key_len);
    if (key == NULL) {
        Py_DECREF(data);
        return NULL;
    }
    return decoded(codecs, "decode_value", key, data);
}

static PyObject *entry_get_value(PyObject *self, void *unused)
{
    (void)unused;
    Msg *msg = DATA(Msg, self);
    natskit_kv_view view;
    if (msg->data == NULL && entry_view(self, &view) == 0) {
        PyObject *data = PyBytes_FromStringAndSize(view.value, (Py_ssize_t)view.value_len);
        bool is_value = view.operation == NATSKIT_KV_PUT && view.value_len == view.value_bytes;
        if (msg->reply != NULL && data != NULL && is_value)
            data = value_decoded(msg->reply, &view, data);
        entry_keep(&msg->data, data);
    }
    return Py_XNewRef(msg->data);
}

enum { ENTRY_BUCKET, ENTRY_REVISION, ENTRY_DELTA, ENTRY_TIME_NS, ENTRY_LENGTH, ENTRY_OPERATION };

static PyObject *entry_get_field(PyObject *self, void *which)
{
    natskit_kv_view view;
    if (entry_view(self, &view) < 0)
        return NULL;
    switch ((intptr_t)which) {
    case ENTRY_BUCKET:
        return text_new(view.bucket, view.bucket_len);
    case ENTRY_REVISION:
        return PyLong_FromUnsignedLongLong(view.revision);
    case ENTRY_DELTA:
        return PyLong_FromUnsignedLongLong(view.delta);
    case ENTRY_TIME_NS:
        return PyLong_FromLongLong(view.time_ns);
    case ENTRY_LENGTH:
        return PyLong_FromUnsignedLongLong(view.value_bytes);
    default:
        if (view.operation == NATSKIT_KV_PUT)
            Py_RETURN_NONE;
        return PyUnicode_FromString(view.operation == NATSKIT_KV_PURGE ? "PURGE" : "DEL");
    }
}

static PyObject *entry_get_created(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *ns = entry_get_field(self, (void *)ENTRY_TIME_NS);
    PyObject *made = ns == NULL ? NULL : PyObject_CallFunctionObjArgs(DATA(Msg, self)->st->moment, ns, NULL);
    Py_XDECREF(ns);
    return made;
}

static PyObject *entry_repr(PyObject *self)
{
    natskit_kv_view view;
    PyObject *key = entry_get_key(self, NULL);
    if (key == NULL && DATA(Msg, self)->reply != NULL && entry_view(self, &view) == 0) {
        PyErr_Clear(); /* of the codec: as it is stored, then */
        key = text_new(view.key, view.key_len);
    }
    PyObject *revision = entry_get_field(self, (void *)ENTRY_REVISION);
    PyObject *operation = entry_get_field(self, (void *)ENTRY_OPERATION);
    PyObject *repr = NULL;
    if (key != NULL && revision != NULL && operation != NULL)
        repr = PyUnicode_FromFormat("<Entry key=%R revision=%S operation=%R>", key, revision, operation);
    Py_XDECREF(key);
    Py_XDECREF(revision);
    Py_XDECREF(operation);
    return repr;
}

#define FIELD(name, which, doc)                                                                              \
    {                                                                                                        \
        name, entry_get_field, NULL, doc, (void *)which                                                      \
    }

static PyGetSetDef entry_getset[] = {
    {"key", entry_get_key, NULL, "Its key.", NULL},
    {"value", entry_get_value, NULL, "Its value as bytes; empty for a delete or purge.", NULL},
    {"created", entry_get_created, NULL, "When it was stored: a datetime in UTC, to the microsecond.", NULL},
    FIELD("bucket", ENTRY_BUCKET, "Name of the bucket."),
    FIELD("revision", ENTRY_REVISION, "Its number in the bucket."),
    FIELD("delta", ENTRY_DELTA, "Entries that a watch has still to deliver."),
    FIELD("created_ns", ENTRY_TIME_NS, "When it was stored: nanoseconds since 1970 UTC."),
    FIELD("length", ENTRY_LENGTH, "Bytes of the value, also where it was left out."),
    FIELD("operation", ENTRY_OPERATION, "None for a value, 'DEL' or 'PURGE'."),
    {NULL, NULL, NULL, NULL, NULL},
};

static char entry_doc[] = "An entry of a key-value bucket.";

static PyType_Slot entry_slots[] = {
    {Py_tp_doc, entry_doc},
    {Py_tp_dealloc, entry_dealloc},
    {Py_tp_repr, entry_repr},
    {Py_tp_getset, entry_getset},
    {0, NULL},
};

static PyType_Spec entry_spec = {
    .name = "natskit.Entry",
    .basicsize = sizeof(Msg),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = entry_slots,
};

/* ---------------------------------------------------------------------------------------------- buckets */

static void kv_dealloc(PyObject *self);

static PyObject *kv_make(PyTypeObject *type, int face)
{
    State *st = base_state(type, kv_dealloc);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = st == NULL ? NULL : alloc(type, 0);
    if (self == NULL)
        return NULL;
    DATA(Kv, self)->st = state_hold(st);
    DATA(Kv, self)->via.face = face;
    return self;
}

static PyObject *kv_new_async(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return kv_make(type, FACE_ASYNC);
}

static PyObject *kv_new_sync(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return kv_make(type, FACE_SYNC);
}

/* _open(context, bucket, options [, codecs]) */
static PyObject *kv_open(PyObject *self, PyObject *args)
{
    Kv *kv = DATA(Kv, self);
    State *st = kv->st;
    PyObject *js, *bucket, *pairs, *codecs = Py_None;
    natskit_options options;
    Text name = {0};
    if (!PyArg_ParseTuple(args, "O!OO|O:_open", st->js_type[kv->via.face], &js, &bucket, &pairs, &codecs))
        return NULL;
    if (kv->handle.id != 0)
        return raise_text(st, NATSKIT_INVALID, "this bucket was opened before; make a new one");
    if (DATA(Js, js)->conn == NULL)
        return raise_text(st, NATSKIT_CLOSED, "the context was not opened");
    if (text_arg(st, bucket, "bucket", NULL, &name) < 0)
        return NULL;
    if (options_arg(st, NATSKIT_OPTIONS_KV, pairs, &options) < 0) {
        text_done(&name);
        return NULL;
    }
    natskit_error err = {0};
    natskit_status status =
        natskit_kv_open_with(DATA(Js, js)->handle, name.data, name.len, options, &kv->handle, &err);
    text_done(&name);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    kv->via = DATA(Js, js)->via;
    kv->conn = Py_NewRef(DATA(Js, js)->conn);
    kv->codecs = codecs != Py_None ? Py_NewRef(codecs) : NULL;
    Py_RETURN_NONE;
}

static int kv_clear(PyObject *self)
{
    Py_CLEAR(DATA(Kv, self)->conn);
    Py_CLEAR(DATA(Kv, self)->codecs);
    return 0;
}

static int kv_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(DATA(Kv, self)->conn);
    Py_VISIT(DATA(Kv, self)->codecs);
    return 0;
}

static void kv_dealloc(PyObject *self)
{
    Kv *kv = DATA(Kv, self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (kv->handle.id != 0)
        natskit_kv_close(kv->handle);
    kv_clear(self);
    if (kv->st != NULL)
        state_drop(kv->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* --------------------------------------------------------------------------------------- get and write */

/* Beside the actions of a write. */
enum { USE_GET = 0, USE_STATUS = -1 };

typedef struct Use {
    const Kv *kv;
    int action;
    Text key;
    Payload value;
    uint64_t revision;
    int64_t ttl_ms;
    int64_t deadline;
    natskit_op op;
    natskit_error err;
} Use;

static natskit_status use_try(Use *use)
{
    const natskit_options none = {0};
    natskit_kv kv = use->kv->handle;
    if (use->action == USE_STATUS)
        return natskit_kv_status_start(kv, none, left_ms(use->deadline), &use->op, &use->err);
    if (use->action == USE_GET)
        return natskit_kv_get_start(kv, use->key.data, use->key.len, use->revision, none,
                                    left_ms(use->deadline), &use->op, &use->err);
    return natskit_kv_write_start(kv, use->action, use->key.data, use->key.len, use->value.data,
                                  use->value.len, use->revision, use->ttl_ms, none, left_ms(use->deadline),
                                  &use->op, &use->err);
}

/* Without the GIL: tries, and waits for room. */
static natskit_status use_block(void *arg, int64_t slice_ms)
{
    Use *use = arg;
    natskit_status status = use_try(use);
    if (status != NATSKIT_WOULD_BLOCK || slice_ms == 0)
        return status;
    return wait_room(use->kv->via.conn, use->value.len + CALL_BYTES, slice_ms);
}

/* `again`: what the call is repeated by once there is room; NULL: it fails with WouldBlockError. */
static PyObject *use(State *st, PyObject *self, Use *use, PyObject *timeout, const char *again,
                     PyObject *args)
{
    const Via *via = &use->kv->via;
    size_t size = use->value.len + CALL_BYTES;
    int64_t timeout_ms;
    int rc = timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms);
    natskit_status status = NATSKIT_OK;
    bool waits = again != NULL && timeout_ms != 0 && !via->fails;
    if (rc == 0) {
        use->deadline = deadline_of(timeout_ms);
        if (use->value.len < (size_t)NKPY_LARGE) {
            status = use_try(use);
        } else {
            Py_BEGIN_ALLOW_THREADS status = use_try(use);
            Py_END_ALLOW_THREADS
        }
        if (status == NATSKIT_WOULD_BLOCK && waits && via->face == FACE_SYNC)
            rc = block(st, use_block, use, timeout_ms, &status);
    }
    text_done(&use->key);
    payload_done(&use->value);
    if (rc < 0)
        return NULL;
    if (status == NATSKIT_OK)
        return face_finish(st, via, use->op,
                           use->action == USE_STATUS ? GIVE_JSON
                           : use->action == USE_GET  ? GIVE_ENTRY
                                                     : GIVE_REVISION);
    if (status != NATSKIT_WOULD_BLOCK || !waits)
        return raise_refused(st, status, &use->err);
    PyObject *head =
        PyTuple_GetSlice(args, 0, PyTuple_Size(args) - 1); /* the time that is left is put behind */
    return later(st, self, again, head, size, timeout_ms);
}

static PyObject *fetch(PyObject *self, PyObject *args, const char *again)
{
    Use one = {.kv = DATA(Kv, self)};
    State *st = one.kv->st;
    PyObject *key, *revision, *timeout;
    if (!PyArg_ParseTuple(args, "OOO:_get", &key, &revision, &timeout) ||
        count_arg(st, revision, "revision", 0, &one.revision) < 0 ||
        text_arg(st, key, "key", NULL, &one.key) < 0)
        return NULL;
    return use(st, self, &one, timeout, again, args);
}

/* _get(key, revision, timeout) */
static PyObject *kv_get(PyObject *self, PyObject *args)
{
    return fetch(self, args, "_get_now");
}

static PyObject *kv_get_now(PyObject *self, PyObject *args)
{
    return fetch(self, args, NULL);
}

/* _decoded(entry): the same, which nobody has seen yet, with the codecs of the bucket. */
static PyObject *kv_decoded(PyObject *self, PyObject *entry)
{
    const Kv *kv = DATA(Kv, self);
    if (Py_TYPE(entry) != kv->st->entry_type)
        return raise_text(kv->st, NATSKIT_INVALID, "this is no entry");
    set_ref(&DATA(Msg, entry)->reply, Py_XNewRef(kv->codecs));
    return Py_NewRef(entry);
}

static PyObject *change(PyObject *self, PyObject *args, const char *again)
{
    Use one = {.kv = DATA(Kv, self)};
    State *st = one.kv->st;
    PyObject *key, *value, *revision, *timeout;
    long long ttl_ms;
    if (!PyArg_ParseTuple(args, "iOOOLO:_write", &one.action, &key, &value, &revision, &ttl_ms, &timeout) ||
        count_arg(st, revision, "revision", 0, &one.revision) < 0 ||
        text_arg(st, key, "key", NULL, &one.key) < 0)
        return NULL;
    if (payload_arg(st, value, &one.value) < 0) {
        text_done(&one.key);
        return NULL;
    }
    one.ttl_ms = ttl_ms;
    return use(st, self, &one, timeout, again, args);
}

/* _write(action, key, value, revision, ttl_ms, timeout) */
static PyObject *kv_write(PyObject *self, PyObject *args)
{
    return change(self, args, "_write_now");
}

static PyObject *kv_write_now(PyObject *self, PyObject *args)
{
    return change(self, args, NULL);
}

PyObject *kv_revision(State *st, natskit_msg *msg)
{
    natskit_pub_ack ack;
    natskit_status status = natskit_msg_pub_ack(msg, &ack, sizeof ack);
    natskit_msg_release(msg);
    return status == NATSKIT_OK ? PyLong_FromUnsignedLongLong(ack.seq) : raise_status(st, status, NULL);
}

static PyObject *ask_status(PyObject *self, PyObject *args, const char *again)
{
    Use one = {.kv = DATA(Kv, self), .action = USE_STATUS};
    PyObject *timeout;
    if (!PyArg_ParseTuple(args, "O:_status", &timeout))
        return NULL;
    return use(one.kv->st, self, &one, timeout, again, args);
}

/* _status(timeout) */
static PyObject *kv_status(PyObject *self, PyObject *args)
{
    return ask_status(self, args, "_status_now");
}

static PyObject *kv_status_now(PyObject *self, PyObject *args)
{
    return ask_status(self, args, NULL);
}

/* _sweep(action, options, timeout): {"keys": n} */
static PyObject *kv_sweep(PyObject *self, PyObject *args)
{
    const Kv *kv = DATA(Kv, self);
    State *st = kv->st;
    PyObject *pairs, *timeout;
    natskit_options options;
    natskit_op op;
    natskit_error err = {0};
    int action;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "iOO:_sweep", &action, &pairs, &timeout) ||
        timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0 ||
        options_arg(st, NATSKIT_OPTIONS_KV_SWEEP, pairs, &options) < 0)
        return NULL;
    natskit_status status = natskit_kv_sweep_start(kv->handle, action, options, timeout_ms, &op, &err);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return raise_refused(st, status, &err);
    return face_finish(st, &kv->via, op, GIVE_JSON);
}

/* _add(batch, action, key, value, revision, ttl_ms) */
static PyObject *kv_add(PyObject *self, PyObject *args)
{
    const Kv *kv = DATA(Kv, self);
    State *st = kv->st;
    PyObject *batch, *key, *value, *revision;
    long long ttl_ms;
    int action;
    uint64_t last;
    Text name = {0};
    Payload payload = {0};
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "O!iOOOL:_add", st->batch_type[kv->via.face], &batch, &action, &key, &value,
                          &revision, &ttl_ms) ||
        count_arg(st, revision, "revision", 0, &last) < 0 || text_arg(st, key, "key", NULL, &name) < 0)
        return NULL;
    if (payload_arg(st, value, &payload) < 0) {
        text_done(&name);
        return NULL;
    }
    natskit_status status =
        natskit_kv_batch_add(kv->handle, DATA(AtomicBatch, batch)->handle, action, name.data, name.len,
                             payload.data, payload.len, last, ttl_ms, &err);
    text_done(&name);
    payload_done(&payload);
    if (status != NATSKIT_OK)
        return raise_refused(st, status, &err);
    Py_RETURN_NONE;
}

static PyObject *kv_room(PyObject *self, PyObject *args)
{
    return room_wait(DATA(Kv, self)->st, &DATA(Kv, self)->via, args);
}

/* ------------------------------------------------------------------------------------------------ watch */

/* What yields entries. */
typedef enum { WATCH, CACHE, MANY } Begin;

static natskit_status begin_of(const Kv *kv, natskit_options options, Begin begin, natskit_sub *handle,
                               natskit_error *err)
{
    switch (begin) {
    case CACHE:
        return natskit_kv_cache(kv->handle, options, handle, err);
    case MANY:
        return natskit_kv_get_many(kv->handle, options, handle, err);
    default:
        return natskit_kv_watch(kv->handle, options, handle, err);
    }
}

static PyObject *watch_begin(const Kv *kv, PyObject *name, PyObject *pairs, Begin begin)
{
    const int32_t scope = begin == MANY ? NATSKIT_OPTIONS_KV_MANY : NATSKIT_OPTIONS_KV_WATCH;
    State *st = kv->st;
    natskit_options options;
    natskit_sub handle;
    natskit_error err = {0};
    if (options_arg(st, scope, pairs, &options) < 0)
        return NULL;
    natskit_status status = begin_of(kv, options, begin, &handle, &err);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    PyObject *queue = text_new("", 0);
    if (queue == NULL) {
        natskit_sub_close(handle);
        return NULL;
    }
    PyObject *sub = sub_new(st, kv->conn, handle, name, queue, SUB_ENTRIES);
    Py_DECREF(queue);
    if (sub != NULL)
        DATA(Sub, sub)->codecs = Py_XNewRef(kv->codecs);
    return sub;
}

/* _watch(name, options): the watcher. */
static PyObject *kv_watch(PyObject *self, PyObject *args)
{
    PyObject *name, *pairs;
    if (!PyArg_ParseTuple(args, "UO:_watch", &name, &pairs))
        return NULL;
    return watch_begin(DATA(Kv, self), name, pairs, WATCH);
}

/* ------------------------------------------------------------------------------------------ entries at hand
 */

/* _cache(name, options): the watcher, which yields that the cache is complete. */
static PyObject *kv_cache(PyObject *self, PyObject *args)
{
    PyObject *name, *pairs;
    if (!PyArg_ParseTuple(args, "UO:_cache", &name, &pairs))
        return NULL;
    return watch_begin(DATA(Kv, self), name, pairs, CACHE);
}

/* _cached(key): the entry, or None. */
static PyObject *kv_cached(PyObject *self, PyObject *key)
{
    const Kv *kv = DATA(Kv, self);
    natskit_msg *msg;
    Text name = {0};
    if (text_arg(kv->st, key, "key", NULL, &name) < 0)
        return NULL;
    natskit_status status = natskit_kv_cached(kv->handle, name.data, name.len, &msg);
    text_done(&name);
    if (status == NATSKIT_OK)
        return entry_new(kv->st, &kv->via, kv->codecs, msg);
    if (status == NATSKIT_KEY_NOT_FOUND)
        Py_RETURN_NONE;
    return raise_status(kv->st, status, NULL);
}

/* As entries, whose references are taken over. */
static PyObject *entry_list(const Kv *kv, natskit_msg **msgs, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; i < count; i++) {
        PyObject *entry = list != NULL ? entry_new(kv->st, &kv->via, kv->codecs, msgs[i]) : NULL;
        if (list == NULL) {
            natskit_msg_release(msgs[i]);
        } else if (entry == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, (Py_ssize_t)i, entry);
        }
    }
    return list;
}

/* _cached_all(): a list of entries. */
static PyObject *kv_cached_all(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Kv *kv = DATA(Kv, self);
    natskit_msg **msgs = NULL;
    size_t cap = 0, count = 0;
    natskit_status status;
    /* What is written meanwhile may make it more than there is room for. */
    while ((status = natskit_kv_cached_all(kv->handle, msgs, cap, &count)) == NATSKIT_OK && count > cap) {
        natskit_msg_release_batch(msgs, cap);
        PyMem_Free(msgs);
        cap = count + count / 8;
        msgs = PyMem_Calloc(cap, sizeof *msgs);
        if (msgs == NULL)
            return PyErr_NoMemory();
    }
    PyObject *list = status == NATSKIT_OK ? entry_list(kv, msgs, count) : raise_status(kv->st, status, NULL);
    PyMem_Free(msgs);
    return list;
}

/* _cache_stats(): what is at hand, as a dict. */
static PyObject *kv_cache_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Kv *kv = DATA(Kv, self);
    natskit_kv_cache_info info;
    natskit_status status = natskit_kv_cache_stats(kv->handle, &info, sizeof info);
    if (status != NATSKIT_OK)
        return raise_status(kv->st, status, NULL);
    return Py_BuildValue("{s:K,s:K,s:K,s:N}", "entries", (unsigned long long)info.entries, "bytes",
                         (unsigned long long)info.bytes, "last_revision",
                         (unsigned long long)info.last_revision, "complete", PyBool_FromLong(info.complete));
}

/* The entries of what ends with what there is, as a list. */
static PyObject *entries_all(PyObject *self, PyObject *args, Begin begin)
{
    const Kv *kv = DATA(Kv, self);
    PyObject *name, *pairs, *timeout;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "UOO:_all", &name, &pairs, &timeout) ||
        timeout_arg(kv->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    PyObject *sub = watch_begin(kv, name, pairs, begin);
    if (sub == NULL)
        return NULL;
    PyObject *result = sub_gather(DATA(Sub, sub), PY_SSIZE_T_MAX, timeout_ms);
    Py_DECREF(sub);
    return result;
}

/* _all(name, options, timeout): of a watch with `ends`. */
static PyObject *kv_all(PyObject *self, PyObject *args)
{
    return entries_all(self, args, WATCH);
}

/* _many(name, options, timeout): of several keys, all of one moment. */
static PyObject *kv_many(PyObject *self, PyObject *args)
{
    return entries_all(self, args, MANY);
}

int watch_stats(natskit_sub sub, const char *last, PyObject *dict)
{
    natskit_watch_info info;
    if (natskit_sub_watch_info(sub, &info, sizeof info) != NATSKIT_OK)
        return 0; /* it has ended, or is none */
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"resets", info.resets},       {last, info.last_seq},
        {"passed", info.passed},       {"rewinds", info.rewinds},
        {"live", (uint64_t)info.live}, {"initial_done", (uint64_t)info.initial_done},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof rows / sizeof rows[0]; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(rows[i].value);
        rc = number == NULL ? -1 : PyDict_SetItemString(dict, rows[i].name, number);
        Py_XDECREF(number);
    }
    return rc;
}

/* ------------------------------------------------------------------------------------------------ types */

static PyMethodDef kv_methods[] = {
    {"_open", kv_open, METH_VARARGS,
     "_open($self, context, bucket, options, codecs=None, /)\n--\n\nOpens the bucket."},
    {"_decoded", kv_decoded, METH_O, "_decoded($self, entry, /)\n--\n\nThe entry with the bucket's codecs."},
    {"_get", kv_get, METH_VARARGS, "_get($self, key, revision, timeout, /)\n--\n\nThe entry of a key."},
    {"_get_now", kv_get_now, METH_VARARGS,
     "_get_now($self, key, revision, left, /)\n--\n\nAs _get; WouldBlockError without room."},
    {"_write", kv_write, METH_VARARGS,
     "_write($self, action, key, value, revision, ttl_ms, timeout, /)\n--\n\nChanges a key; its revision."},
    {"_write_now", kv_write_now, METH_VARARGS,
     "_write_now($self, action, key, value, revision, ttl_ms, left, /)\n--\n\nAs _write; WouldBlockError "
     "without room."},
    {"_watch", kv_watch, METH_VARARGS,
     "_watch($self, name, options, /)\n--\n\nA subscription whose objects are entries."},
    {"_all", kv_all, METH_VARARGS,
     "_all($self, name, options, timeout, /)\n--\n\nThe entries of a watch that ends, as a list."},
    {"_many", kv_many, METH_VARARGS,
     "_many($self, name, options, timeout, /)\n--\n\nEntries of several keys, all of one moment, as a list."},
    {"_add", kv_add, METH_VARARGS,
     "_add($self, batch, action, key, value, revision, ttl_ms, /)\n--\n\nAdds a change to a batch."},
    {"_status", kv_status, METH_VARARGS, "_status($self, timeout, /)\n--\n\nConfiguration and state."},
    {"_status_now", kv_status_now, METH_VARARGS,
     "_status_now($self, left, /)\n--\n\nAs _status; WouldBlockError without room."},
    {"_sweep", kv_sweep, METH_VARARGS,
     "_sweep($self, action, options, timeout, /)\n--\n\nChanges all keys that match."},
    {"_cache", kv_cache, METH_VARARGS,
     "_cache($self, name, options, /)\n--\n\nKeeps entries at hand; a watcher that tells when it is "
     "complete."},
    {"_cached", kv_cached, METH_O, "_cached($self, key, /)\n--\n\nThe entry that is at hand, or None."},
    {"_cached_all", kv_cached_all, METH_NOARGS, "_cached_all($self, /)\n--\n\nAll entries that are at hand."},
    {"_cache_stats", kv_cache_stats, METH_NOARGS, "_cache_stats($self, /)\n--\n\nHow much is at hand."},
    {"_room", kv_room, METH_VARARGS,
     "_room($self, size, timeout, /)\n--\n\nWaits until the outbox has room for so many bytes."},
    {NULL, NULL, 0, NULL},
};

static char kv_doc[] = "A key-value bucket; see natskit.KeyValue and natskit.sync.KeyValue.";

#define KV_SLOTS(make)                                                                                       \
    {Py_tp_doc, kv_doc}, {Py_tp_new, make}, {Py_tp_dealloc, kv_dealloc}, {Py_tp_traverse, kv_traverse},      \
        {Py_tp_clear, kv_clear}, {Py_tp_methods, kv_methods},                                                \
    {                                                                                                        \
        0, NULL                                                                                              \
    }

static PyType_Slot async_slots[] = {KV_SLOTS(kv_new_async)};
static PyType_Slot sync_slots[] = {KV_SLOTS(kv_new_sync)};

static PyType_Spec async_spec = {
    .name = "natskit._natskit.AsyncKeyValue",
    .basicsize = sizeof(Kv),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = async_slots,
};

static PyType_Spec sync_spec = {
    .name = "natskit._natskit.SyncKeyValue",
    .basicsize = sizeof(Kv),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = sync_slots,
};

int kv_init(PyObject *module, State *st)
{
    if (type_add(module, &st->entry_type, &entry_spec, "Entry") < 0 ||
        type_add(module, &st->kv_type[FACE_ASYNC], &async_spec, "AsyncKeyValue") < 0)
        return -1;
    return type_add(module, &st->kv_type[FACE_SYNC], &sync_spec, "SyncKeyValue");
}
