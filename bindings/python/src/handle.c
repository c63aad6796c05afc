/* SPDX-License-Identifier: Apache-2.0
 *
 * Handlers: functions that are called with each message of a subscription. No thread and no task waits for
 * messages. For asyncio the reactor of the loop learns that some are there and gives the subscription a turn:
 * a plain function is called here, for a coroutine function a task is started that takes messages until there
 * are none, and up to `concurrency` of them at once. For the blocking face turns are taken in dispatch().
 *
 * The connection refers to subscriptions with a handler until they have ended; each holds its subscription
 * (natskit_sub_hold) for as long, so that a drain waits for its handlers.
 */
#include "state.h"

#include <string.h>

struct Handling {
    PyObject *cb;
    PyObject *context; /* of the subscribe call; None for the blocking face */
    PyObject *tasks;   /* set of those that run; asyncio */
    Sub *next_turn;    /* in the reactor's list */
    Budget *budget;    /* of the turn that runs */
    int64_t concurrency;
    int64_t running;
    uint64_t processed;
    uint64_t errors;
    bool coroutines;
    bool starting; /* a task was started that has taken nothing yet */
    bool queued;
    bool ended;
    bool released;
};

/* ------------------------------------------------------------------------------------------- the end */

/* Nothing comes any more and no handler runs. */
static int release(Sub *sub)
{
    Handling *h = sub->handling;
    if (h->released || h->running > 0)
        return 0;
    h->released = true;
    sub_hold(sub, false);
    return sub->conn == NULL ? 0 : conn_handled_drop(DATA(Conn, sub->conn), sub);
}

static int cancel_tasks(Sub *sub)
{
    Handling *h = sub->handling;
    if (h->tasks == NULL || PySet_Size(h->tasks) == 0)
        return 0;
    PyObject *result = PyObject_CallFunctionObjArgs(sub->st->handler_cancel, h->tasks, NULL);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Gives the exception that is raised to the log and to error_cb. */
static int tell(Sub *sub, bool ended)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != NULL && traceback != NULL)
        PyException_SetTraceback(value, traceback);
    PyObject *result = value == NULL ? NULL
                                     : PyObject_CallFunctionObjArgs(sub->st->handler_failed,
                                                                    or_none(sub->conn), (PyObject *)sub,
                                                                    value, ended ? Py_True : Py_False, NULL);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Told END or CLOSED. */
static int ended(Sub *sub)
{
    Handling *h = sub->handling;
    if (h->ended)
        return release(sub);
    h->ended = true;
    /* A loop would raise it; with a handler nobody else tells why no message comes any more. */
    if (sub_end_raises(sub, NATSKIT_END) && tell(sub, true) < 0)
        return -1;
    return release(sub);
}

int handle_close(Sub *sub)
{
    if (sub->handling == NULL)
        return 0;
    sub->handling->ended = true;
    int rc = cancel_tasks(sub);
    return release(sub) < 0 ? -1 : rc;
}

/* ---------------------------------------------------------------------------------------------- turns */

/* A handler has raised: 0 if it was an Exception, which is told and counted; -1 for what ends programs. */
static int failed(Sub *sub)
{
    sub->handling->errors++;
    sub->handling->processed++;
    return PyErr_ExceptionMatches(PyExc_Exception) ? tell(sub, false) : -1;
}

/* A task for `cb`, or, if it is not NULL, for what a plain function has returned to be awaited. */
static int start_task(Sub *sub, PyObject *awaitable)
{
    Handling *h = sub->handling;
    h->running++; /* before: an eager task runs at once */
    h->starting = awaitable == NULL;
    PyObject *task = PyObject_CallFunctionObjArgs(sub->st->handler_start, (PyObject *)sub, h->cb, h->context,
                                                  or_none(awaitable), NULL);
    if (task == NULL) {
        h->running--;
        h->starting = false;
        return -1;
    }
    int rc = PySet_Add(h->tasks, task);
    Py_DECREF(task);
    return rc;
}

/* What a plain function has returned: mostly None, perhaps something to be awaited (a partial of a coroutine
 * function, a decorated one). */
static int returned(Sub *sub, PyObject *result)
{
    if (result == Py_None || sub->via.face == FACE_SYNC ||
        !PyObject_HasAttr(result, name_of(sub->st, NAME___await__))) {
        sub->handling->processed++;
        return 0;
    }
    return start_task(sub, result);
}

static int call(Sub *sub, natskit_msg *msg)
{
    Handling *h = sub->handling;
    PyObject *object = sub_object(sub, msg);
    if (object == NULL)
        return -1;
    h->running++;
    PyObject *result = PyObject_CallFunctionObjArgs(h->cb, object, NULL);
    h->running--;
    Py_DECREF(object);
    int rc = result == NULL ? failed(sub) : returned(sub, result);
    Py_XDECREF(result);
    return rc;
}

/* Calls a plain function until nothing is there (0), the budget is spent (1), or it raises what ends
 * programs (-1). */
static int calls(Sub *sub, Budget *budget)
{
    Handling *h = sub->handling;
    for (;;) {
        if (h->running >= h->concurrency)
            return 0; /* who ends gives it another turn */
        natskit_msg *msg;
        natskit_status status;
        int rc = sub_take(sub, &msg, &status);
        if (rc <= 0)
            return rc < 0 ? ended(sub) : 0;
        if (call(sub, msg) < 0)
            return -1;
        if (budget_spent(budget))
            return 1;
    }
}

/* _turn(): calls(), inside the context that handlers have. */
PyObject *sub_turn(PyObject *self, PyObject *unused)
{
    (void)unused;
    Sub *sub = DATA(Sub, self);
    if (sub->handling == NULL || sub->handling->budget == NULL)
        Py_RETURN_NONE;
    int rc = calls(sub, sub->handling->budget);
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

static int turn_in_context(Sub *sub, Budget *budget)
{
    Handling *h = sub->handling;
    PyObject *turn = PyObject_GetAttr((PyObject *)sub, name_of(sub->st, NAME__turn));
    if (turn == NULL)
        return -1;
    h->budget = budget;
    PyObject *result = PyObject_CallMethodObjArgs(h->context, name_of(sub->st, NAME_run), turn, NULL);
    h->budget = NULL;
    Py_DECREF(turn);
    int rc = result == NULL ? -1 : result == Py_True;
    Py_XDECREF(result);
    return rc;
}

/* Starts one task if there is something for it; each starts the next when it begins. */
static int turn_of_tasks(Sub *sub)
{
    Handling *h = sub->handling;
    if (h->starting || h->running >= h->concurrency)
        return 0;
    natskit_status status = NATSKIT_CLOSED;
    int rc = sub_peek(sub, &status);
    if (rc < 0)
        return ended(sub);
    return rc == 0 ? 0 : start_task(sub, NULL);
}

int handle_turn(Sub *sub, Budget *budget)
{
    Handling *h = sub->handling;
    h->queued = false;
    if (h->ended)
        return release(sub);
    int rc;
    if (h->coroutines) {
        rc = turn_of_tasks(sub);
        if (rc == 0 && budget_spent(budget)) /* a task takes its time to make, too */
            rc = 1;
    } else {
        rc = h->context == Py_None ? calls(sub, budget) : turn_in_context(sub, budget);
    }
    if (rc > 0 && h->ended) /* from inside its own call, and not seen since: there is no further turn */
        return release(sub);
    if (rc >= 0 && !h->ended && h->running < h->concurrency && !sub->closed)
        source_arm(&sub->source);
    return rc;
}

/* _take(done): for a task: the next message (None: the marker of a watch), True if there is none, False if
 * the loop has to live first. `done`: whether the task has handled one since it began or paused. */
PyObject *sub_take_one(PyObject *self, PyObject *done)
{
    Sub *sub = DATA(Sub, self);
    Handling *h = sub->handling;
    if (h == NULL)
        return raise_text(sub->st, NATSKIT_INVALID, "there is no handler");
    if (done == Py_True)
        h->processed++;
    else
        h->starting = false;
    if (h->ended)
        Py_RETURN_TRUE;
    if (done != Py_True)
        budget_reset(&sub->budget); /* the loop has lived, however long that took */
    else if (budget_spent(&sub->budget))
        Py_RETURN_FALSE;
    natskit_msg *msg;
    natskit_status status;
    int rc = sub_take(sub, &msg, &status);
    if (rc <= 0)
        return rc < 0 && ended(sub) < 0 ? NULL : Py_NewRef(Py_True);
    PyObject *object = sub_object(sub, msg);
    if (object != NULL && h->concurrency > 1 && turn_of_tasks(sub) < 0)
        Py_CLEAR(object);
    return object;
}

/* _failed(exception): a coroutine of a handler has raised it. */
PyObject *sub_failed(PyObject *self, PyObject *error)
{
    Sub *sub = DATA(Sub, self);
    if (sub->handling == NULL)
        Py_RETURN_NONE;
    sub->handling->errors++;
    return PyObject_CallFunctionObjArgs(sub->st->handler_failed, or_none(sub->conn), self, error, Py_False,
                                        NULL);
}

/* _handled(): what a plain function has returned was awaited. */
PyObject *sub_handled(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (DATA(Sub, self)->handling != NULL)
        DATA(Sub, self)->handling->processed++;
    Py_RETURN_NONE;
}

/* _finished(task): a task has ended; None only asks for a turn. */
PyObject *sub_finished(PyObject *self, PyObject *task)
{
    Sub *sub = DATA(Sub, self);
    Handling *h = sub->handling;
    if (h == NULL)
        Py_RETURN_NONE;
    if (task != Py_None) {
        if (PySet_Discard(h->tasks, task) < 0)
            return NULL;
        h->running--;
        h->starting = false; /* it may have been cancelled before it began */
    }
    if (h->ended)
        return release(sub) < 0 ? NULL : Py_NewRef(Py_None);
    return source_turn(sub) < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---------------------------------------------------------------------------------- the reactor's list */

void handle_push(TurnList *list, Sub *sub)
{
    Handling *h = sub->handling;
    if (h->queued)
        return;
    h->queued = true;
    h->next_turn = NULL;
    if (list->last == NULL)
        list->first = sub;
    else
        list->last->handling->next_turn = sub;
    list->last = sub;
}

size_t handle_count(const TurnList *list)
{
    size_t count = 0;
    for (const Sub *at = list->first; at != NULL; at = at->handling->next_turn)
        count++;
    return count;
}

bool handle_busy(const Sub *sub)
{
    return sub->handling->running >= sub->handling->concurrency;
}

Sub *handle_pop(TurnList *list)
{
    Sub *sub = list->first;
    list->first = sub->handling->next_turn;
    if (list->first == NULL)
        list->last = NULL;
    sub->handling->queued = false;
    return sub;
}

void handle_unlink(TurnList *list, const Sub *sub)
{
    if (sub->handling == NULL || !sub->handling->queued)
        return;
    Sub *before = NULL;
    for (Sub *at = list->first; at != NULL; before = at, at = at->handling->next_turn) {
        if (at != sub)
            continue;
        *(before == NULL ? &list->first : &before->handling->next_turn) = at->handling->next_turn;
        if (list->last == at)
            list->last = before;
        break;
    }
    sub->handling->queued = false;
}

/* ----------------------------------------------------------------------------------------- the object */

/* There is no loop, or no memory: a subscription that nobody reads would go on getting messages, and the
 * connection would keep it. */
static PyObject *undone(Sub *sub)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (sub_stop(sub) < 0)
        PyErr_Clear(); /* the first exception is the one that tells */
    PyErr_Restore(type, value, traceback);
    return NULL;
}

/* _handle(cb, coroutines, concurrency, context): begins to call it. */
PyObject *sub_handle(PyObject *self, PyObject *args)
{
    Sub *sub = DATA(Sub, self);
    PyObject *cb, *context;
    int coroutines;
    long long concurrency;
    if (!PyArg_ParseTuple(args, "OpLO:_handle", &cb, &coroutines, &concurrency, &context))
        return NULL;
    if (sub->handling != NULL || sub->conn == NULL || concurrency < 1)
        return raise_text(sub->st, NATSKIT_INVALID, "concurrency: a number of handlers from 1 on");
    Handling *h = PyMem_Calloc(1, sizeof *h);
    if (h == NULL) {
        PyErr_NoMemory();
        return undone(sub);
    }
    PyObject *tasks = PySet_New(NULL);
    if (tasks == NULL) {
        PyMem_Free(h);
        return undone(sub);
    }
    h->tasks = tasks;
    h->cb = Py_NewRef(cb);
    h->context = Py_NewRef(context);
    h->concurrency = concurrency;
    h->coroutines = coroutines;
    sub->handling = h;
    sub->source.handles = sub;
    sub_hold(sub, true);
    int rc = conn_handled_add(DATA(Conn, sub->conn), sub);
    if (rc == 0 && sub->via.face == FACE_ASYNC)
        rc = source_watch(sub->st, &sub->source);
    if (rc < 0)
        return undone(sub);
    Py_RETURN_NONE;
}

bool handle_refuses(Sub *sub)
{
    if (sub->handling == NULL)
        return false;
    raise_text(sub->st, NATSKIT_INVALID, "the subscription has a handler, which gets its messages");
    return true;
}

uint64_t handle_processed(const Sub *sub, uint64_t taken)
{
    return sub->handling == NULL ? taken : sub->handling->processed;
}

PyObject *sub_get_handler_errors(PyObject *self, void *unused)
{
    (void)unused;
    const Handling *h = DATA(Sub, self)->handling;
    return PyLong_FromUnsignedLongLong(h == NULL ? 0 : h->errors);
}

int handle_traverse(Sub *sub, visitproc visit, void *arg)
{
    Handling *h = sub->handling;
    if (h == NULL)
        return 0;
    Py_VISIT(h->cb);
    Py_VISIT(h->context);
    Py_VISIT(h->tasks);
    return 0;
}

void handle_clear(Sub *sub)
{
    Handling *h = sub->handling;
    if (h == NULL)
        return;
    sub->handling = NULL;
    sub->source.handles = NULL;
    Py_XDECREF(h->cb);
    Py_XDECREF(h->context);
    Py_XDECREF(h->tasks);
    PyMem_Free(h);
}
