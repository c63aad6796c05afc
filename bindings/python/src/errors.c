/* SPDX-License-Identifier: Apache-2.0
 *
 * From a status of natskit to a Python exception. The classes live in natskit/errors.py, which installs them
 * here by status; what a call failed with beside its status (the server's code, errno, ...) becomes
 * attributes.
 */
#include "state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *status_text(natskit_status status)
{
    natskit_status_info info;
    if (natskit_status_describe(status, &info, sizeof info) != NATSKIT_OK)
        return "unknown status";
    return info.text;
}

static int set_number(PyObject *object, PyObject *name, long value)
{
    if (value == 0)
        return 0; /* the class has zeros as defaults */
    PyObject *number = PyLong_FromLong(value);
    if (number == NULL)
        return -1;
    int rc = PyObject_SetAttr(object, name, number);
    Py_DECREF(number);
    return rc;
}

PyObject *error_make(State *st, PyObject *cls, natskit_status status, const natskit_error *err)
{
    bool full = err != NULL && err->status == status;
    const char *text = full && err->text[0] != '\0' ? err->text : status_text(status);
    PyObject *message = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    if (message == NULL)
        return NULL;
    PyObject *object = PyObject_CallFunctionObjArgs(cls, message, NULL);
    Py_DECREF(message);
    if (object == NULL || set_number(object, name_of(st, NAME_status), status) < 0)
        goto fail;
    if (full && (set_number(object, name_of(st, NAME_server_code), err->server_code) < 0 ||
                 set_number(object, name_of(st, NAME_err_code), err->err_code) < 0 ||
                 set_number(object, name_of(st, NAME_errno), err->sys_errno) < 0))
        goto fail;
    return object;
fail:
    Py_XDECREF(object);
    return NULL;
}

/* The class of a status, borrowed; the base for a status that the table lacks. */
static PyObject *error_class(State *st, natskit_status status)
{
    if (st->errors == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "natskit._natskit is used without natskit.errors");
        return NULL;
    }
    PyObject *key = PyLong_FromLong(status);
    if (key == NULL)
        return NULL;
    PyObject *cls = PyDict_GetItemWithError(st->errors, key);
    Py_DECREF(key);
    if (cls == NULL && !PyErr_Occurred())
        cls = st->error_base;
    return cls;
}

PyObject *error_object(State *st, natskit_status status, const natskit_error *err)
{
    PyObject *cls = error_class(st, status);
    return cls == NULL ? NULL : error_make(st, cls, status, err);
}

void *raise_class(State *st, PyObject *cls, natskit_status status, const natskit_error *err)
{
    PyObject *object = cls == NULL ? NULL : error_make(st, cls, status, err);
    if (object == NULL)
        return NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(object), object);
    Py_DECREF(object);
    return NULL;
}

void *raise_status(State *st, natskit_status status, const natskit_error *err)
{
    return raise_class(st, error_class(st, status), status, err);
}

void *raise_text(State *st, natskit_status status, const char *format, ...)
{
    natskit_error err = {.status = status};
    va_list list;
    va_start(list, format);
    vsnprintf(err.text, sizeof err.text, format, list);
    va_end(list);
    return raise_status(st, status, &err);
}

void error_annotate(State *st, int name, PyObject *value)
{
    PyObject *type, *object, *traceback;
    PyErr_Fetch(&type, &object, &traceback);
    PyErr_NormalizeException(&type, &object, &traceback);
    if (object != NULL && value != NULL && PyObject_SetAttr(object, name_of(st, name), value) < 0)
        PyErr_Clear(); /* the error itself matters more than its ornament */
    PyErr_Restore(type, object, traceback);
}

/* _statuses(): what natskit_status_at lists, as tuples (status, class, name, text). */
PyObject *errors_statuses(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *list = PyList_New(0);
    if (list == NULL)
        return NULL;
    natskit_status_info info;
    for (size_t i = 0; natskit_status_at(i, &info, sizeof info) == NATSKIT_OK; i++) {
        PyObject *row =
            Py_BuildValue("(iiss)", (int)info.status, (int)info.status_class, info.name, info.text);
        if (row == NULL || PyList_Append(list, row) < 0) {
            Py_XDECREF(row);
            Py_DECREF(list);
            return NULL;
        }
        Py_DECREF(row);
    }
    return list;
}

/* _install(table, base, subscription_closed, bad_subject, outbox_full, key_wrong_last, functions): called
 * once, when the package is imported. `functions`: later, json_encode, json_decode, handler_failed,
 * handler_start, handler_cancel, auth_pairs, metadata, moment, health. */
PyObject *errors_install(PyObject *module, PyObject *args)
{
    State *st = module_state(module);
    PyObject *table, *base, *sub_closed, *bad_subject, *outbox_full, *key_wrong_last, *functions;
    PyObject *f[10];
    if (!PyArg_ParseTuple(args, "O!OOOOOO!:_install", &PyDict_Type, &table, &base, &sub_closed, &bad_subject,
                          &outbox_full, &key_wrong_last, &PyTuple_Type, &functions) ||
        !PyArg_ParseTuple(functions, "OOOOOOOOOO", &f[0], &f[1], &f[2], &f[3], &f[4], &f[5], &f[6], &f[7],
                          &f[8], &f[9]))
        return NULL;
    set_ref(&st->errors, Py_NewRef(table));
    set_ref(&st->error_base, Py_NewRef(base));
    set_ref(&st->sub_closed, Py_NewRef(sub_closed));
    set_ref(&st->bad_subject, Py_NewRef(bad_subject));
    set_ref(&st->outbox_full, Py_NewRef(outbox_full));
    set_ref(&st->key_wrong_last, Py_NewRef(key_wrong_last));
    set_ref(&st->later, Py_NewRef(f[0]));
    set_ref(&st->json_encode, Py_NewRef(f[1]));
    set_ref(&st->json_decode, Py_NewRef(f[2]));
    set_ref(&st->handler_failed, Py_NewRef(f[3]));
    set_ref(&st->handler_start, Py_NewRef(f[4]));
    set_ref(&st->handler_cancel, Py_NewRef(f[5]));
    set_ref(&st->auth_pairs, Py_NewRef(f[6]));
    set_ref(&st->metadata, Py_NewRef(f[7]));
    set_ref(&st->moment, Py_NewRef(f[8]));
    set_ref(&st->health, Py_NewRef(f[9]));
    Py_RETURN_NONE;
}
