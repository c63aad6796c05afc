/* SPDX-License-Identifier: Apache-2.0
 *
 * Who handles messages of a subscription, so that a drain waits for them: a loop over it, from its begin
 * until it was told the end or is left (its iterator is dropped then), and a block `with sub.hold():`. An
 * iterator is an object of its own for this alone; it takes from the subscription, as everybody does.
 */
#include "state.h"

static PyObject *make(PyTypeObject *type, PyObject *object)
{
    Sub *sub = DATA(Sub, object);
    Hold *hold = PyObject_GC_New(Hold, type);
    if (hold == NULL)
        return NULL;
    hold->st = state_hold(sub->st);
    hold->sub = (Sub *)Py_NewRef(object);
    hold->on = true;
    hold->loop = type != sub->st->hold_type;
    sub_hold(sub, true);
    PyObject_GC_Track((PyObject *)hold);
    return (PyObject *)hold;
}

PyObject *loop_new(PyObject *self)
{
    Sub *sub = DATA(Sub, self);
    if (handle_refuses(sub))
        return NULL;
    return make(sub->st->loop_type[sub->via.face], self);
}

PyObject *hold_new(PyObject *self, PyObject *unused)
{
    (void)unused;
    return make(DATA(Sub, self)->st->hold_type, self);
}

void hold_let_go(PyObject *self)
{
    Hold *hold = DATA(Hold, self);
    if (hold->on && hold->sub != NULL)
        sub_hold(hold->sub, false);
    hold->on = false;
}

/* ------------------------------------------------------------------------------------------------ loops */

/* Collected as garbage, and used by what is collected with it. */
static bool gone(PyObject *self)
{
    if (DATA(Hold, self)->sub != NULL)
        return false;
    PyErr_SetString(PyExc_RuntimeError, "the loop is gone");
    return true;
}

static PyObject *loop_anext(PyObject *self)
{
    return gone(self) ? NULL : sub_anext_for(DATA(Hold, self)->sub, self);
}

static PyObject *loop_iternext(PyObject *self)
{
    return gone(self) ? NULL : sub_iternext_for(DATA(Hold, self)->sub, self);
}

static PyObject *loop_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (gone(self))
        return NULL;
    hold_let_go(self);
    return face_done(DATA(Hold, self)->st, DATA(Hold, self)->sub->via.face);
}

/* ------------------------------------------------------------------------------------------------ holds */

static PyObject *hold_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(self);
}

static PyObject *hold_exit(PyObject *self, PyObject *args)
{
    (void)args;
    hold_let_go(self);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------------------ types */

static int hold_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)DATA(Hold, self)->sub);
    return 0;
}

static int hold_clear(PyObject *self)
{
    Hold *hold = DATA(Hold, self);
    hold_let_go(self);
    if (hold->loop && hold->sub != NULL && hold->sub->many) { /* nobody wants the other replies */
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        sub_stop(hold->sub);
        PyErr_Restore(type, value, traceback);
    }
    Py_CLEAR(hold->sub);
    return 0;
}

static void hold_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    hold_clear(self);
    state_drop(DATA(Hold, self)->st);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef async_methods[] = {
    {"aclose", loop_close, METH_NOARGS, "aclose($self)\n--\n\nA drain waits for this loop no longer."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef sync_methods[] = {
    {"close", loop_close, METH_NOARGS, "close($self)\n--\n\nA drain waits for this loop no longer."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef hold_methods[] = {
    {"__enter__", hold_enter, METH_NOARGS, "__enter__($self)\n--\n\nThe hold itself."},
    {"__exit__", hold_exit, METH_VARARGS,
     "__exit__($self, kind, error, trace, /)\n--\n\nThe work is done: a drain waits for it no longer."},
    {NULL, NULL, 0, NULL},
};

#define HOLD_SLOTS                                                                                           \
    {Py_tp_dealloc, hold_dealloc}, {Py_tp_traverse, hold_traverse},                                          \
    {                                                                                                        \
        Py_tp_clear, hold_clear                                                                              \
    }

static char loop_doc[] = "A loop over a subscription; a drain waits until it has ended.";
static char hold_doc[] = "Work on messages of a subscription; a drain waits until it is done.";

static PyType_Slot async_slots[] = {
    HOLD_SLOTS,
    {Py_tp_doc, loop_doc},
    {Py_tp_methods, async_methods},
    {Py_am_aiter, PyObject_SelfIter},
    {Py_am_anext, loop_anext},
    {0, NULL},
};

static PyType_Slot sync_slots[] = {
    HOLD_SLOTS,
    {Py_tp_doc, loop_doc},
    {Py_tp_methods, sync_methods},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, loop_iternext},
    {0, NULL},
};

static PyType_Slot hold_slots[] = {
    HOLD_SLOTS,
    {Py_tp_doc, hold_doc},
    {Py_tp_methods, hold_methods},
    {0, NULL},
};

#define FLAGS                                                                                                \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE)

static PyType_Spec specs[] = {
    {"natskit._natskit.AsyncLoop", sizeof(Hold), 0, FLAGS, async_slots},
    {"natskit._natskit.SyncLoop", sizeof(Hold), 0, FLAGS, sync_slots},
    {"natskit._natskit.Hold", sizeof(Hold), 0, FLAGS, hold_slots},
};

int loop_init(PyObject *module, State *st)
{
    if (type_add(module, &st->loop_type[FACE_ASYNC], &specs[0], "AsyncLoop") < 0 ||
        type_add(module, &st->loop_type[FACE_SYNC], &specs[1], "SyncLoop") < 0)
        return -1;
    return type_add(module, &st->hold_type, &specs[2], "Hold");
}
