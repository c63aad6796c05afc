/* Messages as a stream keeps them: what stream.message.get answers, with base64 undone and headers read. */
#include "lnk.h"

#include <string.h>

/* The value of a base64 digit, or -1. */
static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Pushes the bytes that a base64 text stands for; false if it is none. */
static int push_decoded(lua_State *L, const char *text, size_t len)
{
    luaL_Buffer out;
    unsigned bits = 0;
    int count = 0;
    size_t used = 0;
    while (len > 0 && text[len - 1] == '=') {
        len--;
    }
    char *to = luaL_buffinitsize(L, &out, len + 1);
    for (size_t i = 0; i < len; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0) {
            luaL_pushresultsize(&out, 0);
            return 0;
        }
        bits = (bits << 6 | (unsigned)digit) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            to[used++] = (char)(bits >> count & 0xff);
        }
    }
    luaL_pushresultsize(&out, used);
    return 1;
}

/* Adds `Name: value` to the table of lists on top. */
static void add_header(lua_State *L, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (colon == NULL) {
        return;
    }
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    lua_pushlstring(L, line, (size_t)(colon - line));
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
    lua_pushlstring(L, value, (size_t)(end - value));
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 2);
}

/* Pushes a table of the headers of a block: name -> list of values, as msg.headers. */
static void push_headers(lua_State *L, const char *block, size_t len)
{
    const char *end = block + len;
    int first = 1;
    lua_newtable(L);
    while (block < end) {
        const char *stop = memchr(block, '\r', (size_t)(end - block));
        stop = stop != NULL ? stop : end;
        if (!first) { /* that is the version */
            add_header(L, block, (size_t)(stop - block));
        }
        first = 0;
        block = stop + 2 <= end ? stop + 2 : end;
    }
}

/* Replaces a base64 member of the message at `msg` by its bytes under another name; they are left on top. */
static int decode_member(lua_State *L, int msg, const char *from, const char *to)
{
    size_t len = 0;
    lua_getfield(L, msg, from);
    const char *text = lua_tolstring(L, -1, &len);
    if (!push_decoded(L, text != NULL ? text : "", text != NULL ? len : 0)) {
        return 0;
    }
    lua_pushnil(L);
    lua_setfield(L, msg, from);
    lua_pushvalue(L, -1);
    lua_setfield(L, msg, to);
    return 1;
}

int lnk_stored_push_msg(lua_State *L)
{
    size_t len = 0;
    int64_t ns = 0;
    if (lua_getfield(L, -1, "message") != LUA_TTABLE) {
        return lnk_fail_text(L, NATSKIT_PROTOCOL, "the answer holds no message");
    }
    int msg = lua_gettop(L);
    lua_getfield(L, msg, "hdrs");
    int has_headers = !lua_isnil(L, -1);
    if (!decode_member(L, msg, "data", "data") ||
        (has_headers && !decode_member(L, msg, "hdrs", "headers"))) {
        return lnk_fail_text(L, NATSKIT_PROTOCOL, "the message is no base64");
    }
    if (has_headers) {
        const char *block = lua_tolstring(L, -1, &len);
        push_headers(L, block, len);
        lua_setfield(L, msg, "headers");
    }
    lua_getfield(L, msg, "time");
    const char *time = lua_tolstring(L, -1, &len);
    if (time != NULL && lnk_parse_time(time, len, &ns)) {
        lua_pushinteger(L, ns);
        lua_setfield(L, msg, "time_ns");
        lua_pushnumber(L, (lua_Number)ns / 1e9);
        lua_setfield(L, msg, "time");
    }
    lua_settop(L, msg);
    return 1;
}
