/* SPDX-License-Identifier: Apache-2.0
 *
 * The subscriptions of a connection that have handlers: it refers to them until they have ended, and the
 * blocking face gives them their turns inside dispatch().
 */
#include "state.h"

#define RECORDS 64

static PyObject *key_of(const Sub *sub)
{
    return PyLong_FromUnsignedLongLong(sub->source.object);
}

/* The waitset of the blocking face, opened with the first of them. */
static int watch(Conn *conn, const Sub *sub)
{
    natskit_status status = NATSKIT_OK;
    if (conn->waitset.id == 0)
        status = natskit_waitset_open(&conn->waitset);
    if (status == NATSKIT_OK)
        status = natskit_waitset_add(conn->waitset, sub->source.object, sub->source.object);
    if (status == NATSKIT_OK)
        return 0;
    raise_status(conn->st, status, NULL);
    return -1;
}

int conn_handled_add(Conn *conn, Sub *sub)
{
    if (conn->handled == NULL && (conn->handled = PyDict_New()) == NULL)
        return -1;
    PyObject *key = key_of(sub);
    int rc = key == NULL ? -1 : PyDict_SetItem(conn->handled, key, (PyObject *)sub);
    Py_XDECREF(key);
    if (rc < 0)
        return -1;
    return conn->via.face == FACE_SYNC ? watch(conn, sub) : 0;
}

/* Who waits in dispatch() for the last of them returns, since its waitset ends. */
static void unwatch(Conn *conn)
{
    if (conn->waitset.id != 0)
        natskit_waitset_close(conn->waitset);
    conn->waitset.id = 0;
}

int conn_handled_drop(Conn *conn, const Sub *sub)
{
    if (conn->handled == NULL)
        return 0;
    PyObject *key = key_of(sub);
    if (key == NULL)
        return -1;
    int rc = 0;
    if (PyDict_GetItemWithError(conn->handled, key) != NULL)
        rc = PyDict_DelItem(conn->handled, key);
    Py_DECREF(key);
    if (PyDict_Size(conn->handled) == 0)
        unwatch(conn);
    return rc;
}

int conn_handled_close(Conn *conn)
{
    PyObject *subs = conn->handled == NULL ? NULL : PyDict_Values(conn->handled);
    int rc = 0;
    for (Py_ssize_t i = 0; subs != NULL && i < PyList_Size(subs); i++)
        if (sub_stop(DATA(Sub, PyList_GetItem(subs, i))) < 0)
            rc = -1;
    Py_XDECREF(subs);
    return conn->handled != NULL && subs == NULL ? -1 : rc;
}

void conn_handled_clear(Conn *conn)
{
    unwatch(conn);
    Py_CLEAR(conn->handled);
}

/* ------------------------------------------------------------------------------------------- blocking */

typedef struct ReadyWait {
    natskit_waitset waitset;
    natskit_ready records[RECORDS];
    size_t count;
} ReadyWait;

static natskit_status ready_block(void *arg, int64_t slice_ms)
{
    ReadyWait *wait = arg;
    return natskit_waitset_wait(wait->waitset, wait->records, sizeof wait->records[0], RECORDS, slice_ms,
                                &wait->count);
}

/* One record: gives the subscription its turn; how many messages were handled, or -1. */
static long long record_turn(Conn *conn, uint64_t id)
{
    PyObject *key = PyLong_FromUnsignedLongLong(id);
    PyObject *object =
        key == NULL || conn->handled == NULL ? NULL : PyDict_GetItemWithError(conn->handled, key);
    Py_XDECREF(key);
    if (object == NULL)
        return key == NULL || PyErr_Occurred() ? -1 : 0;
    Sub *sub = DATA(Sub, Py_NewRef(object));
    uint64_t before = handle_processed(sub, 0);
    Budget budget = {0};
    budget_reset(&budget);
    int rc = handle_turn(sub, &budget);
    long long handled = (long long)(handle_processed(sub, 0) - before);
    if (conn->waitset.id != 0 && !sub->closed) /* a record is given once; where more is left it comes again */
        natskit_waitset_arm(conn->waitset, id);
    Py_DECREF(object);
    return rc < 0 ? -1 : handled;
}

/* All records of one wait; what a handler raised does not keep the others from their turn. */
static long long records_turn(Conn *conn, const ReadyWait *wait)
{
    long long handled = 0;
    for (size_t i = 0; i < wait->count; i++) {
        if (handled < 0) {
            natskit_waitset_arm(conn->waitset, wait->records[i].tag);
            continue;
        }
        long long more = record_turn(conn, wait->records[i].tag);
        handled = more < 0 ? -1 : handled + more;
    }
    return handled;
}

PyObject *conn_dispatch(PyObject *self, PyObject *timeout)
{
    Conn *conn = DATA(Conn, self);
    int64_t timeout_ms;
    if (timeout_arg(conn->st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    int64_t deadline = deadline_of(timeout_ms);
    long long handled = 0;
    while (handled == 0 && conn->waitset.id != 0) {
        ReadyWait wait = {.waitset = conn->waitset, .count = 0};
        natskit_status status;
        if (block(conn->st, ready_block, &wait, left_ms(deadline), &status) < 0)
            return NULL;
        if (status != NATSKIT_OK) /* TIMEOUT, or the last of them has ended */
            break;
        handled = records_turn(conn, &wait);
    }
    return handled < 0 ? NULL : PyLong_FromLongLong(handled);
}
