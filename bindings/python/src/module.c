/* SPDX-License-Identifier: Apache-2.0
 *
 * The module natskit._natskit: its state, its types and what concerns the whole library. Multi-phase
 * initialisation, so that every interpreter has a module of its own; the slots that newer Pythons ask for are
 * chosen by the version that runs.
 */
#include "state.h"

#include <string.h>

/* -------------------------------------------------------------------------------------------- the state */

State *state_hold(State *st)
{
    st->refs++;
    return st;
}

void state_drop(State *st)
{
    if (--st->refs == 0)
        PyMem_Free(st);
}

State *module_state(PyObject *module)
{
    return *(State **)PyModule_GetState(module);
}

State *type_state(PyTypeObject *type)
{
    State **state = PyType_GetModuleState(type);
    return state == NULL ? NULL : *state;
}

/* Every object that the state owns. */
#define STATE_OBJECTS(X)                                                                                     \
    X(msg_type[FACE_ASYNC])                                                                                  \
    X(msg_type[FACE_SYNC])                                                                                   \
    X(conn_type[FACE_ASYNC])                                                                                 \
    X(conn_type[FACE_SYNC])                                                                                  \
    X(sub_type[FACE_ASYNC])                                                                                  \
    X(sub_type[FACE_SYNC])                                                                                   \
    X(events_type[FACE_ASYNC])                                                                               \
    X(events_type[FACE_SYNC])                                                                                \
    X(event_type)                                                                                            \
    X(headers_type)                                                                                          \
    X(ready_type)                                                                                            \
    X(next_type)                                                                                             \
    X(loop_type[FACE_ASYNC])                                                                                 \
    X(loop_type[FACE_SYNC])                                                                                  \
    X(hold_type)                                                                                             \
    X(finish_type)                                                                                           \
    X(reactor_type)                                                                                          \
    X(js_type[FACE_ASYNC])                                                                                   \
    X(js_type[FACE_SYNC])                                                                                    \
    X(status_type)                                                                                           \
    X(publisher_type[FACE_SYNC])                                                                             \
    X(publisher_type[FACE_ASYNC])                                                                            \
    X(outcome_type)                                                                                          \
    X(ack_type)                                                                                              \
    X(batch_type[FACE_ASYNC])                                                                                \
    X(batch_type[FACE_SYNC])                                                                                 \
    X(ingest_type[FACE_ASYNC])                                                                               \
    X(ingest_type[FACE_SYNC])                                                                                \
    X(kv_type[FACE_ASYNC])                                                                                   \
    X(kv_type[FACE_SYNC])                                                                                    \
    X(entry_type)                                                                                            \
    X(service_type)                                                                                          \
    X(object_store_type[FACE_ASYNC])                                                                         \
    X(object_store_type[FACE_SYNC])                                                                          \
    X(object_writer_type[FACE_ASYNC])                                                                        \
    X(object_writer_type[FACE_SYNC])                                                                         \
    X(object_reader_type[FACE_ASYNC])                                                                        \
    X(object_reader_type[FACE_SYNC])                                                                         \
    X(object_info_type)                                                                                      \
    X(watcher_type[FACE_ASYNC])                                                                              \
    X(watcher_type[FACE_SYNC])                                                                               \
    X(stored_type)                                                                                           \
    X(reading_type[FACE_ASYNC])                                                                              \
    X(reading_type[FACE_SYNC])                                                                               \
    X(errors)                                                                                                \
    X(error_base)                                                                                            \
    X(sub_closed)                                                                                            \
    X(bad_subject)                                                                                           \
    X(outbox_full)                                                                                           \
    X(key_wrong_last)                                                                                        \
    X(json_encode)                                                                                           \
    X(json_decode)                                                                                           \
    X(handler_failed)                                                                                        \
    X(handler_start)                                                                                         \
    X(handler_cancel)                                                                                        \
    X(metadata)                                                                                              \
    X(moment)                                                                                                \
    X(health)                                                                                                \
    X(auth_pairs)                                                                                            \
    X(later)                                                                                                 \
    X(done)                                                                                                  \
    X(settle)                                                                                                \
    X(running_loop)                                                                                          \
    X(reactors)                                                                                              \
    X(last_loop)

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *st = module_state(module);
    if (st == NULL)
        return 0;
#define VISIT(field) Py_VISIT((PyObject *)st->field);
    STATE_OBJECTS(VISIT)
#undef VISIT
    return 0;
}

static int module_clear(PyObject *module)
{
    State *st = module_state(module);
    if (st == NULL)
        return 0;
    st->last_reactor = NULL;
#define CLEAR(field) Py_CLEAR(st->field);
    STATE_OBJECTS(CLEAR)
#undef CLEAR
    for (int i = 0; i < NAMES; i++)
        Py_CLEAR(st->names[i]);
    return 0;
}

static void module_free(void *object)
{
    PyObject *module = object;
    State *st = module_state(module);
    if (st == NULL)
        return;
    module_clear(module);
    if (st->spare.id != 0)
        natskit_headers_close(st->spare);
    st->spare.id = 0;
    state_drop(st);
}

static int names_init(State *st)
{
    static const char *const texts[] = {
#define NKPY_TEXT(name) #name,
        NKPY_NAMES(NKPY_TEXT)
#undef NKPY_TEXT
    };
    for (int i = 0; i < NAMES; i++)
        if ((st->names[i] = PyUnicode_InternFromString(texts[i])) == NULL)
            return -1;
    return 0;
}

/* Up the bases to a type of ours, which alone has this destructor (those of classes made by Python code have
 * Python's). */
State *base_state(PyTypeObject *type, destructor own)
{
    while (type != NULL && PyType_GetSlot(type, Py_tp_dealloc) != (void *)(uintptr_t)own)
        type = PyType_GetSlot(type, Py_tp_base);
    if (type != NULL)
        return type_state(type);
    PyErr_SetString(PyExc_TypeError, "not a type of natskit");
    return NULL;
}

int type_add(PyObject *module, PyTypeObject **slot, PyType_Spec *spec, const char *name)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *slot == NULL ? -1 : PyModule_AddObjectRef(module, name, (PyObject *)*slot);
}

/* ---------------------------------------------------------------------------------------------- options */

/* _options(scope): the library's options as tuples (name, type, default, unit, min, max, text, secret). */
static PyObject *options_table(PyObject *module, PyObject *scope)
{
    (void)module;
    long number = PyLong_AsLong(scope);
    if (number == -1 && PyErr_Occurred())
        return NULL;
    PyObject *list = PyList_New(0);
    natskit_option_info info;
    for (size_t i = 0; list != NULL; i++) {
        if (natskit_option_at((int32_t)number, i, &info, sizeof info) != NATSKIT_OK)
            break;
        PyObject *row =
            Py_BuildValue("(sissLLsN)", info.name, (int)info.type, info.default_text, info.unit,
                          (long long)info.min, (long long)info.max, info.text, PyBool_FromLong(info.secret));
        if (row == NULL || PyList_Append(list, row) < 0)
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

static int option_text(State *st, natskit_options options, const Text *name, PyObject *value, bool append)
{
    Text text;
    if (text_arg(st, value, "an option", NULL, &text) < 0)
        return -1;
    natskit_error err = {0};
    natskit_status status =
        append ? natskit_options_add(options, name->data, name->len, text.data, text.len, &err)
               : natskit_options_set(options, name->data, name->len, text.data, text.len, &err);
    text_done(&text);
    if (status != NATSKIT_OK)
        raise_status(st, status, &err);
    return status == NATSKIT_OK ? 0 : -1;
}

static int option_context(State *st, natskit_options options, PyObject *value)
{
    Text text;
    if (text_arg(st, value, "context", NULL, &text) < 0)
        return -1;
    natskit_error err = {0};
    natskit_status status = natskit_options_context(options, text.data, text.len, &err);
    text_done(&text);
    if (status != NATSKIT_OK)
        raise_status(st, status, &err);
    return status == NATSKIT_OK ? 0 : -1;
}

static int option_number(State *st, natskit_options options, const Text *name, PyObject *value)
{
    natskit_error err = {0};
    long long number = PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        raise_text(st, NATSKIT_INVALID, "%.64s: too large a number", name->data);
        return -1;
    }
    natskit_status status = natskit_options_set_int(options, name->data, name->len, number, &err);
    if (status != NATSKIT_OK)
        raise_status(st, status, &err);
    return status == NATSKIT_OK ? 0 : -1;
}

/* One pair (name, value); the value is str, int or bool, or a list of str. The name None stands for a
 * context. */
static int option_pair(State *st, natskit_options options, PyObject *pair)
{
    PyObject *name, *value;
    Text text;
    if (!PyArg_ParseTuple(pair, "OO:option", &name, &value))
        return -1;
    if (name == Py_None)
        return option_context(st, options, value);
    if (text_arg(st, name, "option", NULL, &text) < 0)
        return -1;
    int rc = 0;
    if (PyLong_Check(value)) {
        rc = option_number(st, options, &text, value);
    } else if (PyList_Check(value)) {
        for (Py_ssize_t i = 0; rc == 0 && i < PyList_Size(value); i++)
            rc = option_text(st, options, &text, PyList_GetItem(value, i), true);
    } else {
        rc = option_text(st, options, &text, value, false);
    }
    text_done(&text);
    return rc;
}

int options_arg(State *st, int32_t scope, PyObject *pairs, natskit_options *out)
{
    out->id = 0;
    if (!PyList_Check(pairs)) {
        PyErr_SetString(PyExc_TypeError, "options must be a list of pairs");
        return -1;
    }
    Py_ssize_t count = PyList_Size(pairs);
    if (count == 0)
        return 0;
    natskit_status status = natskit_options_open(scope, out);
    if (status != NATSKIT_OK) {
        raise_status(st, status, NULL);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (option_pair(st, *out, PyList_GetItem(pairs, i)) < 0) {
            natskit_options_close(*out);
            out->id = 0;
            return -1;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------- the library */

static PyObject *module_version(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    const char *text = "";
    natskit_version(NULL, NULL, &text);
    return PyUnicode_FromString(text);
}

static PyObject *module_counters(PyObject *module, PyObject *unused)
{
    (void)unused;
    natskit_counters c;
    natskit_status status = natskit_counters_get(&c, sizeof c);
    if (status != NATSKIT_OK)
        return raise_status(module_state(module), status, NULL);
    return Py_BuildValue("{sK,sK,sK,sK,sK,sK,sK,sK,sK,sK,sK,sK,sK,sK,sK,sK,sK}", "options",
                         (unsigned long long)c.options, "headers", (unsigned long long)c.headers, "conns",
                         (unsigned long long)c.conns, "subs", (unsigned long long)c.subs, "ops",
                         (unsigned long long)c.ops, "waitsets", (unsigned long long)c.waitsets, "jsons",
                         (unsigned long long)c.jsons, "msgs", (unsigned long long)c.msgs, "allocated_bytes",
                         (unsigned long long)c.allocated_bytes, "threads", (unsigned long long)c.threads,
                         "contexts", (unsigned long long)c.contexts, "publishers",
                         (unsigned long long)c.publishers, "kvs", (unsigned long long)c.kvs, "services",
                         (unsigned long long)c.services, "object_stores", (unsigned long long)c.object_stores,
                         "object_writers", (unsigned long long)c.object_writers, "object_readers",
                         (unsigned long long)c.object_readers);
}

/* _dump(): every live object as JSON text */
static PyObject *module_dump(PyObject *module, PyObject *unused)
{
    (void)unused;
    size_t cap = 16384, len = 0;
    for (;;) {
        char *buf = PyMem_Malloc(cap);
        if (buf == NULL)
            return PyErr_NoMemory();
        natskit_status status = natskit_dump(buf, cap, &len);
        PyObject *text = status == NATSKIT_OK ? text_new(buf, len) : NULL;
        PyMem_Free(buf);
        if (status == NATSKIT_OK)
            return text;
        if (status != NATSKIT_LIMIT)
            return raise_status(module_state(module), status, NULL);
        cap = len + len / 4; /* there may be more by then */
    }
}

static PyObject *module_nuid(PyObject *module, PyObject *unused)
{
    (void)unused;
    char buf[64];
    size_t len = 0;
    natskit_status status = natskit_nuid(buf, sizeof buf, &len);
    return status == NATSKIT_OK ? text_new(buf, len) : raise_status(module_state(module), status, NULL);
}

static natskit_status shutdown_block(void *arg, int64_t slice_ms)
{
    (void)arg;
    return natskit_shutdown(slice_ms);
}

static PyObject *module_shutdown(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const Signature sig = {"shutdown", 1, 0, 1, {NAME_timeout}};
    State *st = module_state(module);
    PyObject *timeout;
    int64_t timeout_ms;
    if (match(st, &sig, args, nargs, kwnames, &timeout) < 0 ||
        timeout_arg(st, timeout, 5000, &timeout_ms) < 0)
        return NULL;
    st->spare.id = 0; /* closed with all the rest */
    natskit_status status;
    if (block(st, shutdown_block, NULL, timeout_ms, &status) < 0)
        return NULL;
    if (reactor_wake_everything(st) < 0)
        return NULL;
    return status == NATSKIT_OK ? Py_NewRef(Py_None) : raise_status(st, status, NULL);
}

/* ------------------------------------------------------------------------------------------------- init */

static PyMethodDef functions[] = {
    {"version", module_version, METH_NOARGS, "version($module)\n--\n\nVersion of the library, like '0.1.0'."},
    {"nuid", module_nuid, METH_NOARGS, "nuid($module)\n--\n\nA new unique token of 22 letters and digits."},
    {"counters", module_counters, METH_NOARGS,
     "counters($module)\n--\n\nLive objects and resources of the whole process."},
    {"_dump", module_dump, METH_NOARGS, "_dump($module)\n--\n\nEvery live object as JSON text."},
    {"shutdown", (PyCFunction)(void (*)(void))module_shutdown, METH_FASTCALL | METH_KEYWORDS,
     "shutdown($module, timeout=5.0)\n--\n\nCloses everything and ends the library's threads; blocks."},
    {"_statuses", errors_statuses, METH_NOARGS,
     "_statuses($module)\n--\n\nEvery status as (status, class, name, text)."},
    {"_options", options_table, METH_O,
     "_options($module, scope, /)\n--\n\nEvery option as (name, type, default, unit, min, max, text, "
     "secret)."},
    {"_install", errors_install, METH_VARARGS,
     "_install($module, table, base, subscription_closed, bad_subject, outbox_full, key_wrong_last, "
     "functions, /)\n--\n\n"
     "Takes the exceptions over, and the functions that are written in Python."},
    {"_nkey_create", auth_nkey_create, METH_O,
     "_nkey_create($module, role, /)\n--\n\nThe seed of a new key; the role is a letter's number."},
    {"_nkey_public", auth_nkey_public, METH_O, "_nkey_public($module, seed, /)\n--\n\nThe public key."},
    {"_nkey_sign", auth_nkey_sign, METH_VARARGS, "_nkey_sign($module, seed, data, /)\n--\n\nA signature."},
    {"_nkey_verify", auth_nkey_verify, METH_VARARGS,
     "_nkey_verify($module, key, data, signature, /)\n--\n\nWhether a signature holds."},
    {"_jwt_issue_user", auth_jwt_issue_user, METH_VARARGS,
     "_jwt_issue_user($module, seed, user, options, /)\n--\n\nA user's JWT."},
    {"_jwt_expiry", auth_jwt_expiry, METH_O,
     "_jwt_expiry($module, jwt, /)\n--\n\nNanoseconds since 1970, or 0."},
    {"_creds_format", auth_creds_format, METH_VARARGS,
     "_creds_format($module, jwt, seed, /)\n--\n\nThe text of a credentials file."},
    {"_js_calls", js_calls, METH_NOARGS,
     "_js_calls($module)\n--\n\nThe calls of the JetStream API as (name, arguments, since, text)."},
    {"_js_fields", js_fields, METH_NOARGS,
     "_js_fields($module)\n--\n\nThe fields of configurations as (object, name, type, values, level, text)."},
    {"_object_config", object_config, METH_O,
     "_object_config($module, configuration, /)\n--\n\nThe configuration of the stream behind a store."},
    {"_trace_tree", trace_tree, METH_O,
     "_trace_tree($module, events, /)\n--\n\nWhat servers tell of a message, put together."},
    {"_settle", waiting_settle, METH_O,
     "_settle($module, waiting, /)\n--\n\nGoes on with the task that waits for this, if any."},
    {NULL, NULL, 0, NULL},
};

static int types_init(PyObject *module, State *st)
{
    if (msg_init(module, st) < 0 || event_init(module, st) < 0 || headers_init(module, st) < 0 ||
        conn_init(module, st) < 0 || sub_init(module, st) < 0 || wait_init(module, st) < 0 ||
        next_init(module, st) < 0 || loop_init(module, st) < 0 || js_init(module, st) < 0 ||
        pull_init(module, st) < 0 || kv_init(module, st) < 0 || object_init(module, st) < 0 ||
        stored_init(module, st) < 0 || batch_init(module, st) < 0 || jspub_init(module, st) < 0 ||
        publisher_init(module, st) < 0 || ingest_init(module, st) < 0 || service_init(module, st) < 0)
        return -1;
    return waiting_init(module, st) < 0 ? -1 : reactor_init(module, st);
}

static int scopes_init(PyObject *module)
{
    static const struct {
        const char *name;
        int number;
    } scopes[] = {
        {"OPTIONS_CONNECT", NATSKIT_OPTIONS_CONNECT},
        {"OPTIONS_SUBSCRIBE", NATSKIT_OPTIONS_SUBSCRIBE},
        {"OPTIONS_EVENTS", NATSKIT_OPTIONS_EVENTS},
        {"OPTIONS_REQUEST", NATSKIT_OPTIONS_REQUEST},
        {"OPTIONS_USER_JWT", NATSKIT_OPTIONS_USER_JWT},
        {"OPTIONS_AUTH", NATSKIT_OPTIONS_AUTH},
        {"OPTIONS_JETSTREAM", NATSKIT_OPTIONS_JETSTREAM},
        {"OPTIONS_PUBLISHER", NATSKIT_OPTIONS_PUBLISHER},
        {"OPTIONS_FETCH", NATSKIT_OPTIONS_FETCH},
        {"OPTIONS_CONSUME", NATSKIT_OPTIONS_CONSUME},
        {"OPTIONS_KV_WATCH", NATSKIT_OPTIONS_KV_WATCH},
        {"OPTIONS_OBJECT_PUT", NATSKIT_OPTIONS_OBJECT_PUT},
        {"OPTIONS_OBJECT_WATCH", NATSKIT_OPTIONS_OBJECT_WATCH},
        {"OPTIONS_ORDERED", NATSKIT_OPTIONS_ORDERED},
        {"OPTIONS_BATCH", NATSKIT_OPTIONS_BATCH},
        {"OPTIONS_INGEST", NATSKIT_OPTIONS_INGEST},
        {"OPTIONS_SERVICE", NATSKIT_OPTIONS_SERVICE},
        {"OPTIONS_GET_BATCH", NATSKIT_OPTIONS_GET_BATCH},
        {"OPTIONS_GET_LAST", NATSKIT_OPTIONS_GET_LAST},
        {"GET_NEXT", NATSKIT_GET_NEXT},
        {"GET_BY_LEADER", NATSKIT_GET_BY_LEADER},
        {"OPTIONS_KV", NATSKIT_OPTIONS_KV},
        {"OPTIONS_KV_SWEEP", NATSKIT_OPTIONS_KV_SWEEP},
        {"OPTIONS_PUSH", NATSKIT_OPTIONS_PUSH},
        {"OPTIONS_KV_MANY", NATSKIT_OPTIONS_KV_MANY},
        {"OPTIONS_REQUEST_MANY", NATSKIT_OPTIONS_REQUEST_MANY},
    };
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++)
        if (PyModule_AddIntConstant(module, scopes[i].name, scopes[i].number) < 0)
            return -1;
    return 0;
}

static int module_exec(PyObject *module)
{
    State *st = PyMem_Calloc(1, sizeof *st);
    if (st == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *(State **)PyModule_GetState(module) = state_hold(st);
    if (names_init(st) < 0 || types_init(module, st) < 0)
        return -1;
    st->settle = PyObject_GetAttrString(module, "_settle");
    return st->settle == NULL ? -1 : scopes_init(module);
}

/* Numbers of slots that the limited API of 3.11 does not name, with the values that newer headers give them.
 */
#define SLOT_MULTIPLE_INTERPRETERS 3 /* since 3.12 */
#define PER_INTERPRETER_GIL ((void *)2)
#define SLOT_GIL 4 /* since 3.13 */
#define GIL_USED ((void *)0)

static PyModuleDef_Slot slots_311[] = {{Py_mod_exec, (void *)(uintptr_t)module_exec}, {0, NULL}};
static PyModuleDef_Slot slots_312[] = {{Py_mod_exec, (void *)(uintptr_t)module_exec},
                                       {SLOT_MULTIPLE_INTERPRETERS, PER_INTERPRETER_GIL},
                                       {0, NULL}};
static PyModuleDef_Slot slots_313[] = {{Py_mod_exec, (void *)(uintptr_t)module_exec},
                                       {SLOT_MULTIPLE_INTERPRETERS, PER_INTERPRETER_GIL},
                                       {SLOT_GIL, GIL_USED},
                                       {0, NULL}};

#define MODULE_DEF(slots)                                                                                    \
    {                                                                                                        \
        PyModuleDef_HEAD_INIT, "natskit._natskit", "The C part of natskit.", sizeof(State *), functions,     \
            slots, module_traverse, module_clear, module_free                                                \
    }

PyMODINIT_FUNC PyInit__natskit(void);

PyMODINIT_FUNC PyInit__natskit(void)
{
    static PyModuleDef def_311 = MODULE_DEF(slots_311);
    static PyModuleDef def_312 = MODULE_DEF(slots_312);
    static PyModuleDef def_313 = MODULE_DEF(slots_313);
    if (Py_Version >= 0x030d0000)
        return PyModuleDef_Init(&def_313);
    return PyModuleDef_Init(Py_Version >= 0x030c0000 ? &def_312 : &def_311);
}
