/* Sets of headers that are kept: nats.headers. One userdata holds one handle of the library, which a send
 * takes as it is. The names and values of received messages are read in msg.c. */
#include "lnk.h"

#include <string.h>

/* Values of this length need no second look. */
#define USUAL 256

static const char *const match_names[] = {"exact", "ignore_case", "canonical", NULL};

int32_t lnk_match(lua_State *L, int index)
{
    static const int32_t matches[] = {NATSKIT_MATCH_EXACT, NATSKIT_MATCH_IGNORE_CASE,
                                      NATSKIT_MATCH_CANONICAL};
    return matches[luaL_checkoption(L, index, "exact", match_names)];
}

static natskit_headers check_set(lua_State *L, int index)
{
    const lnk_headers_set *set = lnk_check(L, lnk_state_of(L), index, LNK_HEADERS);
    if (set->headers.id == 0) {
        luaL_error(L, "the headers were closed");
    }
    return set->headers;
}

natskit_headers lnk_headers_of(lua_State *L, const lnk_headers_set *set)
{
    if (set->headers.id == 0) {
        luaL_error(L, "headers: they were closed");
    }
    return set->headers;
}

/* Raises for what the library refused. */
static void raise_unless_ok(lua_State *L, natskit_status status, const natskit_error *err, const char *name)
{
    if (status == NATSKIT_OK) {
        return;
    }
    if (status == NATSKIT_INVALID || status == NATSKIT_LIMIT) {
        luaL_error(L, "header '%s': %s", name, err->text);
    }
    luaL_error(L, "headers: %s", lnk_status_text(status));
}

/* Ended by natskit_shutdown or a fork: a set must not seem to be empty then. */
static void raise_if_gone(lua_State *L, natskit_status status)
{
    if (status != NATSKIT_OK && status != NATSKIT_NOT_FOUND && status != NATSKIT_LIMIT) {
        luaL_error(L, "headers: %s", lnk_status_text(status));
    }
}

/* -- reading ----------------------------------------------------------------------------------------------
 */

/* Pushes the index-th value, counting from 0; nil if there are fewer. */
static int push_value(lua_State *L, natskit_headers headers, const char *name, size_t name_len, int32_t match,
                      size_t index)
{
    char usual[USUAL];
    size_t len = 0;
    natskit_status status =
        natskit_headers_get(headers, name, name_len, match, index, usual, sizeof usual, &len);
    if (status == NATSKIT_OK) {
        lua_pushlstring(L, usual, len);
        return 1;
    }
    if (status == NATSKIT_LIMIT) {
        luaL_Buffer out;
        char *text = luaL_buffinitsize(L, &out, len);
        status = natskit_headers_get(headers, name, name_len, match, index, text, len, &len);
        luaL_pushresultsize(&out, status == NATSKIT_OK ? len : 0);
        return status == NATSKIT_OK;
    }
    raise_if_gone(L, status);
    lua_pushnil(L);
    return 0;
}

/* Pushes name and value of the index-th header, counting from 0. Pushes nothing if there are fewer. */
static int push_pair(lua_State *L, natskit_headers headers, size_t index)
{
    char name[USUAL];
    char value[USUAL];
    size_t name_len = 0;
    size_t value_len = 0;
    natskit_status status =
        natskit_headers_at(headers, index, name, sizeof name, &name_len, value, sizeof value, &value_len);
    if (status == NATSKIT_OK) {
        lua_pushlstring(L, name, name_len);
        lua_pushlstring(L, value, value_len);
        return 1;
    }
    if (status != NATSKIT_LIMIT) {
        raise_if_gone(L, status);
        return 0;
    }
    char *both = lua_newuserdatauv(L, name_len + value_len + 1, 0);
    int index_both = lua_gettop(L);
    status =
        natskit_headers_at(headers, index, both, name_len, &name_len, both + name_len, value_len, &value_len);
    if (status == NATSKIT_OK) {
        lua_pushlstring(L, both, name_len);
        lua_pushlstring(L, both + name_len, value_len);
    }
    lua_remove(L, index_both);
    return status == NATSKIT_OK;
}

/* h:get(name [, match]) -> first value or nil */
static int headers_get(lua_State *L)
{
    natskit_headers headers = check_set(L, 1);
    size_t len = 0;
    const char *name = luaL_checklstring(L, 2, &len);
    push_value(L, headers, name, len, lnk_match(L, 3), 0);
    return 1;
}

/* h:last(name [, match]) -> last value or nil */
static int headers_last(lua_State *L)
{
    natskit_headers headers = check_set(L, 1);
    size_t len = 0;
    const char *name = luaL_checklstring(L, 2, &len);
    int32_t match = lnk_match(L, 3);
    lua_pushnil(L);
    for (size_t i = 0; push_value(L, headers, name, len, match, i); i++) {
        lua_remove(L, -2);
    }
    lua_pop(L, 1);
    return 1;
}

/* h:values(name [, match]) -> list */
static int headers_values(lua_State *L)
{
    natskit_headers headers = check_set(L, 1);
    size_t len = 0;
    const char *name = luaL_checklstring(L, 2, &len);
    int32_t match = lnk_match(L, 3);
    lua_newtable(L);
    for (size_t i = 0; push_value(L, headers, name, len, match, i); i++) {
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pop(L, 1);
    return 1;
}

/* h:has(name [, match]) */
static int headers_has(lua_State *L)
{
    natskit_headers headers = check_set(L, 1);
    size_t len = 0;
    const char *name = luaL_checklstring(L, 2, &len);
    char none;
    natskit_status status = natskit_headers_get(headers, name, len, lnk_match(L, 3), 0, &none, 0, &len);
    lua_pushboolean(L, status == NATSKIT_OK || status == NATSKIT_LIMIT);
    return 1;
}

/* h:keys() -> list of the names, each once, in order */
static int headers_keys(lua_State *L)
{
    natskit_headers headers = check_set(L, 1);
    lua_newtable(L);
    lua_newtable(L); /* names that are in the list */
    lua_Integer count = 0;
    for (size_t i = 0; push_pair(L, headers, i); i++) {
        lua_pop(L, 1);
        lnk_add_key(L, &count);
    }
    lua_pop(L, 1);
    return 1;
}

void lnk_add_key(lua_State *L, lua_Integer *count)
{
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TNIL) {
        lua_pop(L, 2);
        return;
    }
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, -4);
    lua_rawseti(L, -3, ++*count);
}

/* The iterator; upvalue 2 is the set, 3 the index of the next header. */
static int next_pair(lua_State *L)
{
    natskit_headers headers = check_set(L, lua_upvalueindex(2));
    lua_Integer index = lua_tointeger(L, lua_upvalueindex(3));
    lua_pushinteger(L, index + 1);
    lua_replace(L, lua_upvalueindex(3));
    return push_pair(L, headers, (size_t)index) ? 2 : 0;
}

/* for name, value in h:pairs() do; pairs(h) is the same */
static int headers_pairs(lua_State *L)
{
    check_set(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_pair, 3);
    return 1;
}

/* The number of headers. Their lengths are all that is asked for. */
static size_t count_headers(natskit_headers headers)
{
    char none;
    size_t name_len, value_len;
    size_t count = 0;
    while (natskit_headers_at(headers, count, &none, 0, &name_len, &none, 0, &value_len) == NATSKIT_LIMIT) {
        count++;
    }
    return count;
}

static int headers_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)count_headers(check_set(L, 1)));
    return 1;
}

/* Equal: the same names and values in the same order. */
static int headers_eq(lua_State *L)
{
    const lnk_state *st = lnk_state_of(L);
    const lnk_headers_set *a = lnk_test(L, st, 1, LNK_HEADERS);
    const lnk_headers_set *b = lnk_test(L, st, 2, LNK_HEADERS);
    int equal = a != NULL && b != NULL && a->headers.id != 0 && b->headers.id != 0;
    for (size_t i = 0; equal; i++) {
        lua_settop(L, 2);
        int first = push_pair(L, a->headers, i);
        int second = push_pair(L, b->headers, i);
        if (!first || !second) {
            equal = first == second;
            break;
        }
        equal = lua_rawequal(L, 3, 5) && lua_rawequal(L, 4, 6);
    }
    lua_pushboolean(L, equal);
    return 1;
}

static int headers_tostring(lua_State *L)
{
    const lnk_headers_set *set = lnk_check(L, lnk_state_of(L), 1, LNK_HEADERS);
    if (set->headers.id == 0) {
        lua_pushfstring(L, "natskit.headers (closed): %p", (const void *)set);
    } else {
        lua_pushfstring(L, "natskit.headers (%I): %p", (lua_Integer)count_headers(set->headers),
                        (const void *)set);
    }
    return 1;
}

/* -- changing ---------------------------------------------------------------------------------------------
 */

/* h:set(name, value [, match]) -> h */
static int headers_set(lua_State *L)
{
    natskit_headers headers = check_set(L, 1);
    size_t name_len = 0;
    size_t value_len = 0;
    const char *name = luaL_checklstring(L, 2, &name_len);
    const char *value = luaL_checklstring(L, 3, &value_len);
    int32_t match = lnk_match(L, 4);
    natskit_error err;
    raise_unless_ok(L, natskit_headers_set(headers, name, name_len, value, value_len, match, &err), &err,
                    name);
    lua_settop(L, 1);
    return 1;
}

/* h:append(name, value) -> h */
static int headers_append(lua_State *L)
{
    natskit_headers headers = check_set(L, 1);
    size_t name_len = 0;
    size_t value_len = 0;
    const char *name = luaL_checklstring(L, 2, &name_len);
    const char *value = luaL_checklstring(L, 3, &value_len);
    natskit_error err;
    raise_unless_ok(L, natskit_headers_add(headers, name, name_len, value, value_len, &err), &err, name);
    lua_settop(L, 1);
    return 1;
}

/* h:delete(name [, match]) -> whether there was one */
static int headers_delete(lua_State *L)
{
    natskit_headers headers = check_set(L, 1);
    size_t len = 0;
    const char *name = luaL_checklstring(L, 2, &len);
    natskit_error err;
    err.text[0] = '\0';
    natskit_status status = natskit_headers_delete(headers, name, len, lnk_match(L, 3));
    raise_unless_ok(L, status == NATSKIT_NOT_FOUND ? NATSKIT_OK : status, &err, name);
    lua_pushboolean(L, status == NATSKIT_OK);
    return 1;
}

/* h:clear() -> h */
static int headers_clear(lua_State *L)
{
    natskit_error err;
    err.text[0] = '\0';
    raise_unless_ok(L, natskit_headers_clear(check_set(L, 1)), &err, "");
    lua_settop(L, 1);
    return 1;
}

/* -- life -------------------------------------------------------------------------------------------------
 */

lnk_headers_set *lnk_push_headers(lua_State *L)
{
    lnk_headers_set *set = lnk_new(L, LNK_HEADERS, sizeof *set, 0);
    if (natskit_headers_open(&set->headers) != NATSKIT_OK) {
        luaL_error(L, "headers: no memory");
    }
    return set;
}

void lnk_headers_copy(lua_State *L, natskit_headers to, natskit_headers from)
{
    natskit_error err;
    for (size_t i = 0; push_pair(L, from, i); i++) {
        size_t name_len = 0;
        size_t value_len = 0;
        const char *name = lua_tolstring(L, -2, &name_len);
        const char *value = lua_tolstring(L, -1, &value_len);
        raise_unless_ok(L, natskit_headers_add(to, name, name_len, value, value_len, &err), &err, name);
        lua_pop(L, 2);
    }
}

/* nats.headers([table, headers or message]) */
int lnk_new_headers(lua_State *L)
{
    const lnk_state *st = lnk_state_of(L);
    lua_settop(L, 1);
    lnk_headers_set *set = lnk_push_headers(L);
    const lnk_headers_set *other = lnk_test(L, st, 1, LNK_HEADERS);
    const lnk_msg *msg = lnk_test(L, st, 1, LNK_MSG);
    if (other != NULL) {
        lnk_headers_copy(L, set->headers, lnk_headers_of(L, other));
    } else if (msg != NULL) {
        natskit_error err;
        luaL_argcheck(L, msg->msg != NULL, 1, "the message was closed");
        natskit_status status = natskit_headers_add_all(set->headers, msg->msg, &err);
        if (status != NATSKIT_OK) { /* what others sent is no mistake of the program */
            return lnk_fail(L, status, &err);
        }
    } else if (!lua_isnil(L, 1)) {
        luaL_checktype(L, 1, LUA_TTABLE);
        lnk_headers_fill(L, set->headers, 1);
    }
    lua_settop(L, 2);
    return 1;
}

static int headers_gc(lua_State *L)
{
    lnk_headers_set *set = lua_touserdata(L, 1);
    natskit_headers_close(set->headers);
    set->headers.id = 0;
    return 0;
}

/* h:close() */
static int headers_close(lua_State *L)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_HEADERS);
    headers_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

static const luaL_Reg headers_methods[] = {
    {"get", headers_get},     {"last", headers_last},     {"values", headers_values},
    {"has", headers_has},     {"keys", headers_keys},     {"pairs", headers_pairs},
    {"set", headers_set},     {"append", headers_append}, {"delete", headers_delete},
    {"clear", headers_clear}, {"close", headers_close},   {NULL, NULL}};

static const luaL_Reg headers_meta[] = {
    {"__gc", headers_gc}, {"__close", headers_close}, {"__len", headers_len},
    {"__eq", headers_eq}, {"__pairs", headers_pairs}, {"__tostring", headers_tostring},
    {NULL, NULL}};

void lnk_headers_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_HEADERS]);
    lnk_set_funcs(L, state_index, headers_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, headers_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
