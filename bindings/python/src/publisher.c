/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishers, which have many messages under way to streams at once: the bases of natskit.Publisher and
 * natskit.sync.Publisher; what they have beside publishing.c.
 */
#include "publishing.h"

/* Messages of a batch that are converted and handed over at once. */
#define CHUNK 256

static natskit_status call_open(natskit_js js, natskit_options options, uint64_t *handle, natskit_sub *told,
                                natskit_error *err)
{
    natskit_publisher opened = {0};
    natskit_status status = natskit_publisher_open(js, options, &opened, told, err);
    *handle = opened.id;
    return status;
}

static natskit_status call_publish(uint64_t handle, const char *subject, size_t subject_len,
                                   natskit_headers headers, const void *data, size_t data_len,
                                   int64_t timeout_ms, uint64_t *number)
{
    return natskit_publisher_publish((natskit_publisher){handle}, subject, subject_len, headers, data,
                                     data_len, timeout_ms, number);
}

static natskit_status call_counters(uint64_t handle, Counters *out)
{
    return natskit_publisher_info_get((natskit_publisher){handle}, &out->publisher, sizeof out->publisher);
}

static natskit_status call_close(uint64_t handle)
{
    return natskit_publisher_close((natskit_publisher){handle});
}

static const PublishCalls calls = {
    "publisher", NATSKIT_OPTIONS_PUBLISHER, call_open, call_publish, call_counters, call_close,
};

/* ---------------------------------------------------------------------------------------- many messages */

typedef struct Chunk {
    natskit_publisher handle;
    Sending send[CHUNK];
    natskit_outgoing out[CHUNK];
    size_t count;
    size_t done; /* of them accepted */
    size_t bytes;
    bool refused;
} Chunk;

static natskit_status chunk_block(void *arg, int64_t slice_ms)
{
    Chunk *chunk = arg;
    size_t published = 0;
    natskit_status status =
        natskit_publisher_publish_batch(chunk->handle, chunk->out + chunk->done, sizeof chunk->out[0],
                                        chunk->count - chunk->done, slice_ms, NULL, &published);
    chunk->done += published;
    return publishing_no_wait(status, slice_ms, &chunk->refused);
}

static natskit_status chunk_now(Chunk *chunk)
{
    if (chunk->bytes < (size_t)NKPY_LARGE)
        return chunk_block(chunk, 0);
    natskit_status status;
    Py_BEGIN_ALLOW_THREADS status = chunk_block(chunk, 0);
    Py_END_ALLOW_THREADS return status;
}

/* Why the next message was not accepted; nothing if asyncio will wait for room. */
static void chunk_raise(const Publishing *pub, const Chunk *chunk, natskit_status status, int64_t timeout_ms)
{
    const Sending *next = &chunk->send[chunk->done];
    size_t size = status == NATSKIT_WOULD_BLOCK ? sending_size(next) : 0;
    if (status == NATSKIT_INVALID)
        raise_subject(pub->st, next);
    else if (chunk->refused)
        raise_refused(pub->st, status, NULL);
    else if (status != NATSKIT_WOULD_BLOCK || !publishing_may_wait(pub, size, timeout_ms))
        publishing_no_room(pub, status, size);
}

static int chunk_add(State *st, Chunk *chunk, PyObject *item)
{
    PyObject *a[3] = {NULL, NULL, NULL};
    Py_ssize_t size = PyTuple_Check(item) ? PyTuple_Size(item) : 0;
    if (size < 1 || size > 3) {
        PyErr_SetString(PyExc_TypeError, "publish_batch() needs tuples (subject, payload[, headers])");
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++)
        a[i] = PyTuple_GetItem(item, i);
    Sending *s = &chunk->send[chunk->count];
    if (sending_arg(st, s, a[0], a[1], NULL, a[2]) < 0)
        return -1;
    chunk->out[chunk->count++] = (natskit_outgoing){
        .subject = s->subject.data,
        .subject_len = s->subject.len,
        .headers = s->headers,
        .data = s->payload.data,
        .data_len = s->payload.len,
    };
    chunk->bytes += s->payload.len;
    return 0;
}

static int chunk_publish(const Publishing *pub, Chunk *chunk, PyObject *list, Py_ssize_t at,
                         int64_t timeout_ms, natskit_status *status)
{
    State *st = pub->st;
    Py_ssize_t size = PyList_Size(list);
    int rc = 0;
    for (Py_ssize_t i = at; rc == 0 && i < size && chunk->count < CHUNK; i++)
        rc = chunk_add(st, chunk, PyList_GetItem(list, i));
    *status = NATSKIT_OK;
    if (chunk->count == 0)
        return rc;
    *status = chunk_now(chunk); /* what stands before a wrong item, as it would have been by a loop */
    if (*status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && pub->via.face == FACE_SYNC && rc == 0)
        rc = block(st, chunk_block, chunk, timeout_ms, status);
    *status = chunk->refused ? NATSKIT_WOULD_BLOCK : *status;
    if (rc == 0 && *status != NATSKIT_OK)
        chunk_raise(pub, chunk, *status, timeout_ms);
    return PyErr_Occurred() ? -1 : rc;
}

/* Publishes a list from `*at` on and moves `*at`. 1: all; 0: no room (asyncio), `*bytes` are wanted; -1:
 * exception. */
static int batch_publish(const Publishing *pub, PyObject *list, Py_ssize_t *at, int64_t timeout_ms,
                         size_t *bytes)
{
    Chunk *chunk = PyMem_Malloc(sizeof *chunk);
    if (chunk == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    natskit_status status = NATSKIT_OK;
    int rc = 0;
    while (rc == 0 && status == NATSKIT_OK && *at < PyList_Size(list)) {
        chunk->handle = (natskit_publisher){pub->handle};
        chunk->count = chunk->done = chunk->bytes = 0;
        chunk->refused = false;
        rc = chunk_publish(pub, chunk, list, *at, timeout_ms, &status);
        *at += (Py_ssize_t)chunk->done;
        *bytes = chunk->done < chunk->count ? sending_size(&chunk->send[chunk->done]) : 0;
        for (size_t i = 0; i < chunk->count; i++)
            sending_done(pub->st, &chunk->send[i]);
    }
    PyMem_Free(chunk);
    return rc < 0 ? -1 : status == NATSKIT_OK;
}

static void *batch_failed(State *st, Py_ssize_t published)
{
    PyObject *number = PyLong_FromSsize_t(published);
    error_annotate(st, NAME_published, number);
    Py_XDECREF(number);
    return NULL;
}

static PyObject *publisher_publish_batch(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                         PyObject *kwnames)
{
    static const Signature sig = {"publish_batch", 2, 1, 1, {NAME_messages, NAME_timeout}};
    Publishing *pub = DATA(Publishing, self);
    State *st = pub->st;
    PyObject *a[2];
    int64_t timeout_ms;
    if (match(st, &sig, args, nargs, kwnames, a) < 0 ||
        timeout_arg(st, a[1], ROOM_TIMEOUT_MS, &timeout_ms) < 0)
        return NULL;
    PyObject *list = PySequence_List(a[0]);
    if (list == NULL)
        return NULL;
    Py_ssize_t at = 0, total = PyList_Size(list);
    size_t bytes = 0;
    int rc = batch_publish(pub, list, &at, timeout_ms, &bytes);
    PyObject *result = NULL;
    if (rc > 0) {
        result = publishing_accepted(pub, (uint64_t)total);
    } else if (rc < 0) {
        batch_failed(st, at);
    } else {
        PyObject *rest = PyList_GetSlice(list, at, total);
        PyObject *again = rest == NULL ? NULL : Py_BuildValue("(Nn)", rest, total);
        result = later(st, self, "_publish_batch_now", again, bytes, timeout_ms);
    }
    Py_DECREF(list);
    return result;
}

/* _publish_batch_now(messages, total, left): takes out of the list what is accepted; fails with
 * WouldBlockError if some are left. */
static PyObject *publisher_publish_batch_now(PyObject *self, PyObject *args)
{
    Publishing *pub = DATA(Publishing, self);
    PyObject *list, *left;
    Py_ssize_t total, at = 0;
    size_t bytes = 0;
    if (!PyArg_ParseTuple(args, "O!nO:_publish_batch_now", &PyList_Type, &list, &total, &left))
        return NULL;
    int rc = batch_publish(pub, list, &at, NKPY_FOREVER, &bytes);
    Py_ssize_t rest = PyList_Size(list) - at;
    if (rc < 0)
        return batch_failed(pub->st, total - rest);
    if (PyList_SetSlice(list, 0, at, NULL) < 0)
        return NULL;
    if (rc > 0)
        return publishing_accepted(pub, (uint64_t)total);
    publishing_no_room(pub, NATSKIT_WOULD_BLOCK, bytes);
    return batch_failed(pub->st, total - rest);
}

/* ------------------------------------------------------------------------------------------------- waits */

/* _done(timeout) */
static PyObject *publisher_done(PyObject *self, PyObject *timeout)
{
    const Publishing *pub = DATA(Publishing, self);
    int64_t timeout_ms;
    natskit_op op = {0};
    natskit_error err = {0};
    if (timeout_arg(pub->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    natskit_status status = natskit_publisher_done_start((natskit_publisher){pub->handle},
                                                         (natskit_options){0}, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(pub->st, status, &err);
    return face_finish(pub->st, &pub->via, op, GIVE_NONE);
}

/* _window(size, timeout): waits until the window has room for so many bytes. */
static PyObject *publisher_window(PyObject *self, PyObject *args)
{
    const Publishing *pub = DATA(Publishing, self);
    PyObject *timeout;
    unsigned long long size;
    int64_t timeout_ms;
    natskit_op op = {0};
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "KO:_window", &size, &timeout) ||
        timeout_arg(pub->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    natskit_status status = natskit_publisher_room_start((natskit_publisher){pub->handle},
                                                         (natskit_options){0}, size, timeout_ms, &op, &err);
    if (status != NATSKIT_OK)
        return raise_status(pub->st, status, &err);
    return face_finish(pub->st, &pub->via, op, GIVE_NONE);
}

static PyObject *publisher_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Publishing *pub = DATA(Publishing, self);
    Counters counters;
    if (publishing_counters(pub, &counters) < 0)
        return NULL;
    natskit_publisher_info i = counters.publisher;
    return Py_BuildValue("{sK,sK,sK,sK,sK,sK,sK,sK,sK,sK}", "published", (unsigned long long)i.published,
                         "pending", (unsigned long long)i.pending, "pending_bytes",
                         (unsigned long long)i.pending_bytes, "acked", (unsigned long long)i.acked,
                         "duplicates", (unsigned long long)i.duplicates, "failed",
                         (unsigned long long)i.failed, "retried", (unsigned long long)i.retried, "resent",
                         (unsigned long long)i.resent, "late", (unsigned long long)i.late, "untaken",
                         (unsigned long long)i.untaken);
}

/* ------------------------------------------------------------------------------------------------ types */

static PyMethodDef publisher_methods[] = {
    {"publish", FAST(publishing_publish),
     PUBLISHING_SIGNATURE
     "Publishes without waiting for the ack; gives the message's number. Waits only while the window or the "
     "outbox is "
     "full, for at most `timeout` seconds."},
    {"publish_batch", FAST(publisher_publish_batch),
     "publish_batch($self, messages, *, timeout=10.0)\n--\n\n"
     "Publishes tuples (subject, payload[, headers]); gives their number."},
    {"close", publishing_close, METH_NOARGS,
     "close($self)\n--\n\nEnds it: of what has no ack yet nobody knows whether it is stored."},
    {"stats", publisher_stats, METH_NOARGS, "stats($self)\n--\n\nCounters of the publisher."},
    {"_open", publishing_open, METH_VARARGS,
     "_open($self, context, options, /)\n--\n\nOpens the publisher; `options` are pairs (name, value)."},
    {"_publish_now", publishing_publish_now, METH_VARARGS,
     "_publish_now($self, subject, payload, headers, left, /)\n--\n\nAs publish; WouldBlockError without "
     "room."},
    {"_publish_batch_now", publisher_publish_batch_now, METH_VARARGS,
     "_publish_batch_now($self, messages, total, left, /)\n--\n\nTakes what is accepted out of the list; "
     "WouldBlockError if some are left."},
    {"_done", publisher_done, METH_O,
     "_done($self, timeout, /)\n--\n\nWaits until everything has its outcome."},
    {"_window", publisher_window, METH_VARARGS,
     "_window($self, size, timeout, /)\n--\n\nWaits until the window has room for so many bytes."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef publisher_getset[] = {
    {"outcomes", publishing_get_told, NULL,
     "A subscription to what becomes of the messages: PubOutcome of each, or of failures alone.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static char publisher_doc[] = "A publisher to streams; see natskit.Publishing and natskit.sync.Publisher.";

static PyObject *new_async(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return publishing_make(type, &calls, FACE_ASYNC);
}

static PyObject *new_sync(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return publishing_make(type, &calls, FACE_SYNC);
}

static PyType_Slot async_slots[] = {
    PUBLISHING_SLOTS(new_async, publisher_doc, publisher_methods, publisher_getset)};
static PyType_Slot sync_slots[] = {
    PUBLISHING_SLOTS(new_sync, publisher_doc, publisher_methods, publisher_getset)};

static PyType_Spec specs[] = {
    {"natskit._natskit.AsyncPublisher", sizeof(Publishing), 0, PUBLISHING_FLAGS, async_slots},
    {"natskit._natskit.SyncPublisher", sizeof(Publishing), 0, PUBLISHING_FLAGS, sync_slots},
};

int publisher_init(PyObject *module, State *st)
{
    if (type_add(module, &st->publisher_type[FACE_ASYNC], &specs[0], "AsyncPublisher") < 0)
        return -1;
    return type_add(module, &st->publisher_type[FACE_SYNC], &specs[1], "SyncPublisher");
}
