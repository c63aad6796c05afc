/* What a subscription tells of itself: its fields, its statistics, why it has ended. */
#include "lnk.h"

#include <string.h>

/* Fields, as values of the dispatch table; methods stand in the same table as functions. */
enum field { F_SID = 1, F_SUBJECT, F_QUEUE };

/* Why it has ended; 0 while it lives. */
natskit_status lnk_sub_end_reason(const lnk_sub *sub)
{
    natskit_sub_stats stats;
    memset(&stats, 0, sizeof stats);
    if (sub->sub.id == 0) {
        return sub->ended;
    }
    return natskit_sub_stats_get(sub->sub, &stats, sizeof stats) == NATSKIT_OK ? stats.reason
                                                                               : NATSKIT_CLOSED;
}

/* Index of what is kept of a closed subscription, in LNK_UV_CLOSED. */
enum kept { T_SUBJECT = 1, T_QUEUE, T_SID };

/* Pushes what was kept of the closed subscription at 1, or nil. */
static int push_kept(lua_State *L, enum kept which)
{
    if (lnk_push_of(L, LNK_UV_CLOSED, 1) == LUA_TTABLE) {
        lua_rawgeti(L, -1, which);
    }
    return 1;
}

/* Pushes a text of the subscription at 1, or nil. */
static int push_text(lua_State *L, const lnk_sub *sub, enum kept which)
{
    char usual[256];
    size_t len = 0;
    natskit_status (*get)(natskit_sub, char *, size_t, size_t *) =
        which == T_SUBJECT ? natskit_sub_subject : natskit_sub_queue;
    if (sub->sub.id == 0) {
        return push_kept(L, which);
    }
    natskit_status status = get(sub->sub, usual, sizeof usual, &len);
    if (status == NATSKIT_OK) {
        lua_pushlstring(L, usual, len);
    } else if (status == NATSKIT_LIMIT) {
        luaL_Buffer out;
        char *text = luaL_buffinitsize(L, &out, len);
        status = get(sub->sub, text, len, &len);
        luaL_pushresultsize(&out, status == NATSKIT_OK ? len : 0);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int push_sid(lua_State *L, const lnk_sub *sub)
{
    natskit_sub_stats stats;
    memset(&stats, 0, sizeof stats);
    if (sub->sub.id == 0) {
        push_kept(L, T_SID);
        lua_pushinteger(L, lua_tointeger(L, -1));
        return 1;
    }
    (void)natskit_sub_stats_get(sub->sub, &stats, sizeof stats);
    lua_pushinteger(L, (lua_Integer)stats.sid);
    return 1;
}

void lnk_sub_keep(lua_State *L, const lnk_sub *sub)
{
    lua_createtable(L, T_SID, 0);
    push_text(L, sub, T_SUBJECT);
    lua_rawseti(L, -2, T_SUBJECT);
    push_text(L, sub, T_QUEUE);
    lua_rawseti(L, -2, T_QUEUE);
    push_sid(L, sub);
    lua_rawseti(L, -2, T_SID);
    lnk_set_of(L, LNK_UV_CLOSED, 1);
    lua_pop(L, 1);
}

static void set_integer(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

/* sub:stats() -> table. What is ahead was not handed out yet, so it counts as pending. */
int lnk_sub_stats(lua_State *L)
{
    lnk_sub *sub = lnk_check(L, lnk_state_of(L), 1, LNK_SUB);
    natskit_sub_stats stats;
    memset(&stats, 0, sizeof stats);
    natskit_status status = natskit_sub_stats_get(sub->sub, &stats, sizeof stats);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    uint64_t ahead = sub->count - sub->head;
    lua_createtable(L, 0, 16);
    set_integer(L, "sid", stats.sid);
    set_integer(L, "received", stats.received);
    set_integer(L, "taken", stats.taken - ahead);
    set_integer(L, "pending_msgs", stats.pending_msgs + ahead);
    set_integer(L, "pending_bytes", stats.pending_bytes);
    set_integer(L, "high_msgs", stats.high_msgs);
    set_integer(L, "high_bytes", stats.high_bytes);
    set_integer(L, "dropped_msgs", stats.dropped_msgs);
    set_integer(L, "dropped_bytes", stats.dropped_bytes);
    set_integer(L, "limit_msgs", stats.limit_msgs);
    set_integer(L, "limit_bytes", stats.limit_bytes);
    set_integer(L, "max", stats.max);
    set_integer(L, "holds", stats.holds);
    set_integer(L, "handler_errors", sub->errors);
    lua_pushboolean(L, stats.draining);
    lua_setfield(L, -2, "draining");
    if (stats.reason != NATSKIT_OK) {
        lnk_push_code(L, stats.reason);
        lua_setfield(L, -2, "reason");
    }
    return 1;
}

/* sub:reason() -> code and text of why it ended; nil while it lives */
int lnk_sub_reason(lua_State *L)
{
    const lnk_sub *sub = lnk_check(L, lnk_state_of(L), 1, LNK_SUB);
    natskit_status reason = lnk_sub_end_reason(sub);
    natskit_error err;
    if (reason == NATSKIT_OK) {
        lua_pushnil(L);
        return 1;
    }
    lnk_push_code(L, reason);
    lua_pushstring(L, natskit_sub_reason(sub->sub, &err) == reason ? err.text : lnk_status_text(reason));
    return 2;
}

/* sub:watch_info() -> table of a watch of key-value or an ordered reading */
int lnk_sub_watch_info(lua_State *L)
{
    const lnk_sub *sub = lnk_check(L, lnk_state_of(L), 1, LNK_SUB);
    natskit_watch_info info;
    memset(&info, 0, sizeof info);
    natskit_status status = natskit_sub_watch_info(sub->sub, &info, sizeof info);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, 0, 6);
    set_integer(L, sub->ordered ? "last_seq" : "last_revision", info.last_seq);
    set_integer(L, "resets", info.resets);
    set_integer(L, "passed", info.passed);
    set_integer(L, "rewinds", info.rewinds);
    lua_pushboolean(L, info.live);
    lua_setfield(L, -2, "live");
    lua_pushboolean(L, info.initial_done);
    lua_setfield(L, -2, "initial_done");
    return 1;
}

/* sub:unsubscribe([max]) */
int lnk_sub_unsubscribe(lua_State *L)
{
    const lnk_sub *sub = lnk_check(L, lnk_state_of(L), 1, LNK_SUB);
    lua_Integer max = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, max >= 0, 2, "a number of messages is not negative");
    return lnk_result(L, natskit_sub_unsubscribe(sub->sub, (uint64_t)max), NULL);
}

/* sub.field or sub:method; upvalue 2 is the dispatch table */
static int sub_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNUMBER) {
        return 1; /* a method, or nil */
    }
    lnk_sub *sub = lnk_check(L, lnk_state_of(L), 1, LNK_SUB);
    switch ((enum field)lua_tointeger(L, -1)) {
    case F_SUBJECT:
        return push_text(L, sub, T_SUBJECT);
    case F_QUEUE:
        return push_text(L, sub, T_QUEUE);
    default:
        return push_sid(L, sub);
    }
}

void lnk_sub_add_fields(lua_State *L, int state_index)
{
    static const char *const names[] = {"sid", "subject", "queue"};
    for (int i = 0; i < 3; i++) {
        lua_pushinteger(L, F_SID + i);
        lua_setfield(L, -2, names[i]);
    }
    /* Under a name of its own as well, for the test that compares it with the documents. */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "fields");
    lua_pushvalue(L, state_index);
    lua_insert(L, -2);
    lua_pushcclosure(L, sub_index, 2);
}
