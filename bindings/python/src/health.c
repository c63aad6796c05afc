/* SPDX-License-Identifier: Apache-2.0
 *
 * health() of connections and subscriptions: natskit._health makes the object.
 */
#include "state.h"

#include <string.h>

static PyObject *health_object(State *st, const natskit_health *health)
{
    PyObject *reason = Py_NewRef(Py_None);
    if (health->reason != NATSKIT_OK) {
        natskit_error err = {.status = health->reason};
        memcpy(err.text, health->text, sizeof health->text);
        Py_DECREF(reason);
        reason = error_object(st, health->reason, health->text[0] != '\0' ? &err : NULL);
        if (reason == NULL)
            return NULL;
    }
    return PyObject_CallFunction(st->health, "iLLLNs", (int)health->state, (long long)health->since_ms,
                                 (long long)health->activity_ms, (long long)health->beat_ms, reason,
                                 health->text);
}

static PyObject *health_ended(State *st, natskit_status reason, const char *text)
{
    natskit_health health = {
        .state = NATSKIT_HEALTH_ENDED, .reason = reason, .since_ms = -1, .activity_ms = -1, .beat_ms = -1};
    size_t len = strlen(text);
    memcpy(health.text, text, len < sizeof health.text ? len : sizeof health.text - 1);
    return health_object(st, &health);
}

PyObject *conn_health(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Conn *conn = DATA(Conn, self);
    natskit_health health;
    if (conn->closed)
        return conn->end != NULL ? health_ended(conn->st, conn->end->status, conn->end->text)
                                 : health_ended(conn->st, NATSKIT_CLOSED, "closed by the application");
    natskit_status status = natskit_conn_health(conn->handle, &health, sizeof health);
    return status == NATSKIT_OK ? health_object(conn->st, &health) : raise_status(conn->st, status, NULL);
}

PyObject *sub_health(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Sub *sub = DATA(Sub, self);
    natskit_health health;
    if (sub->closed)
        return health_ended(sub->st, NATSKIT_CLOSED, "closed by the application");
    natskit_status status = natskit_sub_health(sub->handle, &health, sizeof health);
    return status == NATSKIT_OK ? health_object(sub->st, &health) : raise_status(sub->st, status, NULL);
}
