/* SPDX-License-Identifier: Apache-2.0
 *
 * Services: the handle behind natskit.micro.Service of both faces, what requests have beside messages, and
 * discovery. Nothing here waits. Configurations and reports are JSON texts; names are in natskit/_micro.py.
 */
#include "state.h"

typedef struct Service {
    NKPY_HEAD
    State *st;
    natskit_service handle;
} Service;

/* A document of a JSON text; {0} of None. */
static int json_arg(State *st, PyObject *value, natskit_json *out)
{
    Text text = {0};
    natskit_error err = {0};
    out->id = 0;
    if (value == Py_None)
        return 0;
    if (text_arg(st, value, "configuration", NULL, &text) < 0)
        return -1;
    natskit_status status = natskit_json_parse(text.data, text.len, out, &err);
    text_done(&text);
    if (status == NATSKIT_OK)
        return 0;
    raise_status(st, status, &err);
    return -1;
}

static void json_done(natskit_json json)
{
    if (json.id != 0)
        natskit_json_close(json);
}

/* _service(config, options, name): the service and the subscription of its requests, called `name`. */
PyObject *conn_service(PyObject *self, PyObject *args)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    PyObject *text, *pairs, *name;
    natskit_json config;
    natskit_options options;
    natskit_error err = {0};
    natskit_service handle;
    natskit_sub requests;
    if (!PyArg_ParseTuple(args, "OOU:_service", &text, &pairs, &name) || json_arg(st, text, &config) < 0)
        return NULL;
    if (options_arg(st, NATSKIT_OPTIONS_SERVICE, pairs, &options) < 0) {
        json_done(config);
        return NULL;
    }
    natskit_status status = natskit_service_open(conn->handle, config, options, &handle, &requests, &err);
    json_done(config);
    if (options.id != 0)
        natskit_options_close(options);
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    Service *service = PyObject_New(Service, st->service_type);
    if (service == NULL) {
        natskit_service_close(handle);
        natskit_sub_close(requests);
        return NULL;
    }
    service->st = state_hold(st);
    service->handle = handle;
    PyObject *none = text_new("", 0);
    PyObject *sub = none == NULL ? NULL : sub_new(st, self, requests, name, none, SUB_MSGS);
    if (none == NULL)
        natskit_sub_close(requests);
    if (sub != NULL)
        DATA(Sub, sub)->requests = true;
    Py_XDECREF(none);
    PyObject *both = sub == NULL ? NULL : PyTuple_Pack(2, (PyObject *)service, sub);
    Py_DECREF((PyObject *)service);
    Py_XDECREF(sub);
    return both;
}

/* _discover(verb, prefix, name, id, options): the subscription that gets the answers. */
PyObject *conn_discover(PyObject *self, PyObject *args)
{
    Conn *conn = DATA(Conn, self);
    State *st = conn->st;
    int verb;
    const char *prefix, *name, *id;
    PyObject *pairs;
    natskit_options options;
    natskit_sub sub;
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "isssO:_discover", &verb, &prefix, &name, &id, &pairs) ||
        options_arg(st, NATSKIT_OPTIONS_REQUEST_MANY, pairs, &options) < 0)
        return NULL;
    natskit_status status = natskit_service_discover(conn->handle, verb, prefix, NATSKIT_ZLEN, name,
                                                     NATSKIT_ZLEN, id, NATSKIT_ZLEN, options, &sub, &err);
    if (options.id != 0)
        natskit_options_close(options);
    if (status == NATSKIT_OK)
        return many_object(st, self, sub);
    return status == NATSKIT_INVALID ? raise_status(st, status, &err) : raise_refused(st, status, &err);
}

/* --------------------------------------------------------------------------------------------- the handle */

static void service_dealloc(PyObject *self)
{
    Service *service = DATA(Service, self);
    PyTypeObject *type = Py_TYPE(self);
    natskit_service_close(service->handle);
    state_drop(service->st);
    PyObject_Free(self);
    Py_DECREF(type);
}

typedef natskit_status adder(natskit_service service, uint32_t group, natskit_json config, uint32_t *number,
                             natskit_error *err);

static PyObject *add(PyObject *self, PyObject *args, adder *adds)
{
    Service *service = DATA(Service, self);
    unsigned int group;
    PyObject *text;
    natskit_json config;
    natskit_error err = {0};
    uint32_t number;
    if (!PyArg_ParseTuple(args, "IO:add", &group, &text) || json_arg(service->st, text, &config) < 0)
        return NULL;
    natskit_status status = adds(service->handle, group, config, &number, &err);
    json_done(config);
    return status == NATSKIT_OK ? PyLong_FromUnsignedLong(number) : raise_status(service->st, status, &err);
}

static PyObject *service_group(PyObject *self, PyObject *args)
{
    return add(self, args, natskit_service_group_add);
}

static PyObject *service_endpoint(PyObject *self, PyObject *args)
{
    return add(self, args, natskit_service_endpoint_add);
}

static PyObject *service_data(PyObject *self, PyObject *args)
{
    Service *service = DATA(Service, self);
    unsigned int endpoint;
    PyObject *text;
    natskit_json data;
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "IO:data", &endpoint, &text) || json_arg(service->st, text, &data) < 0)
        return NULL;
    natskit_status status = natskit_service_endpoint_data(service->handle, endpoint, data, &err);
    json_done(data);
    if (status != NATSKIT_OK)
        return raise_status(service->st, status, &err);
    Py_RETURN_NONE;
}

static PyObject *service_report(PyObject *self, PyObject *verb)
{
    Service *service = DATA(Service, self);
    long number = PyLong_AsLong(verb);
    natskit_json json;
    natskit_error err = {0};
    if (number == -1 && PyErr_Occurred())
        return NULL;
    natskit_status status = natskit_service_report(service->handle, (int32_t)number, &json, &err);
    if (status != NATSKIT_OK)
        return raise_status(service->st, status, &err);
    PyObject *object = js_decode(service->st, json);
    natskit_json_close(json);
    return object;
}

static PyObject *service_reset(PyObject *self, PyObject *unused)
{
    (void)unused;
    Service *service = DATA(Service, self);
    natskit_status status = natskit_service_reset(service->handle);
    if (status != NATSKIT_OK)
        return raise_status(service->st, status, NULL);
    Py_RETURN_NONE;
}

static PyMethodDef service_methods[] = {
    {"group", service_group, METH_VARARGS,
     "group($self, parent, config, /)\n--\n\nAdds a group; its number."},
    {"endpoint", service_endpoint, METH_VARARGS,
     "endpoint($self, group, config, /)\n--\n\nAdds an endpoint; its number."},
    {"data", service_data, METH_VARARGS,
     "data($self, endpoint, data, /)\n--\n\nSets the data of an endpoint in the statistics."},
    {"report", service_report, METH_O,
     "report($self, verb, /)\n--\n\nWhat it answers to PING (1), INFO (2), STATS (3)."},
    {"reset", service_reset, METH_NOARGS, "reset($self)\n--\n\nSets the statistics to 0."},
    {NULL, NULL, 0, NULL},
};

static char service_doc[] = "A service; see natskit.micro.Service and natskit.sync.micro.Service.";

static PyType_Slot service_slots[] = {
    {Py_tp_doc, service_doc},
    {Py_tp_dealloc, service_dealloc},
    {Py_tp_methods, service_methods},
    {0, NULL},
};

static PyType_Spec service_spec = {
    .name = "natskit._natskit.ServiceHandle",
    .basicsize = sizeof(Service),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = service_slots,
};

int service_init(PyObject *module, State *st)
{
    return type_add(module, &st->service_type, &service_spec, "ServiceHandle");
}

/* --------------------------------------------------------------------------------------------- requests */

/* _endpoint: the number of a request's endpoint, or -1 of another message. */
PyObject *msg_get_endpoint(PyObject *self, void *unused)
{
    (void)unused;
    natskit_service_view view;
    if (natskit_msg_service(DATA(Msg, self)->msg, &view, sizeof view) != NATSKIT_OK)
        return PyLong_FromLong(-1);
    return PyLong_FromUnsignedLong(view.index);
}

PyObject *msg_handled(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Msg *msg = DATA(Msg, self);
    natskit_status status = natskit_msg_handled(msg->msg);
    if (status != NATSKIT_OK)
        return raise_status(msg->st, status, NULL);
    Py_RETURN_NONE;
}

/* _service_error(): raises what the message says of an error of the service. */
PyObject *msg_service_error(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Msg *msg = DATA(Msg, self);
    natskit_error err = {0};
    natskit_status status = natskit_msg_service_error(msg->msg, &err);
    if (status != NATSKIT_OK)
        return raise_status(msg->st, status, &err);
    Py_RETURN_NONE;
}

typedef struct Failure {
    natskit_msg *msg;
    int code;
    Text text;
    Sending send;
} Failure;

static natskit_status failure_block(void *arg, int64_t slice_ms)
{
    const Failure *f = arg;
    return natskit_msg_respond_error(f->msg, f->code, f->text.data, f->text.len, f->send.headers,
                                     f->send.payload.data, f->send.payload.len, slice_ms);
}

/* `again`: what is called once there is room; NULL: it fails with WouldBlockError. */
static PyObject *respond_error(PyObject *self, PyObject *args, const char *again)
{
    Msg *msg = DATA(Msg, self);
    State *st = msg->st;
    PyObject *text, *data, *headers, *timeout;
    int64_t timeout_ms;
    Failure f = {.msg = msg->msg};
    if (!PyArg_ParseTuple(args, "iOOOO:_respond_error", &f.code, &text, &data, &headers, &timeout) ||
        timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0 ||
        text_arg(st, text, "description", NULL, &f.text) < 0)
        return NULL;
    if (sending_arg(st, &f.send, NULL, data == Py_None ? NULL : data, NULL, headers) < 0) {
        text_done(&f.text);
        return NULL;
    }
    timeout_ms = msg->via.fails || again == NULL ? 0 : timeout_ms;
    natskit_status status = failure_block(&f, 0);
    int rc = 0;
    if (status == NATSKIT_WOULD_BLOCK && timeout_ms != 0 && msg->via.face == FACE_SYNC)
        rc = block(st, failure_block, &f, timeout_ms, &status);
    size_t size = sending_size(&f.send) + f.text.len;
    sending_done(st, &f.send);
    text_done(&f.text);
    if (rc < 0)
        return NULL;
    if (status == NATSKIT_OK)
        return face_done(st, msg->via.face);
    if (status == NATSKIT_INVALID)
        return raise_text(st, status, "an error of a service has a code from 1 on and a description");
    if (status != NATSKIT_WOULD_BLOCK || timeout_ms == 0)
        return raise_refused(st, status, NULL);
    return later(st, self, again, PyTuple_GetSlice(args, 0, PyTuple_Size(args) - 1), size, timeout_ms);
}

/* _respond_error(code, description, data, headers, timeout) */
PyObject *msg_respond_error(PyObject *self, PyObject *args)
{
    return respond_error(self, args, "_respond_error_now");
}

PyObject *msg_respond_error_now(PyObject *self, PyObject *args)
{
    return respond_error(self, args, NULL);
}
