/* Statuses for Lua: expected failures are `nil, message, code`, misuse raises. */
#include "lnk.h"

#include <ctype.h>
#include <string.h>

static const char *const class_names[] = {"ok",       "usage", "outcome", "limit",    "network",
                                          "protocol", "auth",  "system",  "jetstream"};

/* Pushes NAME in lower case. */
static void push_lower(lua_State *L, const char *name)
{
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (; *name != '\0'; name++) {
        luaL_addchar(&out, (char)tolower((unsigned char)*name));
    }
    luaL_pushresult(&out);
}

void lnk_push_codes(lua_State *L)
{
    lua_newtable(L);
    natskit_status_info info;
    for (size_t i = 0; natskit_status_at(i, &info, sizeof info) == NATSKIT_OK; i++) {
        push_lower(L, info.name);
        lua_rawseti(L, -2, info.status);
    }
}

void lnk_push_code(lua_State *L, natskit_status status)
{
    lnk_push_slot(L, LNK_UV_CODES);
    if (lua_rawgeti(L, -1, status) != LUA_TSTRING) {
        lua_pop(L, 1);
        lua_pushfstring(L, "status_%d", (int)status); /* of a later library */
    }
    lua_remove(L, -2);
}

const char *lnk_status_text(natskit_status status)
{
    natskit_status_info info;
    if (natskit_status_describe(status, &info, sizeof info) == NATSKIT_OK) {
        return info.text;
    }
    return "an error of a later version of the library";
}

/* The words for a status: those of the error if it has some. */
static const char *text_of(natskit_status status, const natskit_error *err)
{
    int told = err != NULL && err->status == status && err->text[0] != '\0';
    return told ? err->text : lnk_status_text(status);
}

int lnk_fail_text(lua_State *L, natskit_status status, const char *text)
{
    lua_pushnil(L);
    lua_pushstring(L, text);
    lnk_push_code(L, status);
    return 3;
}

/* A handle that this module made was valid once, so BAD_HANDLE can only mean that it was closed, be it here
 * (the userdata holds 0 then) or by natskit_shutdown. */
static natskit_status closed_if_bad(natskit_status status)
{
    return status == NATSKIT_BAD_HANDLE ? NATSKIT_CLOSED : status;
}

int lnk_fail(lua_State *L, natskit_status status, const natskit_error *err)
{
    status = closed_if_bad(status);
    return lnk_fail_text(L, status, text_of(status, err));
}

int lnk_fail_or_raise(lua_State *L, natskit_status status, const natskit_error *err, const char *what)
{
    if (status == NATSKIT_INVALID || status == NATSKIT_UNKNOWN_OPTION) {
        return luaL_error(L, "%s: %s", what, text_of(status, err));
    }
    return lnk_fail(L, status, err);
}

int lnk_result(lua_State *L, natskit_status status, const natskit_error *err)
{
    if (status == NATSKIT_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    return lnk_fail(L, status, err);
}

static int push_status(lua_State *L, const natskit_status_info *info)
{
    size_t class_index = (size_t)info->status_class;
    int known = class_index < sizeof class_names / sizeof class_names[0];
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, info->status);
    lua_setfield(L, -2, "number");
    push_lower(L, info->name);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, known ? class_names[class_index] : "other");
    lua_setfield(L, -2, "class");
    lua_pushstring(L, info->text);
    lua_setfield(L, -2, "text");
    return 1;
}

/* nats.status(code or number) -> {number, code, class, text} */
int lnk_status(lua_State *L)
{
    natskit_status_info info;
    if (lua_type(L, 1) == LUA_TNUMBER) {
        lua_Integer number = luaL_checkinteger(L, 1);
        if (number >= INT32_MIN && number <= INT32_MAX &&
            natskit_status_describe((natskit_status)number, &info, sizeof info) == NATSKIT_OK) {
            return push_status(L, &info);
        }
        return lnk_fail_text(L, NATSKIT_NOT_FOUND, lua_pushfstring(L, "no status has the number %I", number));
    }
    const char *code = luaL_checkstring(L, 1);
    for (size_t i = 0; natskit_status_at(i, &info, sizeof info) == NATSKIT_OK; i++) {
        push_lower(L, info.name);
        if (strcmp(lua_tostring(L, -1), code) == 0) {
            return push_status(L, &info);
        }
        lua_pop(L, 1);
    }
    return lnk_fail_text(L, NATSKIT_NOT_FOUND, lua_pushfstring(L, "no status has the code '%s'", code));
}
