/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of consumers: what begins a fetch, a consume or an ordered reading. All are subscriptions of the
 * core; that of a fetch lives in the awaitable that gathers its messages (next.c), the others are the
 * program's.
 */
#include "state.h"

typedef natskit_status (*pull_fn)(natskit_js js, const char *stream, size_t stream_len, const char *consumer,
                                  size_t consumer_len, natskit_options options, natskit_sub *out,
                                  natskit_error *err);

/* What the subscription is called: stream.consumer. */
static PyObject *pull_name(PyObject *stream, PyObject *consumer)
{
    return PyUnicode_FromFormat("%U.%U", stream, consumer);
}

/* Takes over `name`, which may be NULL: with an error. */
static PyObject *pull_object(State *st, const Js *js, natskit_sub sub, PyObject *name)
{
    PyObject *queue = text_new("", 0);
    PyObject *object = NULL;
    if (name == NULL || queue == NULL)
        natskit_sub_close(sub);
    else
        object = sub_new(st, js->conn, sub, name, queue, SUB_MSGS);
    Py_XDECREF(name);
    Py_XDECREF(queue);
    if (object != NULL)
        DATA(Sub, object)->pulls = true;
    return object;
}

static PyObject *pull_begin(const Js *js, pull_fn begin, int32_t scope, PyObject *stream, PyObject *consumer,
                            PyObject *pairs)
{
    State *st = js->st;
    Text texts[2] = {{0}, {0}};
    natskit_options options = {0};
    natskit_sub sub = {0};
    natskit_error err = {0};
    natskit_status status = NATSKIT_CLOSED;
    bool ready = text_arg(st, stream, "stream", NULL, &texts[0]) == 0 &&
                 text_arg(st, consumer, "consumer", NULL, &texts[1]) == 0 &&
                 options_arg(st, scope, pairs, &options) == 0;
    if (ready)
        status =
            begin(js->handle, texts[0].data, texts[0].len, texts[1].data, texts[1].len, options, &sub, &err);
    text_done(&texts[0]);
    text_done(&texts[1]);
    if (options.id != 0)
        natskit_options_close(options);
    if (!ready)
        return NULL;
    return status == NATSKIT_OK ? pull_object(st, js, sub, pull_name(stream, consumer))
                                : raise_status(st, status, &err);
}

/* _ordered(stream, options): the subscription. */
PyObject *js_ordered(PyObject *self, PyObject *args)
{
    const Js *js = DATA(Js, self);
    PyObject *stream, *pairs;
    Text text = {0};
    natskit_options options = {0};
    natskit_sub sub = {0};
    natskit_error err = {0};
    natskit_status status = NATSKIT_CLOSED;
    if (!PyArg_ParseTuple(args, "OO:_ordered", &stream, &pairs))
        return NULL;
    bool ready = text_arg(js->st, stream, "stream", NULL, &text) == 0 &&
                 options_arg(js->st, NATSKIT_OPTIONS_ORDERED, pairs, &options) == 0;
    if (ready)
        status = natskit_js_ordered(js->handle, text.data, text.len, options, &sub, &err);
    text_done(&text);
    if (options.id != 0)
        natskit_options_close(options);
    if (!ready)
        return NULL;
    return status == NATSKIT_OK ? pull_object(js->st, js, sub, Py_NewRef(stream))
                                : raise_status(js->st, status, &err);
}

/* The subscription, and what waits for the operation, as a tuple. Takes over all three; `name` may be NULL.
 */
static PyObject *with_op(const Js *js, natskit_sub sub, natskit_op op, PyObject *name)
{
    PyObject *object = pull_object(js->st, js, sub, name);
    if (object == NULL) {
        natskit_op_close(op);
        return NULL;
    }
    PyObject *waits = face_finish(js->st, &js->via, op, GIVE_JSON);
    PyObject *both = waits == NULL ? NULL : PyTuple_Pack(2, object, waits);
    Py_DECREF(object);
    Py_XDECREF(waits);
    return both;
}

/* _push(subject, options, timeout): the subscription to a push consumer, and what waits for the consumer. */
PyObject *js_push(PyObject *self, PyObject *args)
{
    const Js *js = DATA(Js, self);
    State *st = js->st;
    PyObject *subject, *pairs, *timeout;
    Text text = {0};
    int64_t timeout_ms;
    natskit_options options = {0};
    natskit_sub sub = {0};
    natskit_op op = {0};
    natskit_error err = {0};
    natskit_status status = NATSKIT_CLOSED;
    if (!PyArg_ParseTuple(args, "OOO:_push", &subject, &pairs, &timeout) ||
        timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0)
        return NULL;
    bool ready = text_arg(st, subject, "subject", NULL, &text) == 0 &&
                 options_arg(st, NATSKIT_OPTIONS_PUSH, pairs, &options) == 0;
    if (ready)
        status =
            natskit_js_subscribe_start(js->handle, text.data, text.len, options, timeout_ms, &sub, &op, &err);
    text_done(&text);
    if (options.id != 0)
        natskit_options_close(options);
    if (!ready)
        return NULL;
    if (status != NATSKIT_OK)
        return raise_refused(st, status, &err);
    return with_op(js, sub, op, Py_NewRef(subject));
}

/* _snapshot(arguments, timeout): the subscription to the chunks, and what waits for the stream's state. */
PyObject *js_snapshot(PyObject *self, PyObject *args)
{
    const Js *js = DATA(Js, self);
    State *st = js->st;
    PyObject *arguments, *timeout;
    Text text = {0};
    int64_t timeout_ms;
    natskit_json json = {0};
    natskit_sub sub = {0};
    natskit_op op = {0};
    natskit_error err = {0};
    if (!PyArg_ParseTuple(args, "OO:_snapshot", &arguments, &timeout) ||
        timeout_arg(st, timeout, NKPY_FOREVER, &timeout_ms) < 0 ||
        text_arg(st, arguments, "arguments", NULL, &text) < 0)
        return NULL;
    natskit_status status = natskit_json_parse(text.data, text.len, &json, &err);
    text_done(&text);
    if (status == NATSKIT_OK) {
        status = natskit_js_snapshot_start(js->handle, json, timeout_ms, &sub, &op, &err);
        natskit_json_close(json);
    }
    if (status != NATSKIT_OK)
        return raise_refused(st, status, &err);
    return with_op(js, sub, op, text_new("", 0));
}

PyObject *push_consumer(natskit_sub sub)
{
    natskit_push_info info;
    if (natskit_sub_push_info(sub, &info, sizeof info) != NATSKIT_OK || info.consumer[0] == '\0')
        Py_RETURN_NONE;
    return Py_BuildValue("(ss)", info.stream, info.consumer);
}

/* _fetch(stream, consumer, options, most): the messages that come, as a list. */
PyObject *js_fetch(PyObject *self, PyObject *args)
{
    const Js *js = DATA(Js, self);
    PyObject *stream, *consumer, *pairs;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(args, "OOOn:_fetch", &stream, &consumer, &pairs, &most))
        return NULL;
    PyObject *sub = pull_begin(js, natskit_js_fetch, NATSKIT_OPTIONS_FETCH, stream, consumer, pairs);
    if (sub == NULL)
        return NULL;
    DATA(Sub, sub)->many = true;
    PyObject *result = sub_gather(DATA(Sub, sub), (size_t)most, NKPY_FOREVER);
    Py_DECREF(sub);
    return result;
}

/* _consume(stream, consumer, options): the subscription. */
PyObject *js_consume(PyObject *self, PyObject *args)
{
    PyObject *stream, *consumer, *pairs;
    if (!PyArg_ParseTuple(args, "OOO:_consume", &stream, &consumer, &pairs))
        return NULL;
    return pull_begin(DATA(Js, self), natskit_js_consume, NATSKIT_OPTIONS_CONSUME, stream, consumer, pairs);
}

/* _trace_tree(events): a list of events, as JSON text, put together. */
PyObject *trace_tree(PyObject *module, PyObject *value)
{
    State *st = module_state(module);
    Text text = {0};
    natskit_json events, tree;
    natskit_error err = {0};
    if (text_arg(st, value, "events", NULL, &text) < 0)
        return NULL;
    natskit_status status = natskit_json_parse(text.data, text.len, &events, &err);
    text_done(&text);
    if (status == NATSKIT_OK) {
        status = natskit_trace_tree(events, &tree, &err);
        natskit_json_close(events);
    }
    if (status != NATSKIT_OK)
        return raise_status(st, status, &err);
    PyObject *object = js_decode(st, tree);
    natskit_json_close(tree);
    return object;
}

/* --------------------------------------------------------------------------------------------- statuses */

static const char *status_name(int32_t type)
{
    static const char *const names[] = {
        "unknown",    "heartbeats_missed", "consumer_not_found", "stream_not_found", "consumer_deleted",
        "leadership", "no_responders",     "exceeded",           "pinned",           "unpinned",
        "unknown",    "resumed",           "initial_done",       "recreated",
    };
    bool known = type > 0 && type < (int32_t)(sizeof names / sizeof names[0]);
    return names[known ? type : 0];
}

PyObject *status_new(State *st, natskit_msg *msg)
{
    natskit_status_view view;
    natskit_status status = natskit_msg_status(msg, &view, sizeof view);
    PyObject *made = NULL;
    if (status == NATSKIT_OK)
        made = PyStructSequence_New(st->status_type);
    else
        raise_status(st, status, NULL);
    PyObject *fields[] = {
        made == NULL ? NULL : PyUnicode_FromString(status_name(view.type)),
        made == NULL ? NULL : PyLong_FromLong(view.code),
        made == NULL ? NULL : PyLong_FromUnsignedLongLong(view.count),
        made == NULL ? NULL : text_new(view.text, view.text_len),
    };
    natskit_msg_release(msg);
    bool whole = true;
    for (Py_ssize_t i = 0; made != NULL && i < 4; i++) {
        whole = whole && fields[i] != NULL;
        PyStructSequence_SetItem(made, i, fields[i]);
    }
    if (!whole)
        Py_CLEAR(made);
    return made;
}

int pull_init(PyObject *module, State *st)
{
    static PyStructSequence_Field fields[] = {
        {"type", "What it is: \"heartbeats_missed\", \"consumer_not_found\", \"resumed\", ..."},
        {"code", "The code that the server gave, or 0."},
        {"count", "How often in a row."},
        {"text", "The server's words, or \"\"."},
        {NULL, NULL},
    };
    static PyStructSequence_Desc desc = {
        "natskit.Status", "What happens to a subscription to a consumer (option status_events).", fields, 4};
    st->status_type = PyStructSequence_NewType(&desc);
    if (st->status_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "Status", (PyObject *)st->status_type);
}

/* ----------------------------------------------------------------------------------------------- numbers */

typedef struct Row {
    const char *name;
    uint64_t value;
} Row;

static int rows_add(PyObject *dict, const Row *rows, size_t count)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(rows[i].value);
        rc = number == NULL ? -1 : PyDict_SetItemString(dict, rows[i].name, number);
        Py_XDECREF(number);
    }
    return rc;
}

int pull_stats(natskit_sub sub, PyObject *dict)
{
    natskit_pull_info info;
    if (natskit_sub_pull_info(sub, &info, sizeof info) != NATSKIT_OK)
        return 0; /* it has ended */
    const Row rows[] = {
        {"open_pulls", info.open_pulls},     {"ahead_msgs", info.ahead_msgs},
        {"ahead_bytes", info.ahead_bytes},   {"pulls", info.pulls},
        {"heartbeats", info.heartbeats},     {"statuses", info.statuses},
        {"unknown", info.unknown},           {"missed", info.missed},
        {"given_up", info.given_up},         {"infos", info.infos},
        {"missing", (uint64_t)info.missing}, {"paused", (uint64_t)info.paused},
    };
    return rows_add(dict, rows, sizeof rows / sizeof rows[0]);
}

int push_stats(natskit_sub sub, PyObject *dict)
{
    natskit_push_info info;
    if (natskit_sub_push_info(sub, &info, sizeof info) != NATSKIT_OK)
        return 0;
    const Row rows[] = {
        {"heartbeats", info.heartbeats},
        {"flow_requests", info.flow_requests},
        {"missed", info.missed},
        {"recreated", info.recreated},
        {"lost", info.lost},
        {"unknown", info.unknown},
        {"live", (uint64_t)info.live},
        {"made", (uint64_t)info.made},
    };
    return rows_add(dict, rows, sizeof rows / sizeof rows[0]);
}
