/* SPDX-License-Identifier: Apache-2.0
 *
 * What publishers and fast ingests share: messages are handed over without waiting for their acks, and a
 * subscription tells what becomes of them. Of the library's functions each has a set of its own.
 */
#ifndef NKPY_PUBLISHING_H
#define NKPY_PUBLISHING_H

#include "state.h"

#define ROOM_TIMEOUT_MS 10000

/* Counters, also of one that was closed. */
typedef union Counters {
    natskit_publisher_info publisher;
    natskit_ingest_info ingest;
} Counters;

/* The set; a handle is its number. */
typedef struct PublishCalls {
    const char *name;
    int32_t scope; /* of options */
    natskit_status (*open)(natskit_js js, natskit_options options, uint64_t *handle, natskit_sub *told,
                           natskit_error *err);
    natskit_status (*publish)(uint64_t handle, const char *subject, size_t subject_len,
                              natskit_headers headers, const void *data, size_t data_len, int64_t timeout_ms,
                              uint64_t *number);
    natskit_status (*counters)(uint64_t handle, Counters *out);
    natskit_status (*close)(uint64_t handle);
} PublishCalls;

typedef struct Publishing {
    NKPY_HEAD
    State *st;
    const PublishCalls *calls;
    uint64_t handle; /* 0: not opened */
    PyObject *conn;  /* keeps the connection open; NULL before it was opened */
    PyObject *told;  /* the subscription of the outcomes */
    Via via;
    Budget budget;
    bool closed;
    Counters last; /* as they were when it was closed */
} Publishing;

/* For tp_new. */
PyObject *publishing_make(PyTypeObject *type, const PublishCalls *calls, int face);
void publishing_dealloc(PyObject *self);
int publishing_clear(PyObject *self);
int publishing_traverse(PyObject *self, visitproc visit, void *arg);

/* Whether asyncio waits after a WOULD_BLOCK for so many bytes. With outbox_full="fail" it does for the window
 * alone. */
bool publishing_may_wait(const Publishing *pub, size_t size, int64_t timeout_ms);
/* Why a message of so many bytes was not accepted. */
void *publishing_no_room(const Publishing *pub, natskit_status status, size_t size);
/* For block(): WOULD_BLOCK although there is time to wait means that nobody waits for the outbox, and ends
 * the wait. */
natskit_status publishing_no_wait(natskit_status status, int64_t slice_ms, bool *refused);
/* The end of a call that was accepted: a number. */
PyObject *publishing_accepted(Publishing *pub, uint64_t number);
/* The counters of now, or the last ones; with an exception if it was never opened. */
int publishing_counters(const Publishing *pub, Counters *out);

/* Methods. */
PyObject *publishing_open(PyObject *self, PyObject *args);
PyObject *publishing_close(PyObject *self, PyObject *unused);
PyObject *publishing_publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *publishing_publish_now(PyObject *self, PyObject *args);
PyObject *publishing_get_told(PyObject *self, void *unused);

#define FAST(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL | METH_KEYWORDS

#define PUBLISHING_SIGNATURE                                                                                 \
    "publish($self, subject, payload=b'', timeout=10.0, stream=None, headers=None, msg_ttl=None, *, "        \
    "msg_id=None, "                                                                                          \
    "expected_last_seq=None, expected_last_subject_seq=None, expected_last_subject=None, "                   \
    "expected_last_msg_id=None, increment=None, schedule=None,\n"                                            \
    "    schedule_target=None, schedule_source=None, schedule_ttl=None, schedule_time_zone=None,\n"          \
    "    schedule_rollup=False, unschedule=None, json=None)\n--\n\n"

/* Slots of a type. */
#define PUBLISHING_SLOTS(make, doc, methods, getset)                                                         \
    {Py_tp_doc, doc}, {Py_tp_new, make}, {Py_tp_dealloc, publishing_dealloc},                                \
        {Py_tp_traverse, publishing_traverse}, {Py_tp_clear, publishing_clear}, {Py_tp_methods, methods},    \
        {Py_tp_getset, getset},                                                                              \
    {                                                                                                        \
        0, NULL                                                                                              \
    }

#define PUBLISHING_FLAGS                                                                                     \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE)

#endif
