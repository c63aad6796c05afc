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
    if (conn->via.face == FACE_SYNC)
        handle_unlink(&conn->turns, sub);
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
    conn->turns = (TurnList){NULL, NULL};
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

/* Lists the subscriptions that are ready. */
static int records_list(Conn *conn, const ReadyWait *wait)
{
    for (size_t i = 0; i < wait->count && conn->handled != NULL; i++) {
        PyObject *key = PyLong_FromUnsignedLongLong(wait->records[i].tag);
        PyObject *object = key == NULL ? NULL : PyDict_GetItemWithError(conn->handled, key);
        Py_XDECREF(key);
        if (object != NULL)
            handle_push(&conn->turns, DATA(Sub, object));
        else if (key == NULL || PyErr_Occurred())
            return -1;
    }
    return 0;
}

/* One turn: how many messages were handled, or -1. */
static long long one_turn(Conn *conn, Sub *sub)
{
    Budget budget = {0};
    budget_reset(&budget);
    Py_INCREF((PyObject *)sub);
    uint64_t before = handle_processed(sub, 0);
    int rc = handle_turn(sub, &budget);
    long long handled = (long long)(handle_processed(sub, 0) - before);
    if (sub->closed || conn->waitset.id == 0)
        handled = rc < 0 ? -1 : handled;
    else if (rc != 0)
        handle_push(&conn->turns, sub);
    else if (!handle_busy(sub)) /* else who handles it now goes on, and does this in the end */
        natskit_waitset_arm(conn->waitset, sub->source.object);
    Py_DECREF((PyObject *)sub);
    return rc < 0 ? -1 : handled;
}

/* A turn for each that is listed now; what a handler raised leaves the others in the list. */
static long long all_turns(Conn *conn)
{
    long long handled = 0, more = 0;
    for (size_t count = handle_count(&conn->turns); count > 0 && more >= 0 && conn->turns.first != NULL;
         count--) {
        more = one_turn(conn, handle_pop(&conn->turns));
        handled += more;
    }
    return more < 0 ? -1 : handled;
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
        natskit_status status = NATSKIT_OK;
        if (conn->turns.first != NULL) {
            ready_block(&wait, 0);
            if (PyErr_CheckSignals() < 0)
                return NULL;
        } else if (block(conn->st, ready_block, &wait, left_ms(deadline), &status) < 0) {
            return NULL;
        }
        if (status == NATSKIT_FORKED)
            return raise_status(conn->st, status, NULL);
        if (status != NATSKIT_OK) /* TIMEOUT, or the last of them has ended */
            break;
        handled = records_list(conn, &wait) < 0 ? -1 : all_turns(conn);
    }
    return handled < 0 ? NULL : PyLong_FromLongLong(handled);
}
