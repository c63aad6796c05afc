/* Whether something works. Any thread; waits for nothing but the locks of its connection. */
#include "client/health.h"

#include "capi/guard.h"

static natskit_status give(const struct nki_health *now, int64_t now_ns, natskit_health *health, size_t size)
{
    natskit_health filled = {
        .state = (int32_t)now->state,
        .reason = now->reason,
        .since_ms = nki_health_ms(now->since_ns, now_ns),
        .activity_ms = nki_health_ms(now->activity_ns, now_ns),
        .beat_ms = nki_health_ms(now->beat_ns, now_ns),
    };
    _Static_assert(sizeof filled.text == sizeof now->text, "texts are as long");
    memcpy(filled.text, now->text, sizeof filled.text);
    return nki_capi_give(health, size, &filled, sizeof filled);
}

natskit_status natskit_conn_health(natskit_conn conn, natskit_health *health, size_t health_size)
{
    if (health == NULL || health_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(conn.id, NATSKIT_KIND_CONN, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_health now;
    int64_t now_ns = nki_conn_health(handle->object, &now);
    nki_handle_unpin(handle);
    return give(&now, now_ns, health, health_size);
}

natskit_status natskit_sub_health(natskit_sub sub, natskit_health *health, size_t health_size)
{
    if (health == NULL || health_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(sub.id, NATSKIT_KIND_SUB, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_health now;
    int64_t now_ns = nki_sub_health(handle->object, &now);
    nki_handle_unpin(handle);
    return give(&now, now_ns, health, health_size);
}
