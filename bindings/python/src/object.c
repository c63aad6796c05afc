/* SPDX-License-Identifier: Apache-2.0
 *
 * Object stores, the bases of natskit.ObjectStore and natskit.sync.ObjectStore, what objects are, and the
 * writers and readers of their bytes. These never wait: what has no room or is not there yet is waited for by
 * operations. What the methods are called is in natskit/_object.py.
 */
#include "state.h"

/* What a call may need in the outbox besides what is said of an object. */
#define CALL_BYTES 4096

/* ------------------------------------------------------------------------------------------------ infos */

static int info_view(PyObject *self, natskit_object_view *view)
{
    const Msg *msg = DATA(Msg, self);
    natskit_status status = natskit_msg_object(msg->msg, view, sizeof *view);
    if (status == NATSKIT_OK)
        return 0;
    raise_status(msg->st, status, NULL);
    return -1;
}

PyObject *object_info_new(State *st, const Via *via, natskit_msg *taken)
{
    Msg *msg = PyObject_New(Msg, st->object_info_type);
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

static void info_dealloc(PyObject *self)
{
    Msg *msg = DATA(Msg, self);
    PyTypeObject *type = Py_TYPE(self);
    natskit_msg_release(msg->msg);
    state_drop(msg->st);
    PyObject_Free(self);
    Py_DECREF(type);
}

enum {
    INFO_NAME,
    INFO_BUCKET,
    INFO_DESCRIPTION,
    INFO_NUID,
    INFO_DIGEST,
    INFO_SIZE,
    INFO_CHUNKS,
    INFO_CHUNK_SIZE,
    INFO_REVISION,
    INFO_TIME_NS,
    INFO_DELETED
};

static PyObject *info_get_field(PyObject *self, void *which)
{
    natskit_object_view v;
    if (info_view(self, &v) < 0)
        return NULL;
    switch ((intptr_t)which) {
    case INFO_NAME:
        return text_new(v.name, v.name_len);
    case INFO_BUCKET:
        return text_new(v.bucket, v.bucket_len);
    case INFO_DESCRIPTION:
        return v.description_len == 0 ? Py_NewRef(Py_None) : text_new(v.description, v.description_len);
    case INFO_NUID:
        return text_new(v.nuid, v.nuid_len);
    case INFO_DIGEST:
        return text_new(v.digest, v.digest_len);
    case INFO_SIZE:
        return PyLong_FromUnsignedLongLong(v.size);
    case INFO_CHUNKS:
        return PyLong_FromUnsignedLongLong(v.chunks);
    case INFO_CHUNK_SIZE:
        return PyLong_FromUnsignedLongLong(v.max_chunk_size);
    case INFO_REVISION:
        return PyLong_FromUnsignedLongLong(v.revision);
    case INFO_TIME_NS:
        return PyLong_FromLongLong(v.time_ns);
    default:
        return PyBool_FromLong(v.deleted);
    }
}

static PyObject *info_get_mtime(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *ns = info_get_field(self, (void *)INFO_TIME_NS);
    PyObject *made = ns == NULL ? NULL : PyObject_CallFunctionObjArgs(DATA(Msg, self)->st->moment, ns, NULL);
    Py_XDECREF(ns);
    return made;
}

/* What is JSON in the view; None if there is nothing. */
static PyObject *info_get_json(PyObject *self, void *metadata)
{
    natskit_object_view v;
    if (info_view(self, &v) < 0)
        return NULL;
    size_t len = metadata != NULL ? v.metadata_len : v.headers_len;
    if (len == 0)
        Py_RETURN_NONE;
    PyObject *text = text_new(metadata != NULL ? v.metadata : v.headers, len);
    PyObject *object =
        text == NULL ? NULL : PyObject_CallFunctionObjArgs(DATA(Msg, self)->st->json_decode, text, NULL);
    Py_XDECREF(text);
    return object;
}

static PyObject *info_get_link(PyObject *self, void *unused)
{
    (void)unused;
    natskit_object_view v;
    if (info_view(self, &v) < 0)
        return NULL;
    if (v.link_bucket_len == 0)
        Py_RETURN_NONE;
    PyObject *bucket = text_new(v.link_bucket, v.link_bucket_len);
    PyObject *name = v.link_name_len == 0 ? Py_NewRef(Py_None) : text_new(v.link_name, v.link_name_len);
    PyObject *link = bucket != NULL && name != NULL ? PyTuple_Pack(2, bucket, name) : NULL;
    Py_XDECREF(bucket);
    Py_XDECREF(name);
    return link;
}

static PyObject *info_repr(PyObject *self)
{
    natskit_object_view v;
    if (info_view(self, &v) < 0)
        return NULL;
    PyObject *name = text_new(v.name, v.name_len);
    PyObject *repr = name == NULL
                         ? NULL
                         : PyUnicode_FromFormat("<ObjectInfo name=%R size=%llu deleted=%s>", name,
                                                (unsigned long long)v.size, v.deleted ? "True" : "False");
    Py_XDECREF(name);
    return repr;
}

#define FIELD(name, which, doc)                                                                              \
    {                                                                                                        \
        name, info_get_field, NULL, doc, (void *)which                                                       \
    }

static PyGetSetDef info_getset[] = {
    FIELD("name", INFO_NAME, "Its name."),
    FIELD("bucket", INFO_BUCKET, "Name of the store."),
    FIELD("description", INFO_DESCRIPTION, "What is said of it, or None."),
    FIELD("nuid", INFO_NUID, "Unique name of its chunks."),
    FIELD("digest", INFO_DIGEST, "'SHA-256=' and base64 of its content; empty for a deleted one or a link."),
    FIELD("size", INFO_SIZE, "Bytes."),
    FIELD("chunks", INFO_CHUNKS, "Messages that hold its content."),
    FIELD("max_chunk_size", INFO_CHUNK_SIZE, "Bytes of a chunk; 0 if it is not told."),
    FIELD("revision", INFO_REVISION, "Its number in the store."),
    FIELD("mtime_ns", INFO_TIME_NS, "When it was stored: nanoseconds since 1970 UTC."),
    FIELD("deleted", INFO_DELETED, "Whether it was deleted."),
    {"mtime", info_get_mtime, NULL, "When it was stored: a datetime in UTC, to the microsecond.", NULL},
    {"headers", info_get_json, NULL, "A dict of lists of str, or None.", NULL},
    {"metadata", info_get_json, NULL, "A dict of str, or None.", (void *)1},
    {"link", info_get_link, NULL, "(store, object or None) that it leads to; None: it is no link.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static char info_doc[] = "What an object is.";

static PyType_Slot info_slots[] = {
    {Py_tp_doc, info_doc},
    {Py_tp_dealloc, info_dealloc},
    {Py_tp_repr, info_repr},
    {Py_tp_getset, info_getset},
    {0, NULL},
};

static PyType_Spec info_spec = {
    .name = "natskit.ObjectInfo",
    .basicsize = sizeof(Msg),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = info_slots,
};

/* --------------------------------------------------------------------------------- writers and readers */

typedef struct Stream {
    NKPY_HEAD
    State *st;
    bool writes;
    natskit_object_writer writer;
    natskit_object_reader reader;
    PyObject *conn; /* keeps the connection open */
    Via via;
    natskit_object_progress last; /* as it was when it was closed */
    bool closed;
} Stream;

static PyObject *stream_new(State *st, const ObjectStore *store, bool writes)
{
    int face = store->via.face;
    Stream *stream =
        PyObject_GC_New(Stream, writes ? st->object_writer_type[face] : st->object_reader_type[face]);
    if (stream == NULL)
        return NULL;
    stream->st = state_hold(st);
    stream->writes = writes;
    stream->writer.id = 0;
    stream->reader.id = 0;
    stream->conn = Py_NewRef(store->conn);
    stream->via = store->via;
    stream->last = (natskit_object_progress){0};
    stream->closed = false;
    PyObject_GC_Track((PyObject *)stream);
    return (PyObject *)stream;
}

static void stream_look(Stream *stream)
{
    if (stream->closed)
        return;
    if (stream->writes)
        natskit_object_writer_progress(stream->writer, &stream->last, sizeof stream->last);
    else
        natskit_object_reader_progress(stream->reader, &stream->last, sizeof stream->last);
}

static void stream_end(Stream *stream)
{
    stream_look(stream);
    if (!stream->closed) {
        natskit_object_writer_close(stream->writer);
        natskit_object_reader_close(stream->reader);
    }
    stream->closed = true;
}

static int stream_clear(PyObject *self)
{
    Py_CLEAR(DATA(Stream, self)->conn);
    return 0;
}

static int stream_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(DATA(Stream, self)->conn);
    return 0;
}

static void stream_dealloc(PyObject *self)
{
    Stream *stream = DATA(Stream, self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    stream_end(stream);
    stream_clear(self);
    state_drop(stream->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *stream_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    stream_end(DATA(Stream, self));
    Py_RETURN_NONE;
}

static PyObject *stream_progress(PyObject *self, PyObject *unused)
{
    (void)unused;
    Stream *stream = DATA(Stream, self);
    stream_look(stream);
    return Py_BuildValue("(KKKK)", (unsigned long long)stream->last.bytes,
                         (unsigned long long)stream->last.stored, (unsigned long long)stream->last.total,
                         (unsigned long long)stream->last.chunks);
}

/* Bytes of a buffer from an offset on. */
static int slice_arg(PyObject *args, const char *format, Py_buffer *view, Py_ssize_t *offset)
{
    if (!PyArg_ParseTuple(args, format, view, offset))
        return -1;
    if (*offset >= 0 && *offset <= view->len)
        return 0;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_ValueError, "the offset is not within the buffer");
    return -1;
}

/* _write(data, offset): how many bytes were taken; less than there are: there is no room. */
static PyObject *stream_write(PyObject *self, PyObject *args)
{
    Stream *stream = DATA(Stream, self);
    Py_buffer view;
    Py_ssize_t offset;
    size_t written = 0;
    natskit_error err = {0};
    natskit_status status;
    if (slice_arg(args, "y*n:_write", &view, &offset) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS status = natskit_object_writer_write(
        stream->writer, (const char *)view.buf + offset, (size_t)(view.len - offset), 0, &written, &err);
    Py_END_ALLOW_THREADS PyBuffer_Release(&view);
    if (status != NATSKIT_OK && status != NATSKIT_WOULD_BLOCK)
        return raise_status(stream->st, status, &err);
    return PyLong_FromSize_t(written);
}

/* _read(buffer, offset): how many bytes were given; 0: nothing is there yet, -1: all was given. */
static PyObject *stream_read(PyObject *self, PyObject *args)
{
    Stream *stream = DATA(Stream, self);
    Py_buffer view;
    Py_ssize_t offset;
    size_t len = 0;
    natskit_error err = {0};
    natskit_status status = NATSKIT_OK;
    if (slice_arg(args, "w*n:_read", &view, &offset) < 0)
        return NULL;
    if (offset < view.len) {
        Py_BEGIN_ALLOW_THREADS status = natskit_object_reader_read(
            stream->reader, (char *)view.buf + offset, (size_t)(view.len - offset), 0, &len, &err);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    if (status == NATSKIT_END)
        return PyLong_FromLong(-1);
    if (status != NATSKIT_OK && status != NATSKIT_WOULD_BLOCK)
        return raise_status(stream->st, status, &err);
    return PyLong_FromSize_t(len);
}

typedef natskit_status (*writer_start)(natskit_object_writer, natskit_options, int64_t, natskit_op *,
                                       natskit_error *);

static PyObject *writer_wait(PyObject *self, PyObject *timeout, writer_start start, int gives)
{
    const Stream *stream = DATA(Stream, self);
    int64_t timeout_ms;
    natskit_op op = {0};
    natskit_error err = {0};
    natskit_status status;
    if (timeout_arg(stream->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    /* the last chunk is copied and hashed */
    Py_BEGIN_ALLOW_THREADS status = start(stream->writer, (natskit_options){0}, timeout_ms, &op, &err);
    Py_END_ALLOW_THREADS if (status != NATSKIT_OK) return raise_refused(stream->st, status, &err);
    return face_finish(stream->st, &stream->via, op, gives);
}

static PyObject *stream_room(PyObject *self, PyObject *timeout)
{
    return writer_wait(self, timeout, natskit_object_writer_room_start, GIVE_NONE);
}

static PyObject *stream_done(PyObject *self, PyObject *timeout)
{
    return writer_wait(self, timeout, natskit_object_writer_done_start, GIVE_NONE);
}

static PyObject *stream_finish(PyObject *self, PyObject *timeout)
{
    return writer_wait(self, timeout, natskit_object_writer_finish_start, GIVE_OBJECT);
}

static PyObject *stream_abort(PyObject *self, PyObject *timeout)
{
    return writer_wait(self, timeout, natskit_object_writer_abort_start, GIVE_NONE);
}

/* _ready(timeout) */
static PyObject *stream_ready(PyObject *self, PyObject *timeout)
{
    const Stream *stream = DATA(Stream, self);
    int64_t timeout_ms;
    natskit_op op = {0};
    natskit_error err = {0};
    if (timeout_arg(stream->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    natskit_status status =
        natskit_object_reader_ready_start(stream->reader, (natskit_options){0}, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(stream->st, status, &err);
    return face_finish(stream->st, &stream->via, op, GIVE_NONE);
}

#define COMMON_METHODS                                                                                       \
    {"_close", stream_close, METH_NOARGS, "_close($self)\n--\n\nEnds it without waiting."},                  \
    {                                                                                                        \
        "_progress", stream_progress, METH_NOARGS, "_progress($self)\n--\n\n(bytes, stored, total, chunks)"  \
    }

static PyMethodDef writer_methods[] = {
    {"_write", stream_write, METH_VARARGS,
     "_write($self, data, offset, /)\n--\n\nBytes that were taken; fewer without room."},
    {"_room", stream_room, METH_O, "_room($self, timeout, /)\n--\n\nWaits for room for a chunk."},
    {"_done", stream_done, METH_O, "_done($self, timeout, /)\n--\n\nWaits until each chunk has its ack."},
    {"_finish", stream_finish, METH_O, "_finish($self, timeout, /)\n--\n\nStores the object; what it is."},
    {"_abort", stream_abort, METH_O, "_abort($self, timeout, /)\n--\n\nGives it up; its chunks are gone."},
    COMMON_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef reader_methods[] = {
    {"_read", stream_read, METH_VARARGS,
     "_read($self, buffer, offset, /)\n--\n\nBytes that were given; 0: none yet, -1: that was all."},
    {"_ready", stream_ready, METH_O, "_ready($self, timeout, /)\n--\n\nWaits for something to read."},
    COMMON_METHODS,
    {NULL, NULL, 0, NULL},
};

static char writer_doc[] = "The bytes of an object that is put.";
static char reader_doc[] = "The bytes of an object.";

#define STREAM_SLOTS(doc, methods)                                                                           \
    {Py_tp_doc, doc}, {Py_tp_dealloc, stream_dealloc}, {Py_tp_traverse, stream_traverse},                    \
        {Py_tp_clear, stream_clear}, {Py_tp_methods, methods},                                               \
    {                                                                                                        \
        0, NULL                                                                                              \
    }

static PyType_Slot writer_slots[] = {STREAM_SLOTS(writer_doc, writer_methods)};
static PyType_Slot reader_slots[] = {STREAM_SLOTS(reader_doc, reader_methods)};

/* ----------------------------------------------------------------------------------------------- stores */

static void store_dealloc(PyObject *self);

static PyObject *store_make(PyTypeObject *type, int face)
{
    State *st = base_state(type, store_dealloc);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = st == NULL ? NULL : alloc(type, 0);
    if (self == NULL)
        return NULL;
    DATA(ObjectStore, self)->st = state_hold(st);
    DATA(ObjectStore, self)->via.face = face;
    return self;
}

static PyObject *store_new_async(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return store_make(type, FACE_ASYNC);
}

static PyObject *store_new_sync(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return store_make(type, FACE_SYNC);
}

/* _open(context, bucket) */
static PyObject *store_open(PyObject *self, PyObject *args)
{
    ObjectStore *store = DATA(ObjectStore, self);
    State *st = store->st;
    PyObject *js, *bucket;
    Text name = {0};
    if (!PyArg_ParseTuple(args, "O!O:_open", st->js_type[store->via.face], &js, &bucket))
        return NULL;
    if (store->handle.id != 0)
        return raise_text(st, NATSKIT_INVALID, "this store was opened before; make a new one");
    if (DATA(Js, js)->conn == NULL)
        return raise_text(st, NATSKIT_CLOSED, "the context was not opened");
    if (text_arg(st, bucket, "bucket", NULL, &name) < 0)
        return NULL;
    natskit_error err = {0};
    natskit_status status =
        natskit_object_store_open(DATA(Js, js)->handle, name.data, name.len, &store->handle, &err);
    text_done(&name);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    store->via = DATA(Js, js)->via;
    store->conn = Py_NewRef(DATA(Js, js)->conn);
    Py_RETURN_NONE;
}

static int store_clear(PyObject *self)
{
    Py_CLEAR(DATA(ObjectStore, self)->conn);
    return 0;
}

static int store_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(DATA(ObjectStore, self)->conn);
    return 0;
}

static void store_dealloc(PyObject *self)
{
    ObjectStore *store = DATA(ObjectStore, self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (store->handle.id != 0)
        natskit_object_store_close(store->handle);
    store_clear(self);
    if (store->st != NULL)
        state_drop(store->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* A document of a str of JSON; {0} of None. */
static int json_arg(State *st, PyObject *value, natskit_json *out)
{
    Text text = {0};
    natskit_error err = {0};
    out->id = 0;
    if (value == Py_None)
        return 0;
    if (text_arg(st, value, "meta", NULL, &text) < 0)
        return -1;
    natskit_status status = natskit_json_parse(text.data, text.len, out, &err);
    text_done(&text);
    if (status == NATSKIT_OK)
        return 0;
    raise_status(st, status, &err);
    return -1;
}

static void json_done(natskit_json json)
{
    if (json.id != 0)
        natskit_json_close(json);
}

/* A call about one object. */
typedef struct Ask {
    char what; /* 'i', 'd', 'u', 'l': info, delete, update, link */
    unsigned flags;
    Text name;
    Text bucket; /* link */
    Text target;
    natskit_json meta; /* update */
} Ask;

static natskit_status ask_start(const ObjectStore *store, const Ask *ask, int64_t timeout_ms, natskit_op *op,
                                natskit_error *err)
{
    const natskit_options none = {0};
    const char *name = ask->name.data;
    size_t len = ask->name.len;
    switch (ask->what) {
    case 'i':
        return natskit_object_info_start(store->handle, name, len, ask->flags, none, timeout_ms, op, err);
    case 'd':
        return natskit_object_delete_start(store->handle, name, len, none, timeout_ms, op, err);
    case 'u':
        return natskit_object_update_start(store->handle, name, len, ask->meta, none, timeout_ms, op, err);
    default:
        return natskit_object_link_start(store->handle, name, len, ask->bucket.data, ask->bucket.len,
                                         ask->target.data, ask->target.len, none, timeout_ms, op, err);
    }
}

static int ask_arg(State *st, PyObject *args, Ask *ask, PyObject **timeout)
{
    PyObject *name, *meta, *bucket, *target;
    int what;
    if (!PyArg_ParseTuple(args, "COIOOOO:_ask", &what, &name, &ask->flags, &meta, &bucket, &target, timeout))
        return -1;
    ask->what = (char)what;
    if (text_arg(st, name, "name", NULL, &ask->name) < 0 ||
        text_arg(st, bucket, "bucket", NULL, &ask->bucket) < 0 ||
        text_arg(st, target, "target", NULL, &ask->target) < 0)
        return -1;
    return json_arg(st, meta, &ask->meta);
}

/* Without room in the outbox the blocking face waits for that, and asyncio gets natskit._later. */
static PyObject *ask(PyObject *self, PyObject *args, const char *again)
{
    const ObjectStore *store = DATA(ObjectStore, self);
    State *st = store->st;
    Ask one = {0};
    PyObject *timeout;
    int64_t timeout_ms = 0;
    natskit_op op = {0};
    natskit_error err = {0};
    natskit_status status = NATSKIT_OK;
    int rc = ask_arg(st, args, &one, &timeout);
    rc = rc == 0 ? timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) : rc;
    if (rc == 0)
        status = ask_start(store, &one, timeout_ms, &op, &err);
    text_done(&one.name);
    text_done(&one.bucket);
    text_done(&one.target);
    json_done(one.meta);
    if (rc < 0)
        return NULL;
    if (status == NATSKIT_OK)
        return face_finish(st, &store->via, op, GIVE_OBJECT);
    bool waits = again != NULL && timeout_ms != 0 && !store->via.fails && store->via.face == FACE_ASYNC;
    if (status != NATSKIT_WOULD_BLOCK || !waits)
        return raise_refused(st, status, &err);
    PyObject *head = PyTuple_GetSlice(args, 0, PyTuple_Size(args) - 1);
    return later(st, self, again, head, CALL_BYTES, timeout_ms);
}

/* _ask(what, name, flags, meta, bucket, target, timeout) */
static PyObject *store_ask(PyObject *self, PyObject *args)
{
    return ask(self, args, "_ask_now");
}

static PyObject *store_ask_now(PyObject *self, PyObject *args)
{
    return ask(self, args, NULL);
}

static PyObject *store_room(PyObject *self, PyObject *args)
{
    return room_wait(DATA(ObjectStore, self)->st, &DATA(ObjectStore, self)->via, args);
}

/* _writer(name, meta, options) */
static PyObject *store_writer(PyObject *self, PyObject *args)
{
    const ObjectStore *store = DATA(ObjectStore, self);
    State *st = store->st;
    PyObject *object, *meta, *pairs;
    Text name = {0};
    natskit_json said;
    natskit_options options;
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "OOO:_writer", &object, &meta, &pairs) || json_arg(st, meta, &said) < 0)
        return NULL;
    if (options_arg(st, NATSKIT_OPTIONS_OBJECT_PUT, pairs, &options) < 0) {
        json_done(said);
        return NULL;
    }
    PyObject *stream = text_arg(st, object, "name", NULL, &name) < 0 ? NULL : stream_new(st, store, true);
    natskit_status status = NATSKIT_OK;
    if (stream != NULL)
        status = natskit_object_writer_open(store->handle, name.data, name.len, said, options,
                                            &DATA(Stream, stream)->writer, &err);
    text_done(&name);
    json_done(said);
    if (options.id != 0)
        natskit_options_close(options);
    if (status == NATSKIT_OK)
        return stream;
    Py_DECREF(stream);
    return raise_status(st, status, &err);
}

/* _reader(info) */
static PyObject *store_reader(PyObject *self, PyObject *info)
{
    const ObjectStore *store = DATA(ObjectStore, self);
    State *st = store->st;
    natskit_error err = {0};
    if (Py_TYPE(info) != st->object_info_type) {
        PyErr_SetString(PyExc_TypeError, "info must be an ObjectInfo");
        return NULL;
    }
    PyObject *stream = stream_new(st, store, false);
    if (stream == NULL)
        return NULL;
    natskit_status status =
        natskit_object_reader_open(store->handle, DATA(Msg, info)->msg, &DATA(Stream, stream)->reader, &err);
    if (status == NATSKIT_OK)
        return stream;
    Py_DECREF(stream);
    return raise_status(st, status, &err);
}

static PyObject *watch_begin(const ObjectStore *store, PyObject *name, PyObject *pairs)
{
    State *st = store->st;
    natskit_options options;
    natskit_sub handle;
    natskit_error err = {0};
    if (options_arg(st, NATSKIT_OPTIONS_OBJECT_WATCH, pairs, &options) < 0)
        return NULL;
    natskit_status status = natskit_object_watch(store->handle, options, &handle, &err);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    PyObject *queue = text_new("", 0);
    if (queue == NULL) {
        natskit_sub_close(handle);
        return NULL;
    }
    PyObject *sub = sub_new(st, store->conn, handle, name, queue, SUB_ENTRIES);
    Py_DECREF(queue);
    return sub;
}

/* _watch(name, options): the watcher. */
static PyObject *store_watch(PyObject *self, PyObject *args)
{
    PyObject *name, *pairs;
    if (!PyArg_ParseTuple(args, "UO:_watch", &name, &pairs))
        return NULL;
    return watch_begin(DATA(ObjectStore, self), name, pairs);
}

/* _all(name, options, timeout): the infos of a watch that ends with what there is, as a list. */
static PyObject *store_all(PyObject *self, PyObject *args)
{
    const ObjectStore *store = DATA(ObjectStore, self);
    PyObject *name, *pairs, *timeout;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "UOO:_all", &name, &pairs, &timeout) ||
        timeout_arg(store->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    PyObject *sub = watch_begin(store, name, pairs);
    if (sub == NULL)
        return NULL;
    PyObject *result = sub_gather(DATA(Sub, sub), PY_SSIZE_T_MAX, timeout_ms);
    Py_DECREF(sub);
    return result;
}

/* _object_config(text): the stream's configuration of a store's, as text. */
PyObject *object_config(PyObject *module, PyObject *value)
{
    State *st = module_state(module);
    natskit_json store, stream;
    natskit_error err = {0};
    if (json_arg(st, value, &store) < 0)
        return NULL;
    natskit_status status = natskit_object_store_config(store, &stream, &err);
    json_done(store);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    PyObject *object = js_decode(st, stream);
    natskit_json_close(stream);
    return object;
}

/* ------------------------------------------------------------------------------------------------ types */

static PyMethodDef store_methods[] = {
    {"_open", store_open, METH_VARARGS, "_open($self, context, bucket, /)\n--\n\nOpens the store."},
    {"_ask", store_ask, METH_VARARGS,
     "_ask($self, what, name, flags, meta, bucket, target, timeout, /)\n--\n\nA call about an object."},
    {"_ask_now", store_ask_now, METH_VARARGS,
     "_ask_now($self, what, name, flags, meta, bucket, target, left, /)\n--\n\nAs _ask; WouldBlockError "
     "without room."},
    {"_room", store_room, METH_VARARGS,
     "_room($self, size, timeout, /)\n--\n\nWaits until the outbox has room for so many bytes."},
    {"_writer", store_writer, METH_VARARGS,
     "_writer($self, name, meta, options, /)\n--\n\nBegins to put an object."},
    {"_reader", store_reader, METH_O, "_reader($self, info, /)\n--\n\nBegins to read an object."},
    {"_watch", store_watch, METH_VARARGS,
     "_watch($self, name, options, /)\n--\n\nA subscription whose objects are infos."},
    {"_all", store_all, METH_VARARGS,
     "_all($self, name, options, timeout, /)\n--\n\nThe infos of a watch that ends, as a list."},
    {NULL, NULL, 0, NULL},
};

static char store_doc[] = "An object store; see natskit.ObjectStore and natskit.sync.ObjectStore.";

#define STORE_SLOTS(make)                                                                                    \
    {Py_tp_doc, store_doc}, {Py_tp_new, make}, {Py_tp_dealloc, store_dealloc},                               \
        {Py_tp_traverse, store_traverse}, {Py_tp_clear, store_clear}, {Py_tp_methods, store_methods},        \
    {                                                                                                        \
        0, NULL                                                                                              \
    }

static PyType_Slot async_slots[] = {STORE_SLOTS(store_new_async)};
static PyType_Slot sync_slots[] = {STORE_SLOTS(store_new_sync)};

#define STORE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE)
#define STREAM_FLAGS                                                                                         \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE)

static PyType_Spec specs[] = {
    {"natskit._natskit.AsyncObjectStore", sizeof(ObjectStore), 0, STORE_FLAGS, async_slots},
    {"natskit._natskit.SyncObjectStore", sizeof(ObjectStore), 0, STORE_FLAGS, sync_slots},
    {"natskit._natskit.AsyncObjectWriter", sizeof(Stream), 0, STREAM_FLAGS, writer_slots},
    {"natskit._natskit.SyncObjectWriter", sizeof(Stream), 0, STREAM_FLAGS, writer_slots},
    {"natskit._natskit.AsyncObjectReader", sizeof(Stream), 0, STREAM_FLAGS, reader_slots},
    {"natskit._natskit.SyncObjectReader", sizeof(Stream), 0, STREAM_FLAGS, reader_slots},
};

int object_init(PyObject *module, State *st)
{
    if (type_add(module, &st->object_info_type, &info_spec, "ObjectInfo") < 0)
        return -1;
    PyTypeObject **const types[] = {
        &st->object_store_type[FACE_ASYNC],  &st->object_store_type[FACE_SYNC],
        &st->object_writer_type[FACE_ASYNC], &st->object_writer_type[FACE_SYNC],
        &st->object_reader_type[FACE_ASYNC], &st->object_reader_type[FACE_SYNC],
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (type_add(module, types[i], &specs[i], specs[i].name + sizeof "natskit._natskit." - 1) < 0)
            return -1;
    }
    return 0;
}
