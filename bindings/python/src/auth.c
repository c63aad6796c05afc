/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys, JWTs and credentials, for natskit/nkeys.py and natskit/jwt.py, which check types and give names.
 * Seeds come as str or bytes-like objects; what is copied of them on the way is wiped.
 */
#include "state.h"

#include <string.h>

#define CREDS_CAP (66 * 1024) /* more than the library writes */
#define JWT_CAP 4096          /* enough without many tags */

/* Up to three arguments that are str or bytes-like. */
typedef struct Texts {
    Payload items[3];
    int count;
} Texts;

static void texts_done(Texts *texts)
{
    while (texts->count > 0)
        payload_done(&texts->items[--texts->count]);
}

static int texts_take(State *st, PyObject *const *objects, int count, Texts *out)
{
    out->count = 0;
    for (int i = 0; i < count; i++) {
        if (payload_arg(st, objects[i], &out->items[i]) < 0) {
            texts_done(out);
            return -1;
        }
        out->count++;
    }
    return 0;
}

PyObject *auth_nkey_create(PyObject *module, PyObject *role)
{
    char seed[NATSKIT_NKEY_SEED_LEN];
    size_t len = 0;
    natskit_error err = {0};
    long letter = PyLong_AsLong(role);
    if (letter == -1 && PyErr_Occurred())
        return NULL;
    natskit_status status = natskit_nkey_create((int32_t)letter, seed, sizeof seed, &len, &err);
    if (status != NATSKIT_OK)
        return raise_status(module_state(module), status, &err);
    PyObject *text = text_new(seed, len);
    explicit_bzero(seed, sizeof seed);
    return text;
}

PyObject *auth_nkey_public(PyObject *module, PyObject *seed)
{
    State *st = module_state(module);
    char key[NATSKIT_NKEY_PUBLIC_LEN];
    size_t len = 0;
    natskit_error err = {0};
    Payload text;
    if (payload_arg(st, seed, &text) < 0)
        return NULL;
    natskit_status status = natskit_nkey_public(text.data, text.len, key, sizeof key, &len, &err);
    payload_done(&text);
    return status == NATSKIT_OK ? text_new(key, len) : raise_status(st, status, &err);
}

PyObject *auth_nkey_sign(PyObject *module, PyObject *args)
{
    State *st = module_state(module);
    uint8_t signature[NATSKIT_SIGNATURE_LEN];
    natskit_error err = {0};
    PyObject *objects[2];
    Texts texts;
    if (!PyArg_ParseTuple(args, "OO:_nkey_sign", &objects[0], &objects[1]) ||
        texts_take(st, objects, 2, &texts) < 0)
        return NULL;
    natskit_status status = natskit_nkey_sign(texts.items[0].data, texts.items[0].len, texts.items[1].data,
                                              texts.items[1].len, signature, &err);
    texts_done(&texts);
    return status == NATSKIT_OK ? PyBytes_FromStringAndSize((const char *)signature, sizeof signature)
                                : raise_status(st, status, &err);
}

PyObject *auth_nkey_verify(PyObject *module, PyObject *args)
{
    State *st = module_state(module);
    natskit_error err = {0};
    PyObject *objects[3];
    Texts texts;
    if (!PyArg_ParseTuple(args, "OOO:_nkey_verify", &objects[0], &objects[1], &objects[2]) ||
        texts_take(st, objects, 3, &texts) < 0)
        return NULL;
    const Payload *items = texts.items;
    natskit_status status = natskit_nkey_verify(items[0].data, items[0].len, items[1].data, items[1].len,
                                                items[2].data, items[2].len, &err);
    texts_done(&texts);
    if (status == NATSKIT_OK || status == NATSKIT_SIGNATURE)
        return PyBool_FromLong(status == NATSKIT_OK);
    return raise_status(st, status, &err);
}

/* Issues into a buffer that grows once if it must: many tags make a long JWT. */
static PyObject *issue(State *st, const Texts *texts, natskit_options options)
{
    size_t cap = JWT_CAP;
    for (;;) {
        size_t len = 0;
        natskit_error err = {0};
        char *jwt = PyMem_Malloc(cap);
        if (jwt == NULL)
            return PyErr_NoMemory();
        natskit_status status =
            natskit_jwt_issue_user(texts->items[0].data, texts->items[0].len, texts->items[1].data,
                                   texts->items[1].len, options, jwt, cap, &len, &err);
        PyObject *text = status == NATSKIT_OK ? text_new(jwt, len) : NULL;
        PyMem_Free(jwt);
        if (status == NATSKIT_LIMIT && len > cap) {
            cap = len + 64; /* the second says another time */
            continue;
        }
        return status == NATSKIT_OK ? text : raise_status(st, status, &err);
    }
}

/* _jwt_issue_user(seed, user, options) */
PyObject *auth_jwt_issue_user(PyObject *module, PyObject *args)
{
    State *st = module_state(module);
    PyObject *objects[2], *pairs;
    natskit_options options;
    Texts texts;
    if (!PyArg_ParseTuple(args, "OOO:_jwt_issue_user", &objects[0], &objects[1], &pairs) ||
        texts_take(st, objects, 2, &texts) < 0)
        return NULL;
    PyObject *jwt = NULL;
    if (options_arg(st, NATSKIT_OPTIONS_USER_JWT, pairs, &options) == 0) {
        jwt = issue(st, &texts, options);
        natskit_options_close(options);
    }
    texts_done(&texts);
    return jwt;
}

/* Nanoseconds since 1970; 0 for never. */
PyObject *auth_jwt_expiry(PyObject *module, PyObject *jwt)
{
    State *st = module_state(module);
    int64_t expires_ns = 0;
    natskit_error err = {0};
    Payload text;
    if (payload_arg(st, jwt, &text) < 0)
        return NULL;
    natskit_status status = natskit_jwt_expiry(text.data, text.len, &expires_ns, &err);
    payload_done(&text);
    return status == NATSKIT_OK ? PyLong_FromLongLong(expires_ns) : raise_status(st, status, &err);
}

PyObject *auth_creds_format(PyObject *module, PyObject *args)
{
    State *st = module_state(module);
    size_t len = 0;
    natskit_error err = {0};
    PyObject *objects[2];
    Texts texts;
    if (!PyArg_ParseTuple(args, "OO:_creds_format", &objects[0], &objects[1]) ||
        texts_take(st, objects, 2, &texts) < 0)
        return NULL;
    char *creds = PyMem_Malloc(CREDS_CAP);
    if (creds == NULL) {
        texts_done(&texts);
        return PyErr_NoMemory();
    }
    natskit_status status = natskit_creds_format(texts.items[0].data, texts.items[0].len, texts.items[1].data,
                                                 texts.items[1].len, creds, CREDS_CAP, &len, &err);
    texts_done(&texts);
    PyObject *text = status == NATSKIT_OK ? text_new(creds, len) : raise_status(st, status, &err);
    explicit_bzero(creds, status == NATSKIT_OK ? len : 0);
    PyMem_Free(creds);
    return text;
}
