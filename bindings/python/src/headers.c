/* SPDX-License-Identifier: Apache-2.0
 *
 * Headers, of two kinds in one type: those of a received message, a read-only mapping over the core's header
 * block, which is searched when it is asked; and those that a program makes, over a handle of the library,
 * which a publish sends as it is. Names keep their case and may repeat; a plain look-up gives the first value
 * of exactly that name.
 */
#include "state.h"

#include <string.h>

/* Names and short values fit in here; longer ones take memory for the moment. */
#define SMALL 512

static PyObject *make(State *st, natskit_msg *msg, natskit_headers handle)
{
    Headers *headers = PyObject_New(Headers, st->headers_type);
    if (headers == NULL)
        return NULL;
    headers->st = state_hold(st);
    headers->msg = msg;
    headers->handle = handle;
    headers->filled = false;
    return (PyObject *)headers;
}

PyObject *headers_new(State *st, natskit_msg *msg)
{
    PyObject *object = make(st, msg, (natskit_headers){0});
    if (object != NULL)
        natskit_msg_retain(msg);
    return object;
}

PyObject *headers_open(State *st)
{
    natskit_headers handle = {0};
    natskit_status status = natskit_headers_open(&handle);
    if (status != NATSKIT_OK)
        return raise_status(st, status, NULL);
    PyObject *object = make(st, NULL, handle);
    if (object == NULL)
        natskit_headers_close(handle);
    return object;
}

static void headers_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Headers *headers = DATA(Headers, self);
    if (headers->msg != NULL)
        natskit_msg_release(headers->msg);
    else
        natskit_headers_close(headers->handle);
    state_drop(headers->st);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* -------------------------------------------------------------------------------------------- looking */

typedef struct Pair {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
    char small[2 * SMALL];
    char *big; /* or NULL */
} Pair;

static natskit_status pair_from_handle(const Headers *headers, size_t index, Pair *pair)
{
    char *name = pair->small, *value = pair->small + SMALL;
    natskit_status status = natskit_headers_at(headers->handle, index, name, SMALL, &pair->name_len, value,
                                               SMALL, &pair->value_len);
    while (status == NATSKIT_LIMIT) { /* another thread may have put longer ones there meanwhile */
        size_t name_cap = pair->name_len, value_cap = pair->value_len;
        PyMem_Free(pair->big);
        pair->big = PyMem_Malloc(name_cap + value_cap + 1);
        if (pair->big == NULL)
            return NATSKIT_NO_MEMORY;
        name = pair->big;
        value = pair->big + name_cap;
        status = natskit_headers_at(headers->handle, index, name, name_cap, &pair->name_len, value, value_cap,
                                    &pair->value_len);
    }
    pair->name = name;
    pair->value = value;
    return status;
}

/* The index-th header: 1; 0 past the last; -1 with an exception. The pair is valid until pair_done. */
static int pair_at(const Headers *headers, size_t index, Pair *pair)
{
    pair->big = NULL;
    natskit_status status;
    if (headers->msg != NULL)
        status = natskit_msg_header_at(headers->msg, index, &pair->name, &pair->name_len, &pair->value,
                                       &pair->value_len);
    else
        status = pair_from_handle(headers, index, pair);
    if (status == NATSKIT_OK)
        return 1;
    PyMem_Free(pair->big);
    if (status == NATSKIT_NOT_FOUND)
        return 0;
    raise_status(headers->st, status, NULL);
    return -1;
}

static void pair_done(Pair *pair)
{
    PyMem_Free(pair->big);
}

static PyObject *value_from_handle(const Headers *headers, const Text *name, int match, size_t index,
                                   natskit_status *status)
{
    char small[SMALL], *buf = small;
    size_t len = 0, cap = SMALL;
    while ((*status = natskit_headers_get(headers->handle, name->data, name->len, match, index, buf, cap,
                                          &len)) == NATSKIT_LIMIT) {
        if (buf != small)
            PyMem_Free(buf);
        cap = len;
        if ((buf = PyMem_Malloc(cap)) == NULL) {
            *status = NATSKIT_NO_MEMORY;
            return NULL;
        }
    }
    PyObject *value = *status == NATSKIT_OK ? text_new(buf, len) : NULL;
    if (buf != small)
        PyMem_Free(buf);
    return value;
}

/* The index-th value of a name: a new reference; NULL without exception if there are fewer. */
static PyObject *find(const Headers *headers, PyObject *name, int match, size_t index)
{
    Text text;
    if (text_arg(headers->st, name, "a header's name", NULL, &text) < 0)
        return NULL;
    PyObject *value = NULL;
    natskit_status status;
    if (headers->msg != NULL) {
        const char *found;
        size_t len;
        status = natskit_msg_header(headers->msg, text.data, text.len, match, index, &found, &len);
        if (status == NATSKIT_OK)
            value = text_new(found, len);
    } else {
        value = value_from_handle(headers, &text, match, index, &status);
    }
    text_done(&text);
    if (status != NATSKIT_OK && status != NATSKIT_NOT_FOUND &&
        status != NATSKIT_INVALID) /* no header can have an invalid name */
        raise_status(headers->st, status, NULL);
    return value;
}

static PyObject *headers_subscript(PyObject *self, PyObject *name)
{
    PyObject *value = find(DATA(Headers, self), name, NATSKIT_MATCH_EXACT, 0);
    if (value == NULL && !PyErr_Occurred())
        PyErr_SetObject(PyExc_KeyError, name);
    return value;
}

static int headers_contains(PyObject *self, PyObject *name)
{
    if (!PyUnicode_Check(name))
        return 0;
    PyObject *value = find(DATA(Headers, self), name, NATSKIT_MATCH_EXACT, 0);
    if (value == NULL)
        return PyErr_Occurred() ? -1 : 0;
    Py_DECREF(value);
    return 1;
}

static PyObject *headers_pairs(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *list = PyList_New(0);
    Pair at;
    int more = 1;
    for (size_t i = 0; list != NULL && (more = pair_at(DATA(Headers, self), i, &at)) > 0; i++) {
        PyObject *key = text_new(at.name, at.name_len);
        PyObject *text = text_new(at.value, at.value_len);
        PyObject *pair = key == NULL || text == NULL ? NULL : PyTuple_Pack(2, key, text);
        pair_done(&at);
        Py_XDECREF(key);
        Py_XDECREF(text);
        if (pair == NULL || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    if (more < 0)
        Py_CLEAR(list);
    return list;
}

/* A new dict of the distinct names with their first values, in the order of the wire. */
static PyObject *headers_dict(PyObject *self)
{
    PyObject *pairs = headers_pairs(self, NULL);
    PyObject *dict = pairs == NULL ? NULL : PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < PyList_Size(pairs); i++) {
        PyObject *pair = PyList_GetItem(pairs, i);
        PyObject *name = PyTuple_GetItem(pair, 0);
        int there = PyDict_Contains(dict, name);
        if (there < 0 || (there == 0 && PyDict_SetItem(dict, name, PyTuple_GetItem(pair, 1)) < 0))
            Py_CLEAR(dict);
    }
    Py_XDECREF(pairs);
    return dict;
}

static Py_ssize_t headers_length(PyObject *self)
{
    PyObject *dict = headers_dict(self);
    Py_ssize_t size = dict == NULL ? -1 : PyDict_Size(dict);
    Py_XDECREF(dict);
    return size;
}

/* What the dict's own method of that name gives. */
static PyObject *by_dict(PyObject *self, const char *method)
{
    PyObject *dict = headers_dict(self);
    PyObject *result = dict == NULL ? NULL : PyObject_CallMethod(dict, method, NULL);
    Py_XDECREF(dict);
    return result;
}

static PyObject *headers_iter(PyObject *self)
{
    return by_dict(self, "__iter__");
}

static PyObject *headers_keys(PyObject *self, PyObject *unused)
{
    (void)unused;
    return by_dict(self, "keys");
}

static PyObject *headers_values(PyObject *self, PyObject *unused)
{
    (void)unused;
    return by_dict(self, "values");
}

static PyObject *headers_items(PyObject *self, PyObject *unused)
{
    (void)unused;
    return by_dict(self, "items");
}

/* ------------------------------------------------------------------------------------------- comparing */

/* `match` ("exact", "ignore_case" or "canonical", or NULL) and the older flag, as one of NATSKIT_MATCH_*. */
static int match_arg(State *st, PyObject *value, int ignore_case, int *out)
{
    static const char *const names[] = {"exact", "ignore_case", "canonical"};
    *out = ignore_case ? NATSKIT_MATCH_IGNORE_CASE : NATSKIT_MATCH_EXACT;
    if (value == NULL)
        return 0;
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "match must be str, not %R", (PyObject *)Py_TYPE(value));
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (PyUnicode_CompareWithASCIIString(value, names[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    raise_text(st, NATSKIT_INVALID, "match: one of exact, ignore_case, canonical");
    return -1;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_name(const char *found, const Text *wanted, int match)
{
    bool start = true;
    for (size_t i = 0; i < wanted->len; i++) {
        char a = found[i], b = wanted->data[i];
        if (match == NATSKIT_MATCH_IGNORE_CASE) {
            a = lower(a);
            b = lower(b);
        } else if (match == NATSKIT_MATCH_CANONICAL) {
            b = start ? upper(b) : lower(b);
            start = b == '-';
        }
        if (a != b)
            return false;
    }
    return true;
}

/* One walk over the block: looking for one value after the other would take quadratic time, and anyone may
 * have sent the message. */
static PyObject *all_values(const Headers *headers, PyObject *name, int match)
{
    Text wanted;
    if (text_arg(headers->st, name, "a header's name", NULL, &wanted) < 0)
        return NULL;
    PyObject *list = PyList_New(0);
    Pair at;
    int more = 1;
    for (size_t i = 0; list != NULL && (more = pair_at(headers, i, &at)) > 0; i++) {
        bool same = at.name_len == wanted.len && same_name(at.name, &wanted, match);
        PyObject *text = same ? text_new(at.value, at.value_len) : NULL;
        pair_done(&at);
        if (same && (text == NULL || PyList_Append(list, text) < 0))
            Py_CLEAR(list);
        Py_XDECREF(text);
    }
    if (more < 0)
        Py_CLEAR(list);
    text_done(&wanted);
    return list;
}

static char **name_list(const char *const *names)
{
    return (char **)(uintptr_t)names;
}

static PyObject *headers_get(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", "default", "ignore_case", "match", NULL};
    PyObject *name, *missing = Py_None, *how = NULL;
    int ignore_case = 0, match;
    const Headers *headers = DATA(Headers, self);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O$pO:get", name_list(names), &name, &missing,
                                     &ignore_case, &how) ||
        match_arg(headers->st, how, ignore_case, &match) < 0)
        return NULL;
    PyObject *value = find(headers, name, match, 0);
    return value != NULL || PyErr_Occurred() ? value : Py_NewRef(missing);
}

static PyObject *headers_get_all(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", "ignore_case", "match", NULL};
    PyObject *name, *how = NULL;
    int ignore_case = 0, match;
    const Headers *headers = DATA(Headers, self);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$pO:get_all", name_list(names), &name, &ignore_case,
                                     &how) ||
        match_arg(headers->st, how, ignore_case, &match) < 0)
        return NULL;
    return all_values(headers, name, match);
}

static PyObject *headers_last(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", "default", "match", NULL};
    PyObject *name, *missing = Py_None, *how = NULL;
    int match;
    const Headers *headers = DATA(Headers, self);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O$O:last", name_list(names), &name, &missing, &how) ||
        match_arg(headers->st, how, 0, &match) < 0)
        return NULL;
    PyObject *list = all_values(headers, name, match);
    if (list == NULL)
        return NULL;
    Py_ssize_t size = PyList_Size(list);
    PyObject *value = Py_NewRef(size == 0 ? missing : PyList_GetItem(list, size - 1));
    Py_DECREF(list);
    return value;
}

/* -------------------------------------------------------------------------------------------- changing */

/* Whether they can be changed; those of a message cannot. */
static bool writable(const Headers *headers)
{
    if (headers->msg == NULL)
        return true;
    PyErr_SetString(
        PyExc_TypeError,
        "the headers of a received message cannot be changed; natskit.Headers(headers) is a copy");
    return false;
}

static void filled_update(Headers *headers)
{
    size_t name_len, value_len;
    headers->filled =
        natskit_headers_at(headers->handle, 0, NULL, 0, &name_len, NULL, 0, &value_len) != NATSKIT_NOT_FOUND;
}

int headers_fill(State *st, natskit_headers handle, PyObject *value)
{
    const Headers *from = DATA(Headers, value);
    natskit_error err = {0};
    if (from->msg != NULL) {
        natskit_status status = natskit_headers_add_all(handle, from->msg, &err);
        if (status != NATSKIT_OK)
            raise_status(st, status, &err);
        return status == NATSKIT_OK ? 0 : -1;
    }
    Pair at;
    int more = 1;
    natskit_status status = NATSKIT_OK;
    for (size_t i = 0; status == NATSKIT_OK && (more = pair_at(from, i, &at)) > 0; i++) {
        status = natskit_headers_add(handle, at.name, at.name_len, at.value, at.value_len, &err);
        pair_done(&at);
    }
    if (status != NATSKIT_OK)
        raise_status(st, status, &err);
    return status == NATSKIT_OK && more == 0 ? 0 : -1;
}

static int headers_extend(PyObject *self, PyObject *value)
{
    Headers *headers = DATA(Headers, self);
    PyObject *copy = NULL;
    if (value == self && (value = copy = headers_pairs(self, NULL)) == NULL)
        return -1;
    int rc = headers_add_from(headers->st, headers->handle, value);
    Py_XDECREF(copy);
    filled_update(headers);
    return rc;
}

static PyObject *headers_make(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *from = Py_None;
    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Headers() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "|O:Headers", &from))
        return NULL;
    PyObject *self = headers_open(type_state(type));
    if (self != NULL && from != Py_None && headers_extend(self, from) < 0)
        Py_CLEAR(self);
    return self;
}

/* Removes what matches: 1, 0 if there is none, -1. */
static int drop(Headers *headers, PyObject *name, int match)
{
    Text text;
    if (text_arg(headers->st, name, "a header's name", NULL, &text) < 0)
        return -1;
    natskit_status status = natskit_headers_delete(headers->handle, text.data, text.len, match);
    text_done(&text);
    filled_update(headers);
    if (status == NATSKIT_OK)
        return 1;
    if (status == NATSKIT_NOT_FOUND || status == NATSKIT_INVALID)
        return 0;
    raise_status(headers->st, status, NULL);
    return -1;
}

static int put(Headers *headers, PyObject *name, PyObject *value, int match)
{
    natskit_error err = {0};
    Text texts[2] = {{0}, {0}};
    int rc = -1;
    if (text_arg(headers->st, name, "a header's name", NULL, &texts[0]) < 0 ||
        text_arg(headers->st, value, "a header's value", NULL, &texts[1]) < 0)
        goto out;
    natskit_status status = natskit_headers_set(headers->handle, texts[0].data, texts[0].len, texts[1].data,
                                                texts[1].len, match, &err);
    if (status != NATSKIT_OK) {
        raise_status(headers->st, status, &err);
    } else {
        headers->filled = true;
        rc = 0;
    }
out:
    text_done(&texts[0]);
    text_done(&texts[1]);
    return rc;
}

/* Several values of one name in place of those that match; on failure nothing has changed. */
static int put_many(PyObject *self, PyObject *name, PyObject *values, int match)
{
    Headers *headers = DATA(Headers, self);
    PyObject *pair = PyTuple_Pack(2, name, values);
    PyObject *list = pair == NULL ? NULL : PyTuple_Pack(1, pair);
    PyObject *fresh = list == NULL ? NULL : headers_open(headers->st);
    int rc = -1;
    /* Checked in a set of its own first: names and values are what can be wrong. */
    if (fresh != NULL && headers_add_from(headers->st, DATA(Headers, fresh)->handle, list) == 0 &&
        drop(headers, name, match) >= 0)
        rc = headers_extend(self, list);
    Py_XDECREF(fresh);
    Py_XDECREF(list);
    Py_XDECREF(pair);
    return rc;
}

static int headers_assign(PyObject *self, PyObject *name, PyObject *value)
{
    Headers *headers = DATA(Headers, self);
    if (!writable(headers))
        return -1;
    if (value == NULL) {
        int rc = drop(headers, name, NATSKIT_MATCH_EXACT);
        if (rc == 0)
            PyErr_SetObject(PyExc_KeyError, name);
        return rc > 0 ? 0 : -1;
    }
    return PyUnicode_Check(value) ? put(headers, name, value, NATSKIT_MATCH_EXACT)
                                  : put_many(self, name, value, NATSKIT_MATCH_EXACT);
}

static PyObject *headers_set(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", "value", "match", NULL};
    PyObject *name, *value, *how = NULL;
    int match;
    Headers *headers = DATA(Headers, self);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|$O:set", name_list(names), &name, &value, &how) ||
        match_arg(headers->st, how, 0, &match) < 0 || !writable(headers))
        return NULL;
    int rc = PyUnicode_Check(value) ? put(headers, name, value, match) : put_many(self, name, value, match);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *headers_append(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", "value", NULL};
    PyObject *name, *value;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:append", name_list(names), &name, &value) ||
        !writable(DATA(Headers, self)))
        return NULL;
    PyObject *pair = PyTuple_Pack(2, name, value);
    PyObject *list = pair == NULL ? NULL : PyTuple_Pack(1, pair);
    int rc = list == NULL ? -1 : headers_extend(self, list);
    Py_XDECREF(list);
    Py_XDECREF(pair);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *headers_delete(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", "match", NULL};
    PyObject *name, *how = NULL;
    int match;
    Headers *headers = DATA(Headers, self);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O:delete", name_list(names), &name, &how) ||
        match_arg(headers->st, how, 0, &match) < 0 || !writable(headers))
        return NULL;
    int rc = drop(headers, name, match);
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

static PyObject *headers_update(PyObject *self, PyObject *other)
{
    if (!writable(DATA(Headers, self)))
        return NULL;
    PyObject *fresh = PyObject_CallFunctionObjArgs((PyObject *)Py_TYPE(self), other, NULL);
    PyObject *names = fresh == NULL ? NULL : headers_dict(fresh);
    PyObject *list = names == NULL ? NULL : PyDict_Keys(names);
    int rc = list == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_Size(list); i++)
        rc = drop(DATA(Headers, self), PyList_GetItem(list, i), NATSKIT_MATCH_EXACT) < 0 ? -1 : 0;
    if (rc == 0)
        rc = headers_extend(self, fresh);
    Py_XDECREF(list);
    Py_XDECREF(names);
    Py_XDECREF(fresh);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *headers_clear(PyObject *self, PyObject *unused)
{
    (void)unused;
    Headers *headers = DATA(Headers, self);
    if (!writable(headers))
        return NULL;
    natskit_status status = natskit_headers_clear(headers->handle);
    if (status != NATSKIT_OK)
        return raise_status(headers->st, status, NULL);
    headers->filled = false;
    Py_RETURN_NONE;
}

static PyObject *headers_copy(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyObject_CallFunctionObjArgs((PyObject *)Py_TYPE(self), self, NULL);
}

/* ------------------------------------------------------------------------------------------------ type */

static PyObject *headers_compare(PyObject *self, PyObject *other, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !PyMapping_Check(other))
        Py_RETURN_NOTIMPLEMENTED;
    bool both = Py_TYPE(other) == Py_TYPE(self); /* then repeats count, too */
    PyObject *left = both ? headers_pairs(self, NULL) : headers_dict(self);
    PyObject *right = both ? headers_pairs(other, NULL) : Py_NewRef(other);
    PyObject *result = left == NULL || right == NULL ? NULL : PyObject_RichCompare(left, right, op);
    Py_XDECREF(left);
    Py_XDECREF(right);
    return result;
}

static PyObject *headers_repr(PyObject *self)
{
    PyObject *pairs = headers_pairs(self, NULL);
    PyObject *repr = pairs == NULL ? NULL : PyUnicode_FromFormat("<Headers %R>", pairs);
    Py_XDECREF(pairs);
    return repr;
}

#define KEYWORDS(function) ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef headers_methods[] = {
    {"get", KEYWORDS(headers_get),
     "get($self, name, default=None, *, ignore_case=False, match='exact')\n--\n\n"
     "The first value of a name; match is 'exact', 'ignore_case' or 'canonical' (as MIME writes the name)."},
    {"get_all", KEYWORDS(headers_get_all),
     "get_all($self, name, *, ignore_case=False, match='exact')\n--\n\n"
     "All values of a name, in the order of the wire."},
    {"last", KEYWORDS(headers_last),
     "last($self, name, default=None, *, match='exact')\n--\n\nThe last value of a name."},
    {"pairs", headers_pairs, METH_NOARGS,
     "pairs($self)\n--\n\nAll headers with their repeats, in the order of the wire."},
    {"keys", headers_keys, METH_NOARGS, "keys($self)\n--\n\nThe distinct names."},
    {"values", headers_values, METH_NOARGS, "values($self)\n--\n\nThe first value of each name."},
    {"items", headers_items, METH_NOARGS, "items($self)\n--\n\nEach name with its first value."},
    {"set", KEYWORDS(headers_set),
     "set($self, name, value, *, match='exact')\n--\n\nA value, or a list of them, in place of what "
     "matches."},
    {"append", KEYWORDS(headers_append),
     "append($self, name, value)\n--\n\nOne value more, or a list of them."},
    {"delete", KEYWORDS(headers_delete),
     "delete($self, name, *, match='exact')\n--\n\nRemoves what matches; whether there was any."},
    {"update", headers_update, METH_O,
     "update($self, headers, /)\n--\n\nTakes others over, in place of those with the same names."},
    {"clear", headers_clear, METH_NOARGS, "clear($self)\n--\n\nRemoves all."},
    {"copy", headers_copy, METH_NOARGS, "copy($self)\n--\n\nA set of its own, which can be changed."},
    {NULL, NULL, 0, NULL},
};

static char headers_doc[] =
    "Headers(headers=None, /)\n--\n\n"
    "Headers: a mapping whose names may repeat. Those made by a program can be changed and "
    "are sent as they are; those of a received message are read-only.";

static PyType_Slot headers_slots[] = {
    {Py_tp_doc, headers_doc},
    {Py_tp_new, headers_make},
    {Py_tp_dealloc, headers_dealloc},
    {Py_tp_repr, headers_repr},
    {Py_tp_methods, headers_methods},
    {Py_tp_iter, headers_iter},
    {Py_tp_richcompare, headers_compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_mp_subscript, headers_subscript},
    {Py_mp_ass_subscript, headers_assign},
    {Py_mp_length, headers_length},
    {Py_sq_contains, headers_contains},
    {0, NULL},
};

static PyType_Spec headers_spec = {
    .name = "natskit.Headers",
    .basicsize = sizeof(Headers),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = headers_slots,
};

int headers_init(PyObject *module, State *st)
{
    return type_add(module, &st->headers_type, &headers_spec, "Headers");
}
