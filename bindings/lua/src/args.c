/* Arguments that several functions take: times, tables of send options, headers; and the words for subjects
 * that the library refused. Whatever is wrong raises before anything was sent. */
#include "lnk.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* Seconds above this wait for ever: 2^53 ms would be next. */
#define MAX_SECONDS 9.0e12

int64_t lnk_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t lnk_deadline(int64_t timeout_ms)
{
    return timeout_ms < 0 ? -1 : lnk_now_ms() + timeout_ms;
}

int64_t lnk_left(int64_t deadline)
{
    if (deadline < 0) {
        return -1;
    }
    int64_t left = deadline - lnk_now_ms();
    return left > 0 ? left : 0;
}

int64_t lnk_check_ms(lua_State *L, int index, const char *name)
{
    if (lua_type(L, index) != LUA_TNUMBER) {
        luaL_error(L, "%s: number of seconds expected, got %s", name, luaL_typename(L, index));
    }
    lua_Number seconds = lua_tonumber(L, index);
    if (isnan(seconds) || seconds < 0) {
        luaL_error(L, "%s: %f is no number of seconds (leave it out or pass math.huge to wait for ever)",
                   name, seconds);
    }
    return seconds > MAX_SECONDS ? -1 : (int64_t)ceil(seconds * 1000);
}

int64_t lnk_opt_ms(lua_State *L, int index, const char *name, int64_t absent)
{
    return lua_isnoneornil(L, index) ? absent : lnk_check_ms(L, index, name);
}

int64_t lnk_only_timeout(lua_State *L, int index, const char *what, int64_t absent)
{
    int64_t timeout_ms = absent;
    if (lua_isnoneornil(L, index)) {
        return absent;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    int top = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_settop(L, top + 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strcmp(name, "timeout") != 0) {
            luaL_error(L, "%s: unknown option '%s' (known: timeout)", what, luaL_tolstring(L, -2, NULL));
        }
        timeout_ms = lnk_check_ms(L, -1, "timeout");
    }
    return timeout_ms;
}

/* The flag of a send option, or 0. */
static unsigned send_option(const char *key)
{
    if (strcmp(key, "headers") == 0) {
        return LNK_OPT_HEADERS;
    }
    if (strcmp(key, "reply") == 0) {
        return LNK_OPT_REPLY;
    }
    if (strcmp(key, "trace_destination") == 0 || strcmp(key, "trace_only") == 0) {
        return LNK_OPT_TRACE;
    }
    return strcmp(key, "timeout") == 0 ? LNK_OPT_TIMEOUT : 0;
}

static void set_trace(lua_State *L, natskit_headers headers, const char *name, const char *value, size_t len)
{
    natskit_error err;
    if (natskit_headers_set(headers, name, NATSKIT_ZLEN, value, len, NATSKIT_MATCH_IGNORE_CASE, &err) !=
        NATSKIT_OK) {
        luaL_error(L, "trace_destination: %s", err.text);
    }
}

/* Options trace_destination and trace_only: puts a set with the headers on top of the stack and those of the
 * trace in place of the former. */
static void add_trace(lua_State *L, lnk_state *st, int index)
{
    int given = lua_gettop(L);
    int type = lua_getfield(L, index, "trace_destination");
    int only = lua_getfield(L, index, "trace_only");
    if (only != LUA_TNIL && only != LUA_TBOOLEAN) {
        luaL_error(L, "trace_only: boolean expected, got %s", luaL_typename(L, -1));
    }
    only = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (type == LUA_TNIL) {
        luaL_argcheck(L, !only, index, "trace_only needs trace_destination");
        lua_settop(L, given);
        return;
    }
    if (type != LUA_TSTRING) {
        luaL_error(L, "trace_destination: string expected, got %s", luaL_typename(L, -1));
    }
    size_t len = 0;
    natskit_error err;
    const char *subject = lua_tolstring(L, -1, &len);
    if (natskit_subject_check(subject, len, 0, &err) != NATSKIT_OK) {
        luaL_error(L, "trace_destination: %s", err.text);
    }
    natskit_headers headers = lnk_push_headers(L)->headers;
    natskit_headers former = lnk_headers(L, st, given);
    if (former.id != 0) {
        lnk_headers_copy(L, headers, former);
    }
    set_trace(L, headers, NATSKIT_HEADER_TRACE_DEST, subject, len);
    if (only) {
        set_trace(L, headers, NATSKIT_HEADER_TRACE_ONLY, "true", 4);
    }
    lua_replace(L, given);
    lua_settop(L, given);
}

/* Raises for an option that is not among the allowed ones. Its key is at -2. */
static void raise_option(lua_State *L, unsigned allowed)
{
    luaL_error(L, "unknown option '%s' (known: timeout%s%s%s)", luaL_tolstring(L, -2, NULL),
               allowed & LNK_OPT_HEADERS ? ", headers" : "", allowed & LNK_OPT_REPLY ? ", reply" : "",
               allowed & LNK_OPT_TRACE ? ", trace_destination, trace_only" : "");
}

int64_t lnk_send_options(lua_State *L, int index, unsigned allowed, int64_t timeout_ms)
{
    lua_pushnil(L);
    lua_pushnil(L);
    if (lua_isnoneornil(L, index)) {
        return timeout_ms;
    }
    lnk_state *st = lnk_state_of(L);
    const int headers = lua_gettop(L);
    int traced = 0;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        unsigned option = lua_type(L, -2) == LUA_TSTRING ? send_option(lua_tostring(L, -2)) : 0;
        if ((option & allowed) == 0 && (allowed & LNK_OPT_LIBRARY) == 0) {
            raise_option(L, allowed);
        }
        switch (option) {
        case LNK_OPT_HEADERS:
            if (!lnk_is_headers(L, st, -1)) {
                luaL_error(L, "headers: natskit.headers or table expected, got %s", luaL_typename(L, -1));
            }
            lua_replace(L, headers);
            break;
        case LNK_OPT_REPLY:
            if (lua_type(L, -1) != LUA_TSTRING) {
                luaL_error(L, "reply: string expected, got %s", luaL_typename(L, -1));
            }
            lua_replace(L, headers - 1);
            break;
        case LNK_OPT_TIMEOUT:
            timeout_ms = lnk_check_ms(L, -1, "timeout");
            lua_pop(L, 1);
            break;
        default:
            traced |= option == LNK_OPT_TRACE;
            lua_pop(L, 1);
        }
    }
    if (traced) {
        add_trace(L, st, index);
    }
    return timeout_ms;
}

/* -- headers ----------------------------------------------------------------------------------------------
 */

/* Adds a header of which the value is on top of the stack, and pops that. */
static void add_header(lua_State *L, natskit_headers headers, const char *name, size_t name_len)
{
    int type = lua_type(L, -1);
    if (type != LUA_TSTRING && type != LUA_TNUMBER) {
        luaL_error(L, "header '%s': string expected as value, got %s", name, luaL_typename(L, -1));
    }
    size_t value_len = 0;
    const char *value = lua_tolstring(L, -1, &value_len);
    natskit_error err;
    natskit_status status = natskit_headers_add(headers, name, name_len, value, value_len, &err);
    if (status != NATSKIT_OK) {
        luaL_error(L, "header '%s': %s", name, err.text);
    }
    lua_pop(L, 1);
}

/* Adds {name, value} at the top of the stack, the `i`-th of the list. */
static void add_pair(lua_State *L, natskit_headers headers, lua_Integer i)
{
    if (!lua_istable(L, -1)) {
        luaL_error(L, "headers[%I]: {name, value} expected, got %s", i, luaL_typename(L, -1));
    }
    if (lua_rawgeti(L, -1, 1) != LUA_TSTRING) {
        luaL_error(L, "headers[%I]: string expected as name, got %s", i, luaL_typename(L, -1));
    }
    size_t len = 0;
    const char *name = lua_tolstring(L, -1, &len);
    lua_rawgeti(L, -2, 2);
    add_header(L, headers, name, len);
    lua_pop(L, 1);
}

/* Adds `name = value` or `name = {value, ...}`; key and value are on top of the stack. */
static void add_field(lua_State *L, natskit_headers headers)
{
    size_t len = 0;
    const char *name = lua_tolstring(L, -2, &len);
    if (!lua_istable(L, -1)) {
        lua_pushvalue(L, -1); /* a copy: a number is turned into a string in place */
        add_header(L, headers, name, len);
        return;
    }
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        add_header(L, headers, name, len);
    }
}

int lnk_is_headers(lua_State *L, const lnk_state *st, int index)
{
    return lua_isnil(L, index) || lua_istable(L, index) || lnk_test(L, st, index, LNK_HEADERS) != NULL;
}

void lnk_headers_fill(lua_State *L, natskit_headers headers, int index)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, index, i);
        add_pair(L, headers, i);
        lua_pop(L, 1);
    }
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            add_field(L, headers);
        } else if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || lua_tointeger(L, -2) > count) {
            luaL_error(L, "headers: string expected as name, got %s", luaL_typename(L, -2));
        }
    }
}

natskit_headers lnk_headers_own(lua_State *L, lnk_state *st)
{
    /* Opened anew if natskit_shutdown or a fork has taken the old one. */
    if (natskit_headers_clear(st->headers) != NATSKIT_OK &&
        natskit_headers_open(&st->headers) != NATSKIT_OK) {
        luaL_error(L, "headers: no memory");
    }
    return st->headers;
}

natskit_headers lnk_headers(lua_State *L, lnk_state *st, int index)
{
    natskit_headers none = {0};
    if (lua_isnoneornil(L, index)) {
        return none;
    }
    if (lua_isuserdata(L, index)) {
        return lnk_headers_of(L, lua_touserdata(L, index));
    }
    lua_pushnil(L);
    if (!lua_next(L, index)) {
        return none; /* an empty table */
    }
    lua_pop(L, 2);
    lnk_headers_fill(L, lnk_headers_own(L, st), index);
    return st->headers;
}

/* -- subjects ---------------------------------------------------------------------------------------------
 */

int lnk_bad_subject(lua_State *L, const char *what, int subject, int reply)
{
    natskit_error err;
    size_t len = 0;
    const char *text = lua_tolstring(L, subject, &len);
    if (natskit_subject_check(text, len, 0, &err) != NATSKIT_OK) {
        return luaL_error(L, "%s: %s", what, err.text);
    }
    text = reply != 0 ? lua_tolstring(L, reply, &len) : NULL;
    if (text != NULL && natskit_subject_check(text, len, 0, &err) != NATSKIT_OK) {
        return luaL_error(L, "%s: reply: %s", what, err.text);
    }
    return luaL_error(L, "%s: an argument is not valid", what);
}
