/* SPDX-License-Identifier: Apache-2.0
 *
 * Headers of a received message: a read-only mapping over the core's header block, which is searched when it
 * is asked. Names keep their case and may repeat; a plain look-up gives the first value of exactly that name.
 */
#include "state.h"

PyObject *headers_new(State *st, natskit_msg *msg)
{
    Headers *headers = PyObject_New(Headers, st->headers_type);
    if (headers == NULL)
        return NULL;
    natskit_msg_retain(msg);
    headers->st = state_hold(st);
    headers->msg = msg;
    return (PyObject *)headers;
}

static void headers_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    natskit_msg_release(DATA(Headers, self)->msg);
    state_drop(DATA(Headers, self)->st);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* The index-th value of a name: a new reference; NULL without exception if there are fewer. */
static PyObject *find(const Headers *headers, PyObject *name, int ignore_case, size_t index)
{
    Text text;
    if (text_arg(headers->st, name, "a header's name", NULL, &text) < 0)
        return NULL;
    const char *value;
    size_t len;
    natskit_status status = natskit_msg_header(headers->msg, text.data, text.len,
                                               ignore_case ? NATSKIT_MATCH_IGNORE_CASE : NATSKIT_MATCH_EXACT,
                                               index, &value, &len);
    text_done(&text);
    if (status == NATSKIT_OK)
        return text_new(value, len);
    if (status != NATSKIT_NOT_FOUND && status != NATSKIT_INVALID) /* no header can have an invalid name */
        raise_status(headers->st, status, NULL);
    return NULL;
}

static PyObject *headers_subscript(PyObject *self, PyObject *name)
{
    PyObject *value = find(DATA(Headers, self), name, 0, 0);
    if (value == NULL && !PyErr_Occurred())
        PyErr_SetObject(PyExc_KeyError, name);
    return value;
}

static int headers_contains(PyObject *self, PyObject *name)
{
    if (!PyUnicode_Check(name))
        return 0;
    PyObject *value = find(DATA(Headers, self), name, 0, 0);
    if (value == NULL)
        return PyErr_Occurred() ? -1 : 0;
    Py_DECREF(value);
    return 1;
}

static PyObject *headers_pairs(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *list = PyList_New(0);
    const char *name, *value;
    size_t name_len, value_len;
    const Headers *headers = DATA(Headers, self);
    for (size_t i = 0; list != NULL; i++) {
        if (natskit_msg_header_at(headers->msg, i, &name, &name_len, &value, &value_len) != NATSKIT_OK)
            break;
        PyObject *key = text_new(name, name_len);
        PyObject *text = text_new(value, value_len);
        PyObject *pair = key == NULL || text == NULL ? NULL : PyTuple_Pack(2, key, text);
        Py_XDECREF(key);
        Py_XDECREF(text);
        if (pair == NULL || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
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

static PyObject *headers_get(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", "default", "ignore_case", NULL};
    PyObject *name, *missing = Py_None;
    int ignore_case = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O$p:get", (char **)(uintptr_t)names, &name, &missing,
                                     &ignore_case))
        return NULL;
    PyObject *value = find(DATA(Headers, self), name, ignore_case, 0);
    return value != NULL || PyErr_Occurred() ? value : Py_NewRef(missing);
}

static int same_name(const char *a, const char *b, size_t len, int ignore_case)
{
    for (size_t i = 0; i < len; i++) {
        int differs = (unsigned char)(a[i] ^ b[i]);
        int letter = (a[i] | 0x20) >= 'a' && (a[i] | 0x20) <= 'z';
        if (differs != 0 && !(ignore_case && letter && differs == 0x20))
            return 0;
    }
    return 1;
}

/* One walk over the block: looking for one value after the other would take quadratic time, and anyone may
 * have sent the message. */
static PyObject *headers_get_all(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", "ignore_case", NULL};
    PyObject *name;
    int ignore_case = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$p:get_all", (char **)(uintptr_t)names, &name,
                                     &ignore_case))
        return NULL;
    const Headers *headers = DATA(Headers, self);
    Text wanted;
    if (text_arg(headers->st, name, "a header's name", NULL, &wanted) < 0)
        return NULL;
    PyObject *list = PyList_New(0);
    const char *found, *value;
    size_t found_len, value_len;
    for (size_t i = 0; list != NULL; i++) {
        if (natskit_msg_header_at(headers->msg, i, &found, &found_len, &value, &value_len) != NATSKIT_OK)
            break;
        if (found_len != wanted.len || !same_name(found, wanted.data, found_len, ignore_case))
            continue;
        PyObject *text = text_new(value, value_len);
        if (text == NULL || PyList_Append(list, text) < 0)
            Py_CLEAR(list);
        Py_XDECREF(text);
    }
    text_done(&wanted);
    return list;
}

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

#define KEYWORDS(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef headers_methods[] = {
    {"get", KEYWORDS(headers_get), METH_VARARGS | METH_KEYWORDS,
     "get($self, name, default=None, *, ignore_case=False)\n--\n\nThe first value of a name."},
    {"get_all", KEYWORDS(headers_get_all), METH_VARARGS | METH_KEYWORDS,
     "get_all($self, name, *, ignore_case=False)\n--\n\nAll values of a name, in the order of the wire."},
    {"pairs", headers_pairs, METH_NOARGS,
     "pairs($self)\n--\n\nAll headers with their repeats, in the order of the wire."},
    {"keys", headers_keys, METH_NOARGS, "keys($self)\n--\n\nThe distinct names."},
    {"values", headers_values, METH_NOARGS, "values($self)\n--\n\nThe first value of each name."},
    {"items", headers_items, METH_NOARGS, "items($self)\n--\n\nEach name with its first value."},
    {NULL, NULL, 0, NULL},
};

static char headers_doc[] = "Headers of a received message: a read-only mapping.";

static PyType_Slot headers_slots[] = {
    {Py_tp_doc, headers_doc},
    {Py_tp_dealloc, headers_dealloc},
    {Py_tp_repr, headers_repr},
    {Py_tp_methods, headers_methods},
    {Py_tp_iter, headers_iter},
    {Py_tp_richcompare, headers_compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_mp_subscript, headers_subscript},
    {Py_mp_length, headers_length},
    {Py_sq_contains, headers_contains},
    {0, NULL},
};

static PyType_Spec headers_spec = {
    .name = "natskit.Headers",
    .basicsize = sizeof(Headers),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = headers_slots,
};

int headers_init(PyObject *module, State *st)
{
    return type_add(module, &st->headers_type, &headers_spec, "Headers");
}
