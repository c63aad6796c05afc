/* health() of connections and subscriptions. */
#include "lnk.h"

#include <string.h>

static void set_ms(lua_State *L, const char *name, int64_t ms)
{
    if (ms >= 0) {
        lua_pushinteger(L, (lua_Integer)ms);
        lua_setfield(L, -2, name);
    }
}

static int push_health(lua_State *L, natskit_status status, natskit_health *health)
{
    static const char *const states[] = {
        [NATSKIT_HEALTH_OK] = "ok",
        [NATSKIT_HEALTH_DEGRADED] = "degraded",
        [NATSKIT_HEALTH_STARTING] = "starting",
        [NATSKIT_HEALTH_SILENT] = "silent",
        [NATSKIT_HEALTH_DOWN] = "down",
        [NATSKIT_HEALTH_ENDED] = "ended",
    };
    if (status == NATSKIT_CLOSED || status == NATSKIT_BAD_HANDLE) {
        *health = (natskit_health){.state = NATSKIT_HEALTH_ENDED,
                                   .reason = NATSKIT_CLOSED,
                                   .since_ms = -1,
                                   .activity_ms = -1,
                                   .beat_ms = -1};
        static const char text[] = "closed by the application";
        memcpy(health->text, text, sizeof text);
    } else if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, 0, 7);
    lua_pushstring(L, states[health->state]);
    lua_setfield(L, -2, "state");
    lua_pushboolean(L, health->state <= NATSKIT_HEALTH_DEGRADED);
    lua_setfield(L, -2, "works");
    set_ms(L, "since_ms", health->since_ms);
    set_ms(L, "activity_ms", health->activity_ms);
    set_ms(L, "beat_ms", health->beat_ms);
    if (health->reason != NATSKIT_OK) {
        lnk_push_code(L, health->reason);
        lua_setfield(L, -2, "reason");
    }
    lua_pushstring(L, health->text);
    lua_setfield(L, -2, "text");
    return 1;
}

/* nc:health() -> table */
int lnk_conn_health(lua_State *L)
{
    const lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    natskit_health health;
    return push_health(L, natskit_conn_health(conn->conn, &health, sizeof health), &health);
}

/* sub:health() -> table */
int lnk_sub_health(lua_State *L)
{
    const lnk_sub *sub = lnk_check(L, lnk_state_of(L), 1, LNK_SUB);
    natskit_health health;
    return push_health(L, natskit_sub_health(sub->sub, &health, sizeof health), &health);
}
