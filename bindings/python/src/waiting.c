/* SPDX-License-Identifier: Apache-2.0
 *
 * What a task is given while an await of ours is suspended: as much of a future as a task asks for. A future
 * of asyncio would have the loop call the task in its next round, through a handle; this one goes on with the
 * task in the very callback of the loop that learned that there is something for it, which costs half as
 * much.
 */
#include "state.h"

typedef struct Waiting {
    NKPY_HEAD
    State *st;
    PyObject *loop;
    PyObject *callback; /* with it the task goes on; NULL while it has given none, and once it was called */
    PyObject *context;  /* in which it is called, or NULL */
    bool blocking;      /* it comes from an await, says the task's protocol */
    bool ready;
} Waiting;

PyObject *waiting_new(State *st, PyObject *loop)
{
    Waiting *waiting = PyObject_GC_New(Waiting, st->waiting_type);
    if (waiting == NULL)
        return NULL;
    waiting->st = state_hold(st);
    waiting->loop = Py_NewRef(loop);
    waiting->callback = NULL;
    waiting->context = NULL;
    waiting->blocking = true;
    waiting->ready = false;
    PyObject_GC_Track((PyObject *)waiting);
    return (PyObject *)waiting;
}

/* Takes the callback out, so that it is called once. NULL: there is none. */
static PyObject *take_callback(Waiting *waiting, PyObject **context)
{
    PyObject *callback = waiting->callback;
    *context = waiting->context;
    waiting->callback = waiting->context = NULL;
    return callback;
}

int waiting_run(PyObject *self)
{
    Waiting *waiting = DATA(Waiting, self);
    PyObject *context, *result;
    waiting->ready = true;
    PyObject *callback = take_callback(waiting, &context);
    if (callback == NULL)
        return 0;
    if (context == NULL)
        result = PyObject_CallFunctionObjArgs(callback, self, NULL);
    else
        result = PyObject_CallMethodObjArgs(context, name_of(waiting->st, NAME_run), callback, self, NULL);
    Py_XDECREF(context);
    Py_DECREF(callback);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int waiting_soon(PyObject *self)
{
    Waiting *waiting = DATA(Waiting, self);
    State *st = waiting->st;
    PyObject *context;
    waiting->ready = true;
    PyObject *callback = take_callback(waiting, &context);
    if (callback == NULL)
        return 0;
    PyObject *call_soon = PyObject_GetAttr(waiting->loop, name_of(st, NAME_call_soon));
    PyObject *args = PyTuple_Pack(2, callback, self);
    PyObject *named = PyDict_New();
    PyObject *result = NULL;
    if (call_soon != NULL && args != NULL && named != NULL &&
        (context == NULL || PyDict_SetItem(named, name_of(st, NAME_context), context) == 0))
        result = PyObject_Call(call_soon, args, named);
    Py_XDECREF(named);
    Py_XDECREF(args);
    Py_XDECREF(call_soon);
    Py_XDECREF(context);
    Py_DECREF(callback);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

PyObject *waiting_settle(PyObject *module, PyObject *self)
{
    const State *st = module_state(module);
    if (Py_TYPE(self) != st->waiting_type) {
        PyErr_Format(PyExc_TypeError, "_settle() needs what an await of natskit is suspended with, not %R",
                     (PyObject *)Py_TYPE(self));
        return NULL;
    }
    return waiting_run(self) < 0 ? NULL : Py_NewRef(Py_None);
}

/* ------------------------------------------------------------------------------------- what a task asks */

static PyObject *add_done_callback(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"add_done_callback", 2, 1, 1, {NAME_callback, NAME_context}};
    Waiting *waiting = DATA(Waiting, self);
    PyObject *a[2];
    if (match(waiting->st, &sig, args, nargs, kwnames, a) < 0)
        return NULL;
    if (waiting->callback != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "somebody awaits this already");
        return NULL;
    }
    waiting->callback = Py_NewRef(a[0]);
    waiting->context = a[1] == Py_None ? NULL : Py_XNewRef(a[1]);
    if (waiting->ready && waiting_soon(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_loop(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(DATA(Waiting, self)->loop);
}

static PyObject *done(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(DATA(Waiting, self)->ready);
}

static PyObject *result(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_NONE;
}

/* False: the task, which then goes on, is to raise CancelledError itself. */
static PyObject *cancel(PyObject *self, PyObject *args, PyObject *named)
{
    (void)args;
    (void)named;
    return waiting_soon(self) < 0 ? NULL : Py_NewRef(Py_False);
}

static PyObject *get_blocking(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(DATA(Waiting, self)->blocking);
}

static int set_blocking(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    int truth = value == NULL ? 0 : PyObject_IsTrue(value);
    if (truth >= 0)
        DATA(Waiting, self)->blocking = truth;
    return truth < 0 ? -1 : 0;
}

/* ------------------------------------------------------------------------------------------------ type */

static int waiting_traverse(PyObject *self, visitproc visit, void *arg)
{
    Waiting *waiting = DATA(Waiting, self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(waiting->loop);
    Py_VISIT(waiting->callback);
    Py_VISIT(waiting->context);
    return 0;
}

static int waiting_clear(PyObject *self)
{
    Waiting *waiting = DATA(Waiting, self);
    Py_CLEAR(waiting->callback);
    Py_CLEAR(waiting->context);
    return 0;
}

static void waiting_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    waiting_clear(self);
    Py_DECREF(DATA(Waiting, self)->loop);
    state_drop(DATA(Waiting, self)->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef waiting_methods[] = {
    {"add_done_callback", (PyCFunction)(void (*)(void))add_done_callback, METH_FASTCALL | METH_KEYWORDS,
     "add_done_callback($self, callback, *, context=None)\n--\n\nAs of a future, for one callback."},
    {"get_loop", get_loop, METH_NOARGS, "get_loop($self)\n--\n\nAs of a future."},
    {"done", done, METH_NOARGS, "done($self)\n--\n\nAs of a future."},
    {"result", result, METH_NOARGS, "result($self)\n--\n\nNone: what there is, the await looks up itself."},
    {"cancel", (PyCFunction)(void (*)(void))cancel, METH_VARARGS | METH_KEYWORDS,
     "cancel($self, msg=None)\n--\n\nHas the task go on. False: it is cancelled, not this."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef waiting_getset[] = {
    {"_asyncio_future_blocking", get_blocking, set_blocking, "As of a future.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static char waiting_doc[] = "What a task waits for while an await of natskit is suspended.";

static PyType_Slot waiting_slots[] = {
    {Py_tp_doc, waiting_doc},
    {Py_tp_dealloc, waiting_dealloc},
    {Py_tp_traverse, waiting_traverse},
    {Py_tp_clear, waiting_clear},
    {Py_tp_methods, waiting_methods},
    {Py_tp_getset, waiting_getset},
    {0, NULL},
};

static PyType_Spec waiting_spec = {
    .name = "natskit._natskit.Waiting",
    .basicsize = sizeof(Waiting),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = waiting_slots,
};

int waiting_init(PyObject *module, State *st)
{
    return type_add(module, &st->waiting_type, &waiting_spec, "Waiting");
}
