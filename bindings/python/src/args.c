/* SPDX-License-Identifier: Apache-2.0
 *
 * From Python arguments to what natskit.h takes: matching of fast calls, text, payloads, headers, seconds. A
 * wrong type is a TypeError; a value of the right type that cannot be used is natskit.errors.InvalidError.
 */
#include "state.h"

#include <string.h>

static int index_of(const State *st, const Signature *sig, PyObject *keyword)
{
    for (int i = 0; i < sig->count; i++)
        if (name_of(st, sig->names[i]) == keyword) /* both are interned, as a rule */
            return i;
    for (int i = 0; i < sig->count; i++)
        if (PyUnicode_Compare(name_of(st, sig->names[i]), keyword) == 0)
            return i;
    return -1;
}

static int match_keywords(const State *st, const Signature *sig, PyObject *const *values, PyObject *kwnames,
                          PyObject **out)
{
    Py_ssize_t count = PyTuple_Size(kwnames);
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *keyword = PyTuple_GetItem(kwnames, k);
        int i = index_of(st, sig, keyword);
        if (i < 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", sig->function,
                         keyword);
            return -1;
        }
        if (out[i] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", sig->function,
                         keyword);
            return -1;
        }
        out[i] = values[k];
    }
    return 0;
}

int match(const State *st, const Signature *sig, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
          PyObject **out)
{
    if (nargs > sig->positional) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d positional arguments (%zd given)", sig->function,
                     sig->positional, nargs);
        return -1;
    }
    for (int i = 0; i < sig->count; i++)
        out[i] = i < nargs ? args[i] : NULL;
    if (kwnames != NULL && match_keywords(st, sig, args + nargs, kwnames, out) < 0)
        return -1;
    for (int i = 0; i < sig->required; i++) {
        if (out[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%U'", sig->function,
                         name_of(st, sig->names[i]));
            return -1;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------- text */

PyObject *text_new(const char *data, size_t len)
{
    /* Bytes that are no UTF-8 survive a round trip: reply subjects may hold them. */
    return PyUnicode_DecodeUTF8(data, (Py_ssize_t)len, "surrogateescape");
}

/* Text that text_new made from bytes that are no UTF-8. */
static int text_escaped(State *st, PyObject *value, const char *what, Text *out)
{
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return -1;
    PyErr_Clear();
    PyObject *bytes = PyUnicode_AsEncodedString(value, "utf-8", "surrogateescape");
    if (bytes == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
            return -1;
        PyErr_Clear();
        raise_text(st, NATSKIT_INVALID, "%s: cannot be written as UTF-8", what);
        return -1;
    }
    out->data = PyBytes_AsString(bytes);
    out->len = (size_t)PyBytes_Size(bytes);
    out->owner = bytes;
    return 0;
}

int text_arg(State *st, PyObject *value, const char *what, const char *missing, Text *out)
{
    out->owner = NULL;
    if (value == NULL || (value == Py_None && missing != NULL)) {
        out->data = missing;
        out->len = missing == NULL ? 0 : strlen(missing);
        return 0;
    }
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %R", what, (PyObject *)Py_TYPE(value));
        return -1;
    }
    Py_ssize_t len;
    out->data = PyUnicode_AsUTF8AndSize(value, &len);
    if (out->data == NULL)
        return text_escaped(st, value, what, out);
    out->len = (size_t)len;
    return 0;
}

void text_done(Text *text)
{
    Py_CLEAR(text->owner);
}

/* ---------------------------------------------------------------------------------------------- payload */

int payload_arg(State *st, PyObject *value, Payload *out)
{
    out->held = false;
    out->data = NULL;
    out->len = 0;
    if (value == NULL)
        return 0;
    if (PyBytes_Check(value)) {
        out->data = PyBytes_AsString(value);
        out->len = (size_t)PyBytes_Size(value);
        return 0;
    }
    if (PyUnicode_Check(value)) {
        Py_ssize_t len;
        out->data = PyUnicode_AsUTF8AndSize(value, &len);
        if (out->data == NULL) {
            if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                PyErr_Clear();
                raise_text(st, NATSKIT_INVALID, "payload: cannot be written as UTF-8");
            }
            return -1;
        }
        out->len = (size_t)len;
        return 0;
    }
    if (!PyObject_CheckBuffer(value)) {
        PyErr_Format(PyExc_TypeError, "payload must be bytes-like or str, not %R",
                     (PyObject *)Py_TYPE(value));
        return -1;
    }
    if (PyObject_GetBuffer(value, &out->view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        PyErr_SetString(PyExc_TypeError, "payload: its buffer is not contiguous");
        return -1;
    }
    out->data = out->view.buf;
    out->len = (size_t)out->view.len;
    out->held = true;
    return 0;
}

void payload_done(Payload *payload)
{
    if (payload->held)
        PyBuffer_Release(&payload->view);
    payload->held = false;
}

/* ---------------------------------------------------------------------------------------------- headers */

static int add_header(State *st, natskit_headers headers, const Text *name, PyObject *value)
{
    Text text;
    if (text_arg(st, value, "a header's value", NULL, &text) < 0)
        return -1;
    natskit_error err = {0};
    natskit_status status = natskit_headers_add(headers, name->data, name->len, text.data, text.len, &err);
    text_done(&text);
    if (status != NATSKIT_OK)
        raise_status(st, status, &err);
    return status == NATSKIT_OK ? 0 : -1;
}

/* One name with one value, or with a sequence of them. */
static int add_headers(State *st, natskit_headers headers, PyObject *name, PyObject *value)
{
    Text text;
    if (text_arg(st, name, "a header's name", NULL, &text) < 0)
        return -1;
    int rc = 0;
    if (PyUnicode_Check(value)) {
        rc = add_header(st, headers, &text, value);
    } else if (PyList_Check(value) || PyTuple_Check(value)) {
        Py_ssize_t count = PySequence_Size(value);
        for (Py_ssize_t i = 0; rc == 0 && i < count; i++) {
            PyObject *item = PySequence_GetItem(value, i);
            rc = item == NULL ? -1 : add_header(st, headers, &text, item);
            Py_XDECREF(item);
        }
    } else {
        PyErr_Format(PyExc_TypeError, "a header's value must be str or a list of str, not %R",
                     (PyObject *)Py_TYPE(value));
        rc = -1;
    }
    text_done(&text);
    return rc;
}

static int add_pair(State *st, natskit_headers headers, PyObject *pair)
{
    bool two = (PyTuple_Check(pair) || PyList_Check(pair)) && PySequence_Size(pair) == 2;
    if (!two) {
        PyErr_SetString(PyExc_TypeError, "headers must be a mapping or pairs of (name, value)");
        return -1;
    }
    PyObject *name = PySequence_GetItem(pair, 0);
    PyObject *value = PySequence_GetItem(pair, 1);
    int rc = name == NULL || value == NULL ? -1 : add_headers(st, headers, name, value);
    Py_XDECREF(name);
    Py_XDECREF(value);
    return rc;
}

static int add_dict(State *st, natskit_headers headers, PyObject *dict)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &name, &value)) /* nothing in here runs Python code that could change it */
        if (add_headers(st, headers, name, value) < 0)
            return -1;
    return 0;
}

static int add_iterable(State *st, natskit_headers headers, PyObject *value)
{
    PyObject *pairs = NULL;
    if (PyObject_HasAttr(value, name_of(st, NAME_items)))
        pairs = PyObject_CallMethodObjArgs(value, name_of(st, NAME_items), NULL);
    else if (!PyUnicode_Check(value) && !PyBytes_Check(value))
        pairs = Py_NewRef(value);
    PyObject *iterator = pairs == NULL ? NULL : PyObject_GetIter(pairs);
    Py_XDECREF(pairs);
    if (iterator == NULL) {
        if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError, "headers must be a mapping or pairs of (name, value), not %R",
                         (PyObject *)Py_TYPE(value));
        return -1;
    }
    int rc = 0;
    PyObject *pair;
    while (rc == 0 && (pair = PyIter_Next(iterator)) != NULL) {
        rc = add_pair(st, headers, pair);
        Py_DECREF(pair);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : rc;
}

int headers_add_from(State *st, natskit_headers headers, PyObject *value)
{
    if (Py_TYPE(value) == st->headers_type)
        return headers_fill(st, headers, value);
    if (PyDict_CheckExact(value))
        return add_dict(st, headers, value);
    if (Py_TYPE(value) == st->msg_type[FACE_ASYNC] || Py_TYPE(value) == st->msg_type[FACE_SYNC]) {
        natskit_error err = {0};
        natskit_status status = natskit_headers_add_all(headers, DATA(Msg, value)->msg, &err);
        if (status != NATSKIT_OK)
            raise_status(st, status, &err);
        return status == NATSKIT_OK ? 0 : -1;
    }
    return add_iterable(st, headers, value);
}

int headers_arg(State *st, PyObject *value, Sending *send)
{
    send->headers.id = 0;
    send->borrowed = false;
    if (value == NULL || value == Py_None || (PyDict_Check(value) && PyDict_Size(value) == 0))
        return 0;
    if (Py_TYPE(value) == st->headers_type && DATA(Headers, value)->msg == NULL) {
        if (DATA(Headers, value)->filled) /* else there is no block to be sent */
            send->headers = DATA(Headers, value)->handle;
        send->borrowed = true;
        return 0;
    }
    /* One handle is filled again and again; who finds it in use (a large copy without the GIL) opens another.
     */
    natskit_headers headers = st->spare;
    st->spare.id = 0;
    natskit_status status = headers.id == 0 ? NATSKIT_CLOSED : natskit_headers_clear(headers);
    if (status !=
        NATSKIT_OK) /* none yet; or it belonged to the parent process, or the library was shut down */
        status = natskit_headers_open(&headers);
    if (status != NATSKIT_OK) {
        raise_status(st, status, NULL);
        return -1;
    }
    send->headers = headers;
    int rc = headers_add_from(st, headers, value);
    if (rc < 0)
        headers_done(st, send);
    return rc;
}

void headers_done(State *st, Sending *send)
{
    natskit_headers headers = send->headers;
    send->headers.id = 0;
    if (headers.id == 0 || send->borrowed)
        return;
    if (st->spare.id == 0)
        st->spare = headers;
    else
        natskit_headers_close(headers);
}

/* ---------------------------------------------------------------------------------------------- numbers */

/* Seconds to milliseconds; -1 for what is longer than a century. */
static int seconds_arg(State *st, PyObject *value, const char *what, const char *allowed, int64_t *out)
{
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Clear();
            raise_text(st, NATSKIT_INVALID, "%s: too large a number", what);
        }
        return -1;
    }
    if (!(seconds >= 0.0)) { /* also what is not a number */
        raise_text(st, NATSKIT_INVALID, "%s: a number of seconds from 0 on%s", what, allowed);
        return -1;
    }
    const double century = 3.2e9;
    *out = -1;
    if (seconds >= century)
        return 0;
    *out = (int64_t)(seconds * 1000.0);
    if ((double)*out < seconds * 1000.0)
        *out += 1; /* up: a wait is never shorter than asked for */
    return 0;
}

int timeout_arg(State *st, PyObject *value, int64_t missing_ms, int64_t *out)
{
    *out = missing_ms;
    if (value == NULL)
        return 0;
    *out = NKPY_FOREVER;
    if (value == Py_None)
        return 0;
    return seconds_arg(st, value, "timeout", ", or None for ever", out);
}

int delay_arg(State *st, PyObject *value, int64_t *out)
{
    if (seconds_arg(st, value, "delay", "", out) < 0)
        return -1;
    if (*out >= 0)
        return 0;
    raise_text(st, NATSKIT_INVALID, "delay: too large a number");
    return -1;
}

int count_arg(State *st, PyObject *value, const char *what, uint64_t missing, uint64_t *out)
{
    *out = missing;
    if (value == NULL)
        return 0;
    if (!PyLong_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be int, not %R", what, (PyObject *)Py_TYPE(value));
        return -1;
    }
    long long number = PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred())
        PyErr_Clear();
    if (number < 0) {
        raise_text(st, NATSKIT_INVALID, "%s: a number from 0 to 2^63-1", what);
        return -1;
    }
    *out = (uint64_t)number;
    return 0;
}

void sending_done(State *st, Sending *send)
{
    text_done(&send->subject);
    text_done(&send->reply);
    payload_done(&send->payload);
    headers_done(st, send);
}

/* ------------------------------------------------------------------------------------------------- more */

/* The headers with those that ask the server for a trace, as a new object. */
static PyObject *with_trace(State *st, PyObject *headers, PyObject *destination, bool only)
{
    static const char dest_name[] = NATSKIT_HEADER_TRACE_DEST, only_name[] = NATSKIT_HEADER_TRACE_ONLY;
    PyObject *made = headers == NULL
                         ? PyObject_CallNoArgs((PyObject *)st->headers_type)
                         : PyObject_CallFunctionObjArgs((PyObject *)st->headers_type, headers, NULL);
    if (made == NULL)
        return NULL;
    Text text = {0};
    natskit_headers handle = DATA(Headers, made)->handle;
    natskit_error err = {0};
    natskit_status status = NATSKIT_OK;
    if (text_arg(st, destination, "trace_destination", NULL, &text) < 0)
        goto fail;
    status = natskit_subject_check(text.data, text.len, 0, &err);
    if (status == NATSKIT_OK)
        status = natskit_headers_set(handle, dest_name, sizeof dest_name - 1, text.data, text.len,
                                     NATSKIT_MATCH_EXACT, &err);
    if (status == NATSKIT_OK && only)
        status = natskit_headers_set(handle, only_name, sizeof only_name - 1, "true", 4, NATSKIT_MATCH_EXACT,
                                     &err);
    text_done(&text);
    if (status == NATSKIT_OK) {
        DATA(Headers, made)->filled = true;
        return made;
    }
    raise_class(st, st->bad_subject, status, &err);
fail:
    Py_DECREF(made);
    return NULL;
}

static int more_trace(State *st, PyObject *const *extra, PyObject **headers, More *more)
{
    bool only = false;
    if (extra[MORE_TRACE_ONLY] != NULL) {
        int truth = PyObject_IsTrue(extra[MORE_TRACE_ONLY]);
        if (truth < 0)
            return -1;
        only = truth > 0;
    }
    PyObject *destination = extra[MORE_TRACE_DESTINATION];
    if (destination == NULL || destination == Py_None) {
        if (only)
            raise_text(st, NATSKIT_INVALID, "trace_only: needs a trace_destination");
        return only ? -1 : 0;
    }
    more->headers = with_trace(st, *headers, destination, only);
    *headers = more->headers;
    return more->headers == NULL ? -1 : 0;
}

int more_arg(State *st, PyObject *const *extra, PyObject **payload, PyObject **headers, More *more)
{
    more->payload = more->headers = NULL;
    PyObject *json = extra[MORE_JSON];
    if (json != NULL && json != Py_None) {
        if (*payload != NULL) {
            PyErr_SetString(PyExc_TypeError, "a payload or json, not both");
            return -1;
        }
        more->payload = PyObject_CallFunctionObjArgs(st->json_encode, json, NULL);
        if (more->payload == NULL)
            return -1;
        *payload = more->payload;
    }
    if (extra[MORE_TRACE_DESTINATION] == NULL && extra[MORE_TRACE_ONLY] == NULL)
        return 0;
    int rc = more_trace(st, extra, headers, more);
    if (rc < 0)
        more_done(more);
    return rc;
}

void more_done(More *more)
{
    Py_CLEAR(more->payload);
    Py_CLEAR(more->headers);
}
