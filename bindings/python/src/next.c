/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for messages: iteration, next_msg and next_batch of both faces. For asyncio one awaitable, Next,
 * serves all three; what is queued is returned without suspending. A message is taken in the very step that
 * returns it, so a cancelled await has none to lose.
 */
#include "state.h"

#define NEXT_TIMEOUT_MS 1000
#define UPDATES_TIMEOUT_MS 5000

/* Messages that a fetch takes at once. */
#define GATHER 256

enum { MODE_ITERATE, MODE_ONE, MODE_MANY, MODE_ALL };

typedef struct Next {
    NKPY_HEAD
    Sub *sub;       /* owned; NULL once it has given its result */
    PyObject *loop; /* whose step this is, or NULL; given back with `sub` */
    PyObject *list; /* what has come, of MODE_ALL */
    State *st;
    Waiter waiter;
    int64_t timeout_ms;
    int64_t deadline; /* set when it first suspends */
    size_t cap;
    int mode;
    bool started;
} Next;

static Next *next_new(Sub *sub, int mode, int64_t timeout_ms, size_t cap)
{
    Next *next = PyObject_GC_New(Next, sub->st->next_type);
    if (next == NULL)
        return NULL;
    next->sub = (Sub *)Py_NewRef((PyObject *)sub);
    next->loop = NULL;
    next->list = NULL;
    next->st = state_hold(sub->st);
    next->waiter = (Waiter){0};
    next->timeout_ms = timeout_ms;
    next->deadline = 0;
    next->cap = cap;
    next->mode = mode;
    next->started = false;
    PyObject_GC_Track((PyObject *)next);
    return next;
}

/* It has given its result: one of an iterator is kept for the next step, since nobody else holds it. */
static void next_end(Next *next)
{
    Sub *sub = next->sub;
    next->sub = NULL;
    if (next->mode == MODE_ITERATE && sub->next_idle == NULL && !sub->closed)
        sub->next_idle = Py_NewRef((PyObject *)next);
    Py_CLEAR(next->loop);
    Py_DECREF((PyObject *)sub);
}

PyObject *sub_anext_for(Sub *sub, PyObject *loop)
{
    Next *next;
    if (handle_refuses(sub))
        return NULL;
    if (sub->next_idle == NULL) {
        next = next_new(sub, MODE_ITERATE, NKPY_FOREVER, 1);
        if (next == NULL)
            return NULL;
    } else {
        next = DATA(Next, sub->next_idle);
        sub->next_idle = NULL;
        next->sub = (Sub *)Py_NewRef((PyObject *)sub);
        next->started = false; /* and its deadline is for ever, as before */
    }
    next->loop = Py_XNewRef(loop);
    return (PyObject *)next;
}

PyObject *sub_anext(PyObject *self)
{
    return sub_anext_for(DATA(Sub, self), NULL);
}

/* Takes what is there into a list, up to `most` in all: 1 if it is complete, 0 if more is to come, -1 if none
 * can. */
static int gather(Sub *sub, PyObject *list, size_t most, natskit_status *status)
{
    natskit_msg *msgs[GATHER];
    for (;;) {
        size_t left = most - (size_t)PyList_Size(list), count = 0;
        if (left == 0)
            return 1;
        int rc = sub_take_many(sub, msgs, left < GATHER ? left : GATHER, &count, status);
        for (size_t i = 0; i < count; i++) {
            PyObject *object = sub_object(sub, msgs[i]);
            if (object == NULL || PyList_Append(list, object) < 0) {
                PyErr_Clear(); /* no memory; that is told at the end */
                *status = NATSKIT_NO_MEMORY;
                rc = -1;
            }
            Py_XDECREF(object);
        }
        if (rc <= 0)
            return rc;
    }
}

/* What the end of a fetch gives: the list, or why there is none. */
static PyObject *gathered(Sub *sub, PyObject *list, natskit_status status)
{
    bool none = PyList_Size(list) == 0 || status == NATSKIT_NO_MEMORY || sub->watches;
    return none && sub_gather_raises(sub, status) ? NULL : Py_NewRef(list);
}

static int next_gather(Next *next, PyObject **result, natskit_status *status)
{
    int rc = gather(next->sub, next->list, next->cap, status);
    if (rc > 0)
        *result = Py_NewRef(next->list);
    else if (rc < 0)
        *result = gathered(next->sub, next->list, *status);
    return rc == 0 ? 0 : 1;
}

/* What the awaitable takes, as the object to be given: 1; 0 if there is nothing; else -1 and *status. */
static int next_take(Next *next, PyObject **result, natskit_status *status)
{
    Sub *sub = next->sub;
    if (next->mode == MODE_ALL)
        return next_gather(next, result, status);
    if (next->mode != MODE_MANY) {
        natskit_msg *msg;
        int rc = sub_take(sub, &msg, status);
        if (rc > 0)
            *result = sub_object(sub, msg);
        return rc;
    }
    natskit_msg **msgs = PyMem_Malloc(next->cap * sizeof *msgs);
    if (msgs == NULL) {
        *status = NATSKIT_NO_MEMORY;
        return -1;
    }
    size_t count = 0;
    int rc = sub_take_many(sub, msgs, next->cap, &count, status);
    if (rc > 0)
        *result = sub_list(sub, msgs, count);
    PyMem_Free(msgs);
    return rc;
}

/* Ends without a message. */
static PySendResult next_fail(Next *next, natskit_status status)
{
    Sub *sub = next->sub;
    if (next->mode == MODE_ITERATE && (status == NATSKIT_END || status == NATSKIT_CLOSED)) {
        if (next->loop != NULL)
            hold_let_go(next->loop);
        if (!sub_end_raises(sub, status))
            PyErr_SetNone(PyExc_StopAsyncIteration);
    } else {
        sub_raise(sub, status);
    }
    source_pass_on(&sub->source);
    next_end(next);
    return PYGEN_ERROR;
}

static PySendResult next_suspend(Next *next, bool front, PyObject **result)
{
    if (next->deadline == 0)
        next->deadline = deadline_of(next->timeout_ms);
    int64_t left = left_ms(next->deadline);
    if (left == 0)
        return next_fail(next, NATSKIT_TIMEOUT);
    *result = waiter_suspend(next->st, &next->waiter, &next->sub->source, left, front);
    if (*result != NULL)
        return PYGEN_NEXT;
    next_end(next);
    return PYGEN_ERROR;
}

static PySendResult next_step(PyObject *self, PyObject **result)
{
    Next *next = DATA(Next, self);
    if (next->sub == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cannot await the same message twice");
        return PYGEN_ERROR;
    }
    Sub *sub = next->sub;
    bool waited = next->waiter.future != NULL;
    if (waited) {
        waiter_leave(next->st, &next->waiter);
        budget_reset(&sub->budget);
    } else if (!next->started) {
        next->started = true;
        if (budget_spent(&sub->budget) && sub_ready(sub)) { /* let the loop live, before anything is taken */
            *result = Py_NewRef(Py_None);
            return PYGEN_NEXT;
        }
    }
    natskit_status status = NATSKIT_OK;
    int rc = next_take(next, result, &status);
    if (rc < 0)
        return next_fail(next, status);
    if (rc == 0)
        return next_suspend(next, waited, result);
    if (sub->source.first != NULL)
        source_pass_on(&sub->source);
    next_end(next);
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

/* The await was cancelled or dropped: somebody else may have to be woken in its place. */
static void next_abort(Next *next)
{
    waiter_leave(next->st, &next->waiter);
    if (next->sub == NULL)
        return;
    source_pass_on(&next->sub->source);
    next_end(next);
}

static PySendResult next_send(PyObject *self, PyObject *value, PyObject **result)
{
    (void)value;
    return next_step(self, result);
}

static PyObject *next_send_method(PyObject *self, PyObject *value)
{
    (void)value;
    return wait_send(self, next_step);
}

static PyObject *next_iternext(PyObject *self)
{
    return wait_next(self, next_step);
}

static PyObject *next_throw(PyObject *self, PyObject *args)
{
    next_abort(DATA(Next, self));
    return wait_raise(args);
}

static PyObject *next_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    next_abort(DATA(Next, self));
    Py_RETURN_NONE;
}

static int next_traverse(PyObject *self, visitproc visit, void *arg)
{
    Next *next = DATA(Next, self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)next->sub);
    Py_VISIT(next->loop);
    Py_VISIT(next->list);
    return waiter_traverse(&next->waiter, visit, arg);
}

static int next_clear(PyObject *self)
{
    Next *next = DATA(Next, self);
    waiter_leave(next->st, &next->waiter);
    Py_CLEAR(next->loop);
    Py_CLEAR(next->list);
    Py_CLEAR(next->sub);
    return 0;
}

static void next_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    next_clear(self);
    state_drop(DATA(Next, self)->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef next_methods[] = {
    {"send", next_send_method, METH_O, "send($self, value, /)\n--\n\nAs of a coroutine."},
    {"throw", next_throw, METH_VARARGS, "throw($self, *args)\n--\n\nAs of a coroutine."},
    {"close", next_close, METH_NOARGS, "close($self)\n--\n\nAs of a coroutine."},
    {NULL, NULL, 0, NULL},
};

static char next_doc[] = "Awaits the next message or batch of a subscription.";

static PyType_Slot next_slots[] = {
    {Py_tp_doc, next_doc},           {Py_tp_dealloc, next_dealloc},
    {Py_tp_traverse, next_traverse}, {Py_tp_clear, next_clear},
    {Py_tp_methods, next_methods},   {Py_am_await, PyObject_SelfIter},
    {Py_am_send, next_send},         {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, next_iternext}, {0, NULL},
};

static PyType_Spec next_spec = {
    .name = "natskit._natskit.Next",
    .basicsize = sizeof(Next),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = next_slots,
};

int next_init(PyObject *module, State *st)
{
    return type_add(module, &st->next_type, &next_spec, "Next");
}

/* -------------------------------------------------------------------------------------------- blocking */

typedef struct TakeWait {
    natskit_sub sub;
    natskit_msg *msg;
} TakeWait;

static natskit_status take_block(void *arg, int64_t slice_ms)
{
    TakeWait *wait = arg;
    return natskit_sub_next(wait->sub, slice_ms, &wait->msg);
}

/* One message, waiting for it: 1 with *out; 0 with *status; -1 with an exception. */
static int take_blocking(Sub *sub, int64_t timeout_ms, natskit_msg **out, natskit_status *status)
{
    int rc = sub_take(sub, out, status);
    if (rc > 0)
        return 1;
    if (rc < 0)
        return 0;
    *status = NATSKIT_TIMEOUT;
    if (timeout_ms == 0)
        return 0;
    TakeWait wait = {sub->handle, NULL};
    if (block(sub->st, take_block, &wait, timeout_ms, status) < 0)
        return -1;
    *out = wait.msg;
    return *status == NATSKIT_OK ? 1 : 0;
}

PyObject *sub_iternext_for(Sub *sub, PyObject *loop)
{
    natskit_msg *msg;
    natskit_status status;
    if (handle_refuses(sub))
        return NULL;
    int rc = take_blocking(sub, NKPY_FOREVER, &msg, &status);
    if (rc > 0)
        return sub_object(sub, msg);
    bool end = rc == 0 && (status == NATSKIT_END || status == NATSKIT_CLOSED);
    if (end && loop != NULL)
        hold_let_go(loop);
    if (end)
        sub_end_raises(sub, status);
    else if (rc == 0)
        sub_raise(sub, status);
    return NULL;
}

PyObject *sub_iternext(PyObject *self)
{
    return sub_iternext_for(DATA(Sub, self), NULL);
}

static PyObject *next_one(PyObject *self, const Signature *sig, int64_t standard_ms, PyObject *const *args,
                          Py_ssize_t nargs, PyObject *kwnames)
{
    Sub *sub = DATA(Sub, self);
    PyObject *timeout;
    int64_t timeout_ms;
    if (match(sub->st, sig, args, nargs, kwnames, &timeout) < 0 ||
        timeout_arg(sub->st, timeout, standard_ms, &timeout_ms) < 0 || handle_refuses(sub))
        return NULL;
    if (sub->via.face == FACE_ASYNC)
        return (PyObject *)next_new(sub, MODE_ONE, timeout_ms, 1);
    natskit_msg *msg;
    natskit_status status;
    int rc = take_blocking(sub, timeout_ms, &msg, &status);
    if (rc > 0)
        return sub_object(sub, msg);
    return rc < 0 ? NULL : sub_raise(sub, status);
}

PyObject *sub_next_msg(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"next_msg", 1, 0, 1, {NAME_timeout}};
    return next_one(self, &sig, NEXT_TIMEOUT_MS, args, nargs, kwnames);
}

PyObject *watcher_updates(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"updates", 1, 0, 1, {NAME_timeout}};
    return next_one(self, &sig, UPDATES_TIMEOUT_MS, args, nargs, kwnames);
}

/* As many as are there, after a first one that may have been waited for. */
static PyObject *batch_blocking(Sub *sub, size_t cap, int64_t timeout_ms)
{
    natskit_msg *first;
    natskit_status status;
    int rc = take_blocking(sub, timeout_ms, &first, &status);
    if (rc <= 0)
        return rc < 0 ? NULL : sub_raise(sub, status);
    natskit_msg **msgs = PyMem_Malloc(cap * sizeof *msgs);
    if (msgs == NULL) {
        natskit_msg_release(first);
        return PyErr_NoMemory();
    }
    size_t more = 0;
    msgs[0] = first;
    if (cap > 1)
        sub_take_many(sub, msgs + 1, cap - 1, &more, &status);
    PyObject *list = sub_list(sub, msgs, 1 + more);
    PyMem_Free(msgs);
    return list;
}

PyObject *sub_next_batch(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"next_batch", 2, 1, 2, {NAME_n, NAME_timeout}};
    static const uint64_t most = 65536; /* more would only cost memory */
    Sub *sub = DATA(Sub, self);
    PyObject *a[2];
    uint64_t cap;
    int64_t timeout_ms;
    if (match(sub->st, &sig, args, nargs, kwnames, a) < 0 || count_arg(sub->st, a[0], "n", 0, &cap) < 0 ||
        timeout_arg(sub->st, a[1], NEXT_TIMEOUT_MS, &timeout_ms) < 0 || handle_refuses(sub))
        return NULL;
    if (cap == 0)
        return raise_text(sub->st, NATSKIT_INVALID, "n: a number of messages from 1 on");
    cap = cap < most ? cap : most;
    if (sub->via.face == FACE_ASYNC)
        return (PyObject *)next_new(sub, MODE_MANY, timeout_ms, (size_t)cap);
    return batch_blocking(sub, (size_t)cap, timeout_ms);
}

/* The blocking face of sub_gather. */
static PyObject *gather_blocking(Sub *sub, size_t most, int64_t timeout_ms)
{
    PyObject *list = PyList_New(0);
    int64_t deadline = deadline_of(timeout_ms);
    natskit_status status = NATSKIT_OK;
    int rc = list == NULL ? -1 : 0;
    while (list != NULL && (rc = gather(sub, list, most, &status)) == 0) {
        natskit_msg *msg;
        int got = take_blocking(sub, left_ms(deadline), &msg, &status);
        PyObject *object = got > 0 ? sub_object(sub, msg) : NULL;
        bool failed = got > 0 ? object == NULL || PyList_Append(list, object) < 0 : got < 0;
        Py_XDECREF(object);
        if (failed)
            Py_CLEAR(list);
        else if (got == 0 && status != NATSKIT_TIMEOUT && status != NATSKIT_WOULD_BLOCK)
            break; /* it has ended */
        else if (got == 0 && left_ms(deadline) == 0) {
            Py_CLEAR(list);
            sub_raise(sub, NATSKIT_TIMEOUT);
        }
    }
    PyObject *result = list == NULL ? NULL : rc > 0 ? Py_NewRef(list) : gathered(sub, list, status);
    Py_XDECREF(list);
    return result;
}

PyObject *sub_gather(Sub *sub, size_t most, int64_t timeout_ms)
{
    if (sub->via.face == FACE_SYNC)
        return gather_blocking(sub, most, timeout_ms);
    Next *next = next_new(sub, MODE_ALL, timeout_ms, most);
    if (next == NULL || (next->list = PyList_New(0)) == NULL) {
        Py_XDECREF((PyObject *)next);
        return NULL;
    }
    return (PyObject *)next;
}
