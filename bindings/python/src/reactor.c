/* SPDX-License-Identifier: Apache-2.0
 *
 * The bridge to asyncio: one Reactor per event loop, which holds a waitset whose descriptor the loop watches.
 * When it becomes readable, the loop calls Reactor._collect, which wakes those who await what became ready.
 * It takes nothing itself: a message leaves the core's queue only in the call that returns it, so a cancelled
 * await loses none. Nothing here blocks, and no thread or executor is involved.
 *
 * A source (subscription or operation) belongs to the waitset of the loop that last awaited it. Of those who
 * await one source only the first is woken; once it has taken something, or has given up, it wakes the next,
 * and so on until one finds nothing. So no message waits while somebody waits for it.
 */
#include "state.h"

#include <string.h>

/* Where a tag leads: so that a record of an object that is gone meanwhile finds nothing. */
typedef struct Slot {
    Source *source; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
} Slot;

typedef struct Reactor {
    NKPY_HEAD
    State *st;
    natskit_waitset waitset;
    int32_t fd;
    PyObject *loop; /* weak reference */
    Slot *slots;
    uint32_t count;
    uint32_t capacity;
    uint32_t free; /* first free slot, or NO_SLOT */
    TurnList turns;
    Budget budget;  /* of the handlers' turns */
    bool scheduled; /* the loop will call _dispatch */
} Reactor;

#define NO_SLOT UINT32_MAX

/* ------------------------------------------------------------------------------------------- the slots */

static int slot_grow(Reactor *reactor)
{
    uint32_t capacity = reactor->capacity == 0 ? 16 : reactor->capacity * 2;
    Slot *slots = PyMem_Realloc(reactor->slots, capacity * sizeof *slots);
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    reactor->slots = slots;
    reactor->capacity = capacity;
    return 0;
}

static int slot_take(Reactor *reactor, Source *source, uint32_t *index)
{
    if (reactor->free == NO_SLOT) {
        if (reactor->count == reactor->capacity && slot_grow(reactor) < 0)
            return -1;
        *index = reactor->count++;
        reactor->slots[*index].generation = 1;
    } else {
        *index = reactor->free;
        reactor->free = reactor->slots[*index].next_free;
    }
    reactor->slots[*index].source = source;
    return 0;
}

static void slot_give(Reactor *reactor, uint32_t index)
{
    Slot *slot = &reactor->slots[index];
    slot->source = NULL;
    slot->generation++;
    slot->next_free = reactor->free;
    reactor->free = index;
}

static uint64_t slot_tag(const Reactor *reactor, uint32_t index)
{
    return (uint64_t)reactor->slots[index].generation << 32 | index;
}

static Source *slot_find(const Reactor *reactor, uint64_t tag)
{
    uint32_t index = (uint32_t)tag;
    if (index >= reactor->count || reactor->slots[index].generation != (uint32_t)(tag >> 32))
        return NULL;
    return reactor->slots[index].source;
}

/* --------------------------------------------------------------------------------------------- collect */

/* Gives turns until the budget is spent; the rest have theirs after the loop has lived. */
static int turns_give(PyObject *self)
{
    Reactor *reactor = DATA(Reactor, self);
    int rc = 0;
    budget_reset(&reactor->budget);
    while (reactor->turns.first != NULL && rc == 0) {
        Sub *sub = handle_pop(&reactor->turns);
        Py_INCREF((PyObject *)sub);
        rc = handle_turn(sub, &reactor->budget);
        if (rc != 0 && !sub->closed && sub->source.reactor == reactor)
            handle_push(&reactor->turns, sub);
        Py_DECREF((PyObject *)sub);
    }
    return rc < 0 ? -1 : 0;
}

/* Has the loop give the turns that are left. */
static int turns_schedule(PyObject *self)
{
    Reactor *reactor = DATA(Reactor, self);
    if (reactor->turns.first == NULL || reactor->scheduled)
        return 0;
    PyObject *loop = PyObject_CallNoArgs(reactor->loop);
    PyObject *dispatch = loop == NULL ? NULL : PyObject_GetAttr(self, name_of(reactor->st, NAME__dispatch));
    PyObject *result = NULL;
    if (dispatch != NULL)
        result = PyObject_CallMethodObjArgs(loop, name_of(reactor->st, NAME_call_soon), dispatch, NULL);
    reactor->scheduled = result != NULL;
    Py_XDECREF(dispatch);
    Py_XDECREF(loop);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int turns(PyObject *self)
{
    int rc = turns_give(self);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (turns_schedule(self) < 0 && type == NULL)
        return -1;
    if (type != NULL)
        PyErr_Restore(type, value, traceback);
    return rc;
}

/* _dispatch(): the rest of the turns. */
static PyObject *reactor_dispatch(PyObject *self, PyObject *unused)
{
    (void)unused;
    DATA(Reactor, self)->scheduled = false;
    return turns(self) < 0 ? NULL : Py_NewRef(Py_None);
}

int source_turn(Sub *sub)
{
    Reactor *reactor = sub->source.reactor;
    if (reactor == NULL)
        return 0;
    handle_push(&reactor->turns, sub);
    return turns_schedule((PyObject *)reactor);
}

/* _collect(): the loop calls this when the descriptor is readable. */
static PyObject *reactor_collect(PyObject *self, PyObject *unused)
{
    (void)unused;
    Reactor *reactor = DATA(Reactor, self);
    natskit_ready records[128];
    size_t count = 0;
    bool failed = false;
    /* Not until nothing is left, for who goes on may make more ready: the loop comes back for the rest. */
    if (natskit_waitset_wait(reactor->waitset, records, sizeof records[0], 128, 0, &count) != NATSKIT_OK)
        count = 0; /* nothing there, or closed by natskit_shutdown, which wakes all by itself */
    for (size_t i = 0; i < count; i++) {
        Source *source = slot_find(reactor, records[i].tag);
        if (source == NULL)
            continue;
        if (source->handles != NULL)
            handle_push(&reactor->turns, source->handles);
        else if (failed) /* the first exception goes to the loop; the others are woken all the same */
            source_pass_on(source);
        else
            failed = source_wake(source) < 0;
    }
    if (reactor->turns.first == NULL || reactor->scheduled) /* then the loop gives them their turn */
        return failed ? NULL : Py_NewRef(Py_None);
    if (failed)
        return NULL;
    return turns(self) < 0 ? NULL : Py_NewRef(Py_None);
}

int source_wake(Source *source)
{
    if (source->first == NULL || source->first->future == NULL)
        return 0;
    PyObject *future = Py_NewRef(source->first->future);
    int rc = waiting_run(future);
    Py_DECREF(future);
    return rc;
}

void source_pass_on(Source *source)
{
    if (source->first == NULL || source->first->future == NULL)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (waiting_soon(source->first->future) < 0)
        PyErr_Clear(); /* the loop is closed: nobody waits there any more */
    PyErr_Restore(type, value, traceback);
}

/* ----------------------------------------------------------------------------------- the loop's reactor */

static int running_loop_import(State *st)
{
    PyObject *asyncio = PyImport_ImportModule("asyncio");
    PyObject *weakref = PyImport_ImportModule("weakref");
    PyObject *running = NULL, *dict = NULL;
    if (asyncio != NULL && weakref != NULL) {
        running = PyObject_GetAttrString(asyncio, "get_running_loop");
        PyObject *cls = PyObject_GetAttrString(weakref, "WeakKeyDictionary");
        dict = cls == NULL ? NULL : PyObject_CallNoArgs(cls);
        Py_XDECREF(cls);
    }
    Py_XDECREF(asyncio);
    Py_XDECREF(weakref);
    if (running == NULL || dict == NULL) {
        Py_XDECREF(running);
        Py_XDECREF(dict);
        return -1;
    }
    set_ref(&st->running_loop, running);
    set_ref(&st->reactors, dict);
    return 0;
}

static int watch(State *st, PyObject *loop, Reactor *reactor)
{
    PyObject *fd = PyLong_FromLong(reactor->fd);
    PyObject *collect = PyObject_GetAttrString((PyObject *)reactor, "_collect");
    PyObject *result = NULL;
    if (fd != NULL && collect != NULL)
        result = PyObject_CallMethodObjArgs(loop, name_of(st, NAME_add_reader), fd, collect, NULL);
    Py_XDECREF(collect);
    Py_XDECREF(fd);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* A new reactor for the loop, which watches it from now on. */
static PyObject *reactor_new(State *st, PyObject *loop)
{
    Reactor *reactor = PyObject_New(Reactor, st->reactor_type);
    if (reactor == NULL)
        return NULL;
    reactor->st = state_hold(st);
    reactor->waitset.id = 0;
    reactor->fd = -1;
    reactor->slots = NULL;
    reactor->count = 0;
    reactor->capacity = 0;
    reactor->free = NO_SLOT;
    reactor->turns = (TurnList){NULL, NULL};
    reactor->budget = (Budget){0};
    reactor->scheduled = false;
    reactor->loop = PyWeakref_NewRef(loop, NULL);
    if (reactor->loop == NULL)
        goto fail;
    natskit_status status = natskit_waitset_open(&reactor->waitset);
    if (status == NATSKIT_OK)
        status = natskit_waitset_fd(reactor->waitset, &reactor->fd);
    if (status != NATSKIT_OK) {
        raise_status(st, status, NULL);
        goto fail;
    }
    if (watch(st, loop, reactor) < 0 || PyObject_SetItem(st->reactors, loop, (PyObject *)reactor) < 0)
        goto fail;
    return (PyObject *)reactor;
fail:
    Py_DECREF(reactor);
    return NULL;
}

/* Forgets a reactor whose waitset is gone: made before a fork, or closed by natskit_shutdown. */
static int unwatch(State *st, PyObject *loop, const Reactor *reactor)
{
    PyObject *fd = PyLong_FromLong(reactor->fd);
    if (fd == NULL)
        return -1;
    PyObject *result = PyObject_CallMethodObjArgs(loop, name_of(st, NAME_remove_reader), fd, NULL);
    Py_DECREF(fd);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* The reactor of `loop`, made when first asked for (a new reference). */
static PyObject *reactor_of(State *st, PyObject *loop)
{
    if (st->last_reactor != NULL) {
        PyObject *last = PyObject_CallNoArgs(st->last_loop);
        Py_XDECREF(last); /* the caller holds the loop itself */
        if (last == loop)
            return Py_NewRef(st->last_reactor);
    }
    PyObject *reactor = PyObject_CallMethodObjArgs(st->reactors, name_of(st, NAME_get), loop, NULL);
    if (reactor == Py_None) {
        Py_DECREF(reactor);
        reactor = reactor_new(st, loop);
    }
    if (reactor == NULL)
        return NULL;
    set_ref(&st->last_loop, Py_NewRef(DATA(Reactor, reactor)->loop));
    st->last_reactor = reactor;
    return reactor;
}

/* As reactor_of, but never one whose waitset is gone. */
static PyObject *reactor_alive(State *st, PyObject *loop)
{
    PyObject *object = reactor_of(st, loop);
    if (object == NULL)
        return NULL;
    int32_t fd;
    if (natskit_waitset_fd(DATA(Reactor, object)->waitset, &fd) == NATSKIT_OK)
        return object;
    int rc = unwatch(st, loop, DATA(Reactor, object));
    st->last_reactor = NULL;
    Py_DECREF(object);
    return rc < 0 ? NULL : reactor_new(st, loop);
}

/* 1 if the loop of a reactor exists and is open; -1: exception. `*loop` gets a reference or NULL. */
static int loop_lives(State *st, const Reactor *reactor, PyObject **loop)
{
    *loop = PyObject_CallNoArgs(reactor->loop);
    if (*loop == NULL)
        return -1;
    if (*loop == Py_None)
        return 0;
    PyObject *closed = PyObject_CallMethodObjArgs(*loop, name_of(st, NAME_is_closed), NULL);
    if (closed == NULL)
        return -1;
    int lives = closed == Py_False;
    Py_DECREF(closed);
    return lives;
}

/* ------------------------------------------------------------------------------------------ the sources */

static void list_remove(Waiter *waiter)
{
    Source *source = waiter->source;
    if (source == NULL)
        return;
    *(waiter->prev == NULL ? &source->first : &waiter->prev->next) = waiter->next;
    *(waiter->next == NULL ? &source->last : &waiter->next->prev) = waiter->prev;
    waiter->source = NULL;
    waiter->prev = waiter->next = NULL;
}

/* Into the list, at its end or, who was woken for nothing, back to its front. */
static void list_insert(Source *source, Waiter *waiter, bool front)
{
    waiter->source = source;
    waiter->prev = front ? NULL : source->last;
    waiter->next = front ? source->first : NULL;
    *(waiter->prev == NULL ? &source->first : &waiter->prev->next) = waiter;
    *(waiter->next == NULL ? &source->last : &waiter->next->prev) = waiter;
}

void source_detach(Source *source)
{
    while (source->first != NULL)
        list_remove(source->first);
    Reactor *reactor = source->reactor;
    if (reactor == NULL)
        return;
    source->reactor = NULL;
    if (source->handles != NULL)
        handle_unlink(&reactor->turns, source->handles);
    natskit_waitset_remove(reactor->waitset,
                           source->object); /* an object that is closed was removed by that */
    slot_give(reactor, source->slot);
    Py_DECREF(reactor);
}

/* May the source leave the loop that it belongs to? Not while somebody awaits it there. */
static int source_leave_loop(State *st, Source *source)
{
    if (source->first != NULL) {
        PyObject *loop;
        int lives = loop_lives(st, source->reactor, &loop);
        Py_XDECREF(loop);
        if (lives != 0) {
            if (lives > 0)
                PyErr_SetString(PyExc_RuntimeError, "somebody awaits this in another event loop");
            return -1;
        }
    }
    source_detach(source);
    return 0;
}

/* Puts the source into the waitset of a reactor: the waitset's status; -1 in `*rc` with an exception. */
static natskit_status source_join(State *st, Source *source, PyObject *object, int *rc)
{
    Reactor *reactor = DATA(Reactor, object);
    if (source->reactor != NULL && source->reactor != reactor && (*rc = source_leave_loop(st, source)) < 0)
        return NATSKIT_OK;
    if (source->reactor == NULL) {
        if ((*rc = slot_take(reactor, source, &source->slot)) < 0)
            return NATSKIT_OK;
        source->reactor = (Reactor *)Py_NewRef(object);
    }
    natskit_status status =
        natskit_waitset_add(reactor->waitset, source->object, slot_tag(reactor, source->slot));
    if (status != NATSKIT_OK)
        source_detach(source);
    return status;
}

/* Brings the source into the running loop's waitset. */
static int source_attach(State *st, Source *source, PyObject *loop)
{
    int rc = 0;
    PyObject *object = reactor_of(st, loop);
    if (object == NULL)
        return -1;
    bool again = object == (PyObject *)source->reactor &&
                 natskit_waitset_arm(source->reactor->waitset, source->object) == NATSKIT_OK;
    natskit_status status = again ? NATSKIT_OK : source_join(st, source, object, &rc);
    if (rc == 0 && status != NATSKIT_OK) { /* is it the waitset or the source that is gone? */
        PyObject *alive = reactor_alive(st, loop);
        rc = alive == NULL ? -1 : 0;
        if (rc == 0 && alive != object)
            status = source_join(st, source, alive, &rc);
        Py_XDECREF(alive);
    }
    Py_DECREF(object);
    if (rc == 0 && status != NATSKIT_OK)
        raise_status(st, status, NULL);
    return rc < 0 || status != NATSKIT_OK ? -1 : 0;
}

int source_watch(State *st, Source *source)
{
    if (st->running_loop == NULL && running_loop_import(st) < 0)
        return -1;
    PyObject *loop = PyObject_CallNoArgs(st->running_loop);
    int rc = loop == NULL ? -1 : source_attach(st, source, loop);
    Py_XDECREF(loop);
    return rc;
}

void source_arm(Source *source)
{
    if (source->reactor != NULL)
        natskit_waitset_arm(source->reactor->waitset, source->object); /* fails only for what is closed */
}

/* A turn for a subscription with a handler, asked for by any thread. */
static void turn_soon(State *st, PyObject *loop, Sub *sub)
{
    PyObject *finished = PyObject_GetAttr((PyObject *)sub, name_of(st, NAME__finished));
    PyObject *result = NULL;
    if (finished != NULL)
        result =
            PyObject_CallMethodObjArgs(loop, name_of(st, NAME_call_soon_threadsafe), finished, Py_None, NULL);
    Py_XDECREF(finished);
    Py_XDECREF(result);
}

void source_wake_all(State *st, Source *source)
{
    if ((source->first == NULL && source->handles == NULL) || source->reactor == NULL)
        return;
    PyObject *loop;
    int lives = loop_lives(st, source->reactor, &loop);
    /* Each call may give up the GIL, and what waits may be gone after it: so they are gathered before. */
    PyObject *futures = lives > 0 ? PyList_New(0) : NULL;
    int ok = futures != NULL;
    for (Waiter *waiter = source->first; ok && waiter != NULL; waiter = waiter->next)
        ok = waiter->future == NULL || PyList_Append(futures, waiter->future) == 0;
    if (lives > 0 && source->handles != NULL)
        turn_soon(st, loop, source->handles);
    for (Py_ssize_t i = 0; ok && i < PyList_Size(futures); i++) {
        PyObject *result = PyObject_CallMethodObjArgs(loop, name_of(st, NAME_call_soon_threadsafe),
                                                      st->settle, PyList_GetItem(futures, i), NULL);
        ok = result != NULL; /* else the loop was closed this moment: nobody waits any more */
        Py_XDECREF(result);
    }
    PyErr_Clear();
    Py_XDECREF(futures);
    Py_XDECREF(loop);
}

/* ------------------------------------------------------------------------------------------ the waiters */

static int timer_start(State *st, Waiter *waiter, PyObject *loop, int64_t timeout_ms)
{
    PyObject *delay = PyFloat_FromDouble((double)timeout_ms / 1000.0);
    if (delay == NULL)
        return -1;
    waiter->timer = PyObject_CallMethodObjArgs(loop, name_of(st, NAME_call_later), delay, st->settle,
                                               waiter->future, NULL);
    Py_DECREF(delay);
    return waiter->timer == NULL ? -1 : 0;
}

PyObject *waiter_suspend(State *st, Waiter *waiter, Source *source, int64_t timeout_ms, bool front)
{
    if (st->running_loop == NULL && running_loop_import(st) < 0)
        return NULL;
    PyObject *loop = PyObject_CallNoArgs(st->running_loop);
    if (loop == NULL)
        return NULL;
    PyObject *future = NULL;
    if (source_attach(st, source, loop) < 0)
        goto fail;
    future = waiting_new(st, loop);
    if (future == NULL)
        goto fail;
    waiter->future = future;
    if (timeout_ms >= 0 && timer_start(st, waiter, loop, timeout_ms) < 0)
        goto fail;
    list_insert(source, waiter, front);
    Py_DECREF(loop);
    return Py_NewRef(future);
fail:
    waiter_leave(st, waiter);
    Py_DECREF(loop);
    return NULL;
}

void waiter_leave(State *st, Waiter *waiter)
{
    list_remove(waiter);
    if (waiter->timer != NULL && name_of(st, NAME_cancel) != NULL) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyObject *result = PyObject_CallMethodObjArgs(waiter->timer, name_of(st, NAME_cancel), NULL);
        if (result == NULL)
            PyErr_Clear();
        Py_XDECREF(result);
        PyErr_Restore(type, value, traceback);
    }
    Py_CLEAR(waiter->timer);
    Py_CLEAR(waiter->future);
}

int waiter_traverse(Waiter *waiter, visitproc visit, void *arg)
{
    Py_VISIT(waiter->future);
    Py_VISIT(waiter->timer);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ type */

int reactor_wake_everything(State *st)
{
    if (st->reactors == NULL)
        return 0;
    PyObject *values = PyObject_CallMethod(st->reactors, "values", NULL);
    PyObject *reactors = values == NULL ? NULL : PySequence_List(values);
    Py_XDECREF(values);
    if (reactors == NULL)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_Size(reactors); i++) {
        Reactor *reactor = DATA(Reactor, PyList_GetItem(reactors, i));
        for (uint32_t k = 0; k < reactor->count; k++)
            if (reactor->slots[k].source != NULL)
                source_wake_all(st, reactor->slots[k].source);
    }
    Py_DECREF(reactors);
    return 0;
}

static void reactor_dealloc(PyObject *self)
{
    Reactor *reactor = DATA(Reactor, self);
    PyTypeObject *type = Py_TYPE(self);
    if (reactor->st->last_reactor == self)
        reactor->st->last_reactor = NULL;
    if (reactor->waitset.id != 0)
        natskit_waitset_close(reactor->waitset);
    PyMem_Free(reactor->slots);
    Py_XDECREF(reactor->loop);
    state_drop(reactor->st);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef reactor_methods[] = {
    {"_collect", reactor_collect, METH_NOARGS,
     "_collect($self)\n--\n\nWakes those who await what became ready."},
    {"_dispatch", reactor_dispatch, METH_NOARGS, "_dispatch($self)\n--\n\nGives handlers their turns."},
    {NULL, NULL, 0, NULL},
};

static char reactor_doc[] = "The waitset of one event loop.";

static PyType_Slot reactor_slots[] = {
    {Py_tp_doc, reactor_doc},
    {Py_tp_dealloc, reactor_dealloc},
    {Py_tp_methods, reactor_methods},
    {0, NULL},
};

static PyType_Spec reactor_spec = {
    .name = "natskit._natskit.Reactor",
    .basicsize = sizeof(Reactor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reactor_slots,
};

int reactor_init(PyObject *module, State *st)
{
    return type_add(module, &st->reactor_type, &reactor_spec, "Reactor");
}
