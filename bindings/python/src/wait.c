/* SPDX-License-Identifier: Apache-2.0
 *
 * Awaitables. Those of ours are objects of C that answer am_send: what is ready is returned without
 * suspending, without a coroutine and without a future. They have send, throw and close as well, so that they
 * pass for coroutines where one is asked for (asyncio.create_task). Here: Ready, which has its value, and
 * Finish, which waits for an operation; awaits of messages are in next.c.
 */
#include "state.h"

#define BUDGET_AWAITS 128
#define BUDGET_NS 1000000
/* The clock is read at the latest after so many awaits, and at least four times in a millisecond. */
#define BUDGET_STEP 16

void budget_reset(Budget *budget)
{
    budget->left = BUDGET_AWAITS;
    if (budget->step == 0)
        budget->step = 1;
    budget->to_check = budget->step;
    budget->since = budget->last = now_ns();
}

bool budget_spent_slow(Budget *budget)
{
    int64_t now = now_ns();
    if (budget->left <= 0 || now - budget->since >= BUDGET_NS) {
        budget_reset(budget);
        return true;
    }
    int64_t pace = (now - budget->last) / budget->step + 1;
    int64_t step = BUDGET_NS / 4 / pace;
    budget->step = step < 1 ? 1 : step > BUDGET_STEP ? BUDGET_STEP : (int)step;
    budget->to_check = budget->step;
    budget->last = now;
    return false;
}

/* --------------------------------------------------------------------------------- the coroutine protocol */

/* Raises StopIteration(value). From a class and a value the interpreter makes the exception, with a tuple's
 * items as its arguments (PubAck, PubOutcome and Status are tuples) and an exception perhaps in its place: of
 * these it is made here. */
static void stop_with(PyObject *value)
{
    if (!PyTuple_Check(value) && !PyExceptionInstance_Check(value)) {
        PyErr_SetObject(PyExc_StopIteration, value);
        return;
    }
    PyObject *stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, value, NULL);
    if (stop != NULL)
        PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
}

static PyObject *give(PySendResult how, PyObject *result, bool explicit_end)
{
    if (how != PYGEN_RETURN)
        return result; /* what is yielded, or NULL with an exception */
    if (result != Py_None)
        stop_with(result);
    else if (explicit_end)
        PyErr_SetNone(PyExc_StopIteration);
    Py_DECREF(result);
    return NULL;
}

PyObject *wait_send(PyObject *self, wait_step step)
{
    PyObject *result = NULL;
    PySendResult how = step(self, &result);
    return give(how, result, true);
}

PyObject *wait_next(PyObject *self, wait_step step)
{
    PyObject *result = NULL;
    PySendResult how = step(self, &result);
    return give(how, result, false);
}

PyObject *wait_raise(PyObject *args)
{
    PyObject *type, *value = NULL, *traceback = NULL;
    if (!PyArg_ParseTuple(args, "O|OO:throw", &type, &value, &traceback))
        return NULL;
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
        return NULL;
    }
    if (!PyExceptionClass_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "throw() needs an exception");
        return NULL;
    }
    traceback = traceback == Py_None ? NULL : traceback;
    PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), Py_XNewRef(traceback));
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ Ready */

typedef struct Ready {
    NKPY_HEAD
    PyObject *value;
    bool pause; /* suspend once before giving the value */
} Ready;

static PySendResult ready_step(PyObject *self, PyObject **result)
{
    Ready *ready = DATA(Ready, self);
    if (ready->pause) {
        ready->pause = false;
        *result = Py_NewRef(Py_None);
        return PYGEN_NEXT;
    }
    *result = Py_NewRef(ready->value);
    return PYGEN_RETURN;
}

static PySendResult ready_send(PyObject *self, PyObject *value, PyObject **result)
{
    (void)value;
    return ready_step(self, result);
}

static PyObject *ready_send_method(PyObject *self, PyObject *value)
{
    (void)value;
    return wait_send(self, ready_step);
}

static PyObject *ready_iternext(PyObject *self)
{
    return wait_next(self, ready_step);
}

static PyObject *ready_throw(PyObject *self, PyObject *args)
{
    (void)self;
    return wait_raise(args);
}

static PyObject *ready_close(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_NONE;
}

static void ready_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(DATA(Ready, self)->value);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef ready_methods[] = {
    {"send", ready_send_method, METH_O, "send($self, value, /)\n--\n\nAs of a coroutine."},
    {"throw", ready_throw, METH_VARARGS, "throw($self, *args)\n--\n\nAs of a coroutine."},
    {"close", ready_close, METH_NOARGS, "close($self)\n--\n\nAs of a coroutine."},
    {NULL, NULL, 0, NULL},
};

static char ready_doc[] = "An awaitable that is done: the work happened in the call that gave it.";

static PyType_Slot ready_slots[] = {
    {Py_tp_doc, ready_doc},           {Py_tp_dealloc, ready_dealloc},
    {Py_tp_methods, ready_methods},   {Py_am_await, PyObject_SelfIter},
    {Py_am_send, ready_send},         {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, ready_iternext}, {0, NULL},
};

static PyType_Spec ready_spec = {
    .name = "natskit._natskit.Ready",
    .basicsize = sizeof(Ready),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ready_slots,
};

PyObject *ready_new(State *st, PyObject *value, bool pause)
{
    Ready *ready = value == NULL ? NULL : PyObject_New(Ready, st->ready_type);
    if (ready == NULL) {
        Py_XDECREF(value);
        return NULL;
    }
    ready->value = value;
    ready->pause = pause;
    return (PyObject *)ready;
}

PyObject *face_done(State *st, int face)
{
    return Py_NewRef(face == FACE_ASYNC ? st->done : Py_None);
}

PyObject *face_value(State *st, int face, PyObject *value)
{
    return face == FACE_ASYNC ? ready_new(st, value, false) : value;
}

/* ----------------------------------------------------------------------------------------------- Finish */

typedef struct Finish {
    NKPY_HEAD
    State *st;
    natskit_op op; /* {0} once its result was given */
    Via via;
    Source source;
    Waiter waiter;
    int64_t deadline; /* of the await; for ever if the operation has one itself */
    int gives;
} Finish;

PyObject *outcome_name(int32_t outcome)
{
    static const char *const names[] = {"pending", "done", "not_sent", "unknown", "rejected"};
    bool known = outcome > 0 && outcome < (int32_t)(sizeof names / sizeof names[0]);
    return known ? PyUnicode_FromString(names[outcome]) : NULL;
}

/* What an operation that has finished gives, as natskit_op_result told; closes it. */
static PyObject *op_collect(State *st, const Via *via, natskit_op op, int gives, natskit_status status,
                            int32_t outcome, const natskit_error *told)
{
    int64_t ns = 0;
    natskit_msg *msg = NULL;
    bool is_msg = gives == GIVE_MSG || gives == GIVE_ACK || gives == GIVE_ENTRY || gives == GIVE_REVISION ||
                  gives == GIVE_STORED || gives == GIVE_OBJECT;
    if (status == NATSKIT_OK && is_msg)
        status = natskit_op_take_msg(op, &msg);
    if (status == NATSKIT_OK && gives == GIVE_SECONDS)
        status = natskit_op_duration(op, &ns);
    if (status == NATSKIT_OK && gives == GIVE_JSON) {
        PyObject *answer = js_answer(st, op);
        natskit_op_close(op);
        return answer;
    }
    natskit_op_close(op);
    if (status == NATSKIT_OK && is_msg)
        return gives == GIVE_MSG      ? msg_new(st, via, msg)
               : gives == GIVE_ACK    ? ack_new(st, msg)
               : gives == GIVE_ENTRY  ? entry_new(st, via, NULL, msg)
               : gives == GIVE_STORED ? stored_new(st, via, msg)
               : gives == GIVE_OBJECT ? object_info_new(st, via, msg)
                                      : kv_revision(st, msg);
    if (status == NATSKIT_OK)
        return gives == GIVE_SECONDS ? PyFloat_FromDouble((double)ns / 1e9) : Py_NewRef(Py_None);
    if (gives == GIVE_REASON)
        return error_object(st, status, told);
    if (gives == GIVE_REVISION && status == NATSKIT_WRONG_LAST)
        raise_class(st, st->key_wrong_last, status, told);
    else
        raise_status(st, status, told);
    PyObject *type, *object, *traceback;
    PyErr_Fetch(&type, &object, &traceback);
    PyObject *name = outcome_name(outcome);
    PyErr_Restore(type, object, traceback);
    if (name != NULL)
        error_annotate(st, NAME_outcome, name);
    Py_XDECREF(name);
    return NULL;
}

static void finish_end(Finish *finish)
{
    waiter_leave(finish->st, &finish->waiter);
    source_detach(&finish->source);
    if (finish->op.id != 0)
        natskit_op_close(finish->op);
    finish->op.id = 0;
}

static PySendResult finish_step(PyObject *self, PyObject **result)
{
    Finish *finish = DATA(Finish, self);
    if (finish->op.id == 0) {
        PyErr_SetString(PyExc_RuntimeError, "cannot await the same operation twice");
        return PYGEN_ERROR;
    }
    natskit_error err;
    int32_t outcome = 0;
    err.status = NATSKIT_OK; /* the rest is not looked at then */
    waiter_leave(finish->st, &finish->waiter);
    natskit_status status = natskit_op_result(finish->op, &outcome, &err);
    if (status == NATSKIT_PENDING) {
        int64_t left = left_ms(finish->deadline);
        if (left == 0)
            raise_status(finish->st, NATSKIT_TIMEOUT, NULL);
        else if ((*result = waiter_suspend(finish->st, &finish->waiter, &finish->source, left, false)) !=
                 NULL)
            return PYGEN_NEXT;
        finish_end(finish);
        return PYGEN_ERROR;
    }
    natskit_op op = finish->op;
    finish->op.id = 0;
    source_detach(&finish->source);
    *result = op_collect(finish->st, &finish->via, op, finish->gives, status, outcome, &err);
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

static PySendResult finish_send(PyObject *self, PyObject *value, PyObject **result)
{
    (void)value;
    return finish_step(self, result);
}

static PyObject *finish_send_method(PyObject *self, PyObject *value)
{
    (void)value;
    return wait_send(self, finish_step);
}

static PyObject *finish_iternext(PyObject *self)
{
    return wait_next(self, finish_step);
}

static PyObject *finish_throw(PyObject *self, PyObject *args)
{
    finish_end(DATA(Finish, self));
    return wait_raise(args);
}

static PyObject *finish_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    finish_end(DATA(Finish, self));
    Py_RETURN_NONE;
}

static int finish_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return waiter_traverse(&DATA(Finish, self)->waiter, visit, arg);
}

static int finish_clear(PyObject *self)
{
    finish_end(DATA(Finish, self));
    return 0;
}

static void finish_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    finish_end(DATA(Finish, self));
    state_drop(DATA(Finish, self)->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef finish_methods[] = {
    {"send", finish_send_method, METH_O, "send($self, value, /)\n--\n\nAs of a coroutine."},
    {"throw", finish_throw, METH_VARARGS, "throw($self, *args)\n--\n\nAs of a coroutine."},
    {"close", finish_close, METH_NOARGS, "close($self)\n--\n\nAs of a coroutine."},
    {NULL, NULL, 0, NULL},
};

static char finish_doc[] =
    "Awaits an operation that is under way; cancelling the await cancels the operation.";

static PyType_Slot finish_slots[] = {
    {Py_tp_doc, finish_doc},           {Py_tp_dealloc, finish_dealloc},
    {Py_tp_traverse, finish_traverse}, {Py_tp_clear, finish_clear},
    {Py_tp_methods, finish_methods},   {Py_am_await, PyObject_SelfIter},
    {Py_am_send, finish_send},         {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, finish_iternext}, {0, NULL},
};

static PyType_Spec finish_spec = {
    .name = "natskit._natskit.Finish",
    .basicsize = sizeof(Finish),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = finish_slots,
};

static natskit_status op_block(void *arg, int64_t slice_ms)
{
    return natskit_op_wait(*(const natskit_op *)arg, slice_ms);
}

PyObject *face_finish_within(State *st, const Via *via, natskit_op op, int gives, int64_t timeout_ms)
{
    if (via->face == FACE_SYNC) {
        natskit_status status;
        int rc = block(st, op_block, &op, timeout_ms, &status);
        if (rc == 0 && status != NATSKIT_TIMEOUT) {
            natskit_error err = {0};
            int32_t outcome = 0;
            status = natskit_op_result(op, &outcome, &err);
            return op_collect(st, via, op, gives, status, outcome, &err);
        }
        natskit_op_close(op);
        return rc < 0 ? NULL : raise_status(st, status, NULL);
    }
    Finish *finish = PyObject_GC_New(Finish, st->finish_type);
    if (finish == NULL) {
        natskit_op_close(op);
        return NULL;
    }
    finish->st = state_hold(st);
    finish->op = op;
    finish->via = *via;
    finish->source = (Source){.object = op.id};
    finish->waiter = (Waiter){0};
    finish->deadline = deadline_of(timeout_ms);
    finish->gives = gives;
    PyObject_GC_Track((PyObject *)finish);
    return (PyObject *)finish;
}

PyObject *face_finish(State *st, const Via *via, natskit_op op, int gives)
{
    return face_finish_within(st, via, op, gives, NKPY_FOREVER);
}

int wait_init(PyObject *module, State *st)
{
    if (type_add(module, &st->ready_type, &ready_spec, "Ready") < 0 ||
        type_add(module, &st->finish_type, &finish_spec, "Finish") < 0)
        return -1;
    st->done = ready_new(st, Py_NewRef(Py_None), false);
    return st->done == NULL ? -1 : 0;
}
