/* What a message asks of the stream that it is published to: options that become headers, of js:publish,
 * publishers and batches. */
#include "lnk.h"

#include <string.h>

#define OPTIONS_AT 4 /* slot of the table */

enum kind { TEXT, NUMBER, TIME_TO_LIVE, HEADERS, TIMEOUT, INCREMENT, ROLLUP, CANCEL };

static const struct wish {
    const char *option;
    const char *header;
    enum kind kind;
} wishes[] = {
    {"headers", NULL, HEADERS},
    {"timeout", NULL, TIMEOUT},
    {"msg_id", "Nats-Msg-Id", TEXT},
    {"ttl", "Nats-TTL", TIME_TO_LIVE},
    {"expected_stream", "Nats-Expected-Stream", TEXT},
    {"expected_last_msg_id", "Nats-Expected-Last-Msg-Id", TEXT},
    {"expected_last_seq", "Nats-Expected-Last-Sequence", NUMBER},
    {"expected_last_subject_seq", "Nats-Expected-Last-Subject-Sequence", NUMBER},
    {"expected_last_subject", "Nats-Expected-Last-Subject-Sequence-Subject", TEXT},
    {"increment", "Nats-Incr", INCREMENT},
    {"schedule", "Nats-Schedule", TEXT},
    {"schedule_target", "Nats-Schedule-Target", TEXT},
    {"schedule_source", "Nats-Schedule-Source", TEXT},
    {"schedule_ttl", "Nats-Schedule-TTL", TIME_TO_LIVE},
    {"schedule_time_zone", "Nats-Schedule-Time-Zone", TEXT},
    {"schedule_rollup", "Nats-Schedule-Rollup", ROLLUP},
    {"unschedule", "Nats-Scheduler", CANCEL},
};

#define WISHES (sizeof wishes / sizeof wishes[0])

static const struct wish *find_wish(lua_State *L, int index)
{
    if (lua_type(L, index) == LUA_TSTRING) {
        const char *name = lua_tostring(L, index);
        for (size_t i = 0; i < WISHES; i++) {
            if (strcmp(wishes[i].option, name) == 0) {
                return &wishes[i];
            }
        }
    }
    luaL_error(
        L,
        "unknown option '%s' (known: headers, timeout, msg_id, ttl, expected_stream, expected_last_seq, "
        "expected_last_msg_id, expected_last_subject_seq, expected_last_subject, increment, schedule, "
        "schedule_target, schedule_source, schedule_ttl, schedule_time_zone, schedule_rollup, unschedule)",
        luaL_tolstring(L, index, NULL));
    return NULL;
}

/* Pushes the text of a time to live: seconds, or milliseconds if they are not whole. */
static void push_ttl(lua_State *L, const char *option)
{
    int64_t ms = lnk_check_ms(L, lua_gettop(L), option);
    if (ms < 0) {
        lua_pushliteral(L, "never");
    } else if (ms % 1000 == 0) {
        lua_pushinteger(L, ms / 1000);
    } else {
        lua_pushfstring(L, "%Ims", (lua_Integer)ms);
    }
}

/* Pushes what a counter is to be increased by: an integer, or the digits of a larger one. */
static void push_increment(lua_State *L)
{
    if (lua_type(L, -1) == LUA_TSTRING) {
        const char *text = lua_tostring(L, -1);
        lua_pushfstring(L, text[0] == '-' || text[0] == '+' ? "%s" : "+%s", text);
    } else if (lua_isinteger(L, -1)) {
        lua_pushfstring(L, lua_tointeger(L, -1) < 0 ? "%I" : "+%I", lua_tointeger(L, -1));
    } else {
        luaL_error(L, "increment: integer or its digits expected, got %s", luaL_tolstring(L, -1, NULL));
    }
}

/* Pushes the value of the header that an option asks for, of which the value is on top. */
static void push_wished(lua_State *L, const struct wish *wish)
{
    int integer = 0;
    lua_tointegerx(L, -1, &integer);
    switch (wish->kind) {
    case TIME_TO_LIVE:
        push_ttl(L, wish->option);
        break;
    case INCREMENT:
        push_increment(L);
        break;
    case ROLLUP:
        lua_pushliteral(L, "sub");
        break;
    case NUMBER:
        if (!integer || lua_type(L, -1) != LUA_TNUMBER || lua_tointeger(L, -1) < 0) {
            luaL_error(L, "%s: sequence expected, got %s", wish->option, luaL_tolstring(L, -1, NULL));
        }
        lua_pushinteger(L, lua_tointeger(L, -1)); /* 5.0 as 5 */
        break;
    default:
        if (lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "%s: string expected, got %s", wish->option, luaL_typename(L, -1));
        }
        lua_pushvalue(L, -1);
        break;
    }
}

static void set_header(lua_State *L, natskit_headers headers, const struct wish *wish, const char *header,
                       const char *value, size_t len)
{
    natskit_error err;
    if (natskit_headers_set(headers, header, NATSKIT_ZLEN, value, len, NATSKIT_MATCH_IGNORE_CASE, &err) !=
        NATSKIT_OK) {
        luaL_error(L, "%s: %s", wish->option, err.text);
    }
}

/* Adds the header that an option asks for, of which the value is on top. */
static void add_wish(lua_State *L, natskit_headers headers, const struct wish *wish)
{
    size_t len = 0;
    if (wish->kind == ROLLUP && !lua_toboolean(L, -1)) {
        return;
    }
    push_wished(L, wish);
    const char *value = lua_tolstring(L, -1, &len);
    set_header(L, headers, wish, wish->header, value, len);
    if (wish->kind == CANCEL) {
        set_header(L, headers, wish, "Nats-Schedule-Next", "purge", 5);
    }
    lua_pop(L, 1);
}

/* The headers that the table of options at OPTIONS_AT asks for; valid until the next call. */
natskit_headers lnk_publish_headers(lua_State *L, lnk_state *st)
{
    natskit_headers headers = {0};
    int top = lua_gettop(L);
    if (lua_isnil(L, OPTIONS_AT)) {
        return headers;
    }
    lua_getfield(L, OPTIONS_AT, "headers");
    if (!lnk_is_headers(L, st, -1)) {
        luaL_error(L, "headers: natskit.headers or table expected, got %s", luaL_typename(L, -1));
    }
    headers = lnk_headers(L, st, top + 1);
    int own = headers.id != 0 && headers.id == st->headers.id;
    for (lua_pushnil(L); lua_next(L, OPTIONS_AT) != 0; lua_settop(L, top + 2)) {
        const struct wish *wish = find_wish(L, top + 2);
        if (wish->header != NULL && !own) {
            natskit_headers given = headers;
            headers = lnk_headers_own(L, st);
            own = 1;
            if (given.id != 0) {
                lnk_headers_copy(L, headers, given);
            }
        }
        if (wish->header != NULL) {
            add_wish(L, headers, wish);
        }
    }
    lua_settop(L, top);
    return headers;
}
