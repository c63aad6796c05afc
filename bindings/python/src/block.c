/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocking waits. The GIL is released for each wait; on the main thread a wait is cut in slices of 100 ms,
 * between which Python's signal handlers run, so that Ctrl-C ends it. Other threads never run signal
 * handlers: after the first slice they wait in one piece.
 */
#include "state.h"

#include <time.h>

#define SLICE_MS 100

int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t deadline_of(int64_t timeout_ms)
{
    return timeout_ms < 0 ? NKPY_FOREVER : now_ns() + timeout_ms * 1000000;
}

int64_t left_ms(int64_t deadline_ns)
{
    if (deadline_ns < 0)
        return NKPY_FOREVER;
    int64_t left = deadline_ns - now_ns();
    return left <= 0 ? 0 : (left + 999999) / 1000000; /* up: no wait is shorter than asked for */
}

/* 1: Python's signal handlers run on this thread; -1: exception. */
static int on_main_thread(State *st)
{
    int rc = -1;
    PyObject *thread = NULL, *ident = NULL;
    PyObject *threading = PyImport_ImportModule("threading");
    if (threading != NULL)
        thread = PyObject_CallMethodObjArgs(threading, name_of(st, NAME_main_thread), NULL);
    if (thread != NULL)
        ident = PyObject_GetAttr(thread, name_of(st, NAME_ident));
    if (ident != NULL) {
        unsigned long number = PyLong_AsUnsignedLong(ident);
        if (number == (unsigned long)-1 && PyErr_Occurred())
            PyErr_Clear(); /* a main thread without a number: signals have nowhere to go */
        else
            rc = number == PyThread_get_thread_ident();
        rc = rc < 0 ? 0 : rc;
    }
    Py_XDECREF(ident);
    Py_XDECREF(thread);
    Py_XDECREF(threading);
    return rc;
}

int block(State *st, block_fn wait, void *arg, int64_t timeout_ms, natskit_status *status)
{
    int64_t deadline = deadline_of(timeout_ms);
    int64_t left = timeout_ms;
    int is_main = -1;
    /* Before the wait, too: a loop in C (list.extend) whose waits all end by a message runs no handlers. */
    if (PyErr_CheckSignals() < 0)
        return -1;
    for (;;) {
        bool sliced = is_main != 0 && (left < 0 || left > SLICE_MS);
        int64_t slice = sliced ? SLICE_MS : left;
        Py_BEGIN_ALLOW_THREADS *status = wait(arg, slice);
        Py_END_ALLOW_THREADS if (*status != NATSKIT_TIMEOUT && *status != NATSKIT_WOULD_BLOCK) return 0;
        if (PyErr_CheckSignals() < 0)
            return -1;
        left = left_ms(deadline);
        if (left == 0) {
            *status = NATSKIT_TIMEOUT;
            return 0;
        }
        if (is_main < 0 && (is_main = on_main_thread(st)) < 0)
            return -1;
    }
}
