/* Codecs of keys and values that a program brings (ADR-54): tables of functions, {encode =, decode =,
 * encode_filter =}. A bucket has them as a user value, a table of both, and what it hands out has the same.
 * What goes wrong in one is raised, and names the key. */
#include "lnk.h"

#include <string.h>

static const char *const names[] = {"key_codec", "value_codec"}; /* from LNK_CODEC_KEYS on */

/* The table on top has what a codec needs. */
static void check_codec(lua_State *L, const char *name)
{
    static const char *const functions[] = {"encode", "decode"};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (lua_getfield(L, -1, functions[i]) != LUA_TFUNCTION) {
            luaL_error(L, "option '%s': %s: function expected, got %s", name, functions[i],
                       luaL_typename(L, -1));
        }
        lua_pop(L, 1);
    }
}

void lnk_codecs_push(lua_State *L, int options)
{
    lua_pushnil(L);
    int made = lua_gettop(L);
    for (int which = LNK_CODEC_KEYS; which <= LNK_CODEC_VALUES && lua_istable(L, options); which++) {
        const char *name = names[which - LNK_CODEC_KEYS];
        int type = lua_getfield(L, options, name);
        if (type == LUA_TTABLE) {
            check_codec(L, name);
            if (lua_isnil(L, made)) {
                lua_createtable(L, 2, 0);
                lua_replace(L, made);
            }
            lua_rawseti(L, made, which);
        } else if (type != LUA_TNIL && which == LNK_CODEC_KEYS) {
            luaL_error(L, "option 'key_codec': table expected, got %s", luaL_typename(L, -1));
        } else {
            lua_pop(L, 1); /* a word, which is an option of the library */
        }
    }
}

/* Whether the codecs at `codecs` have this one. */
static int has(lua_State *L, int codecs, int which)
{
    int type = lua_rawgeti(L, codecs, which);
    lua_pop(L, 1);
    return type == LUA_TTABLE;
}

/* Puts in place of the string on top what a function of a codec makes of it. `key`, which stands elsewhere as
 * well, is what an error names. */
static void call(lua_State *L, int codecs, int which, const char *function, const char *key)
{
    lua_rawgeti(L, codecs, which);
    lua_getfield(L, -1, function);
    lua_replace(L, -2);
    lua_insert(L, -2);
    int failed = lua_pcall(L, 1, 2, 0);
    if (failed != LUA_OK) {
        luaL_error(L, "key \"%s\": %s of %s: %s", key, function, names[which - LNK_CODEC_KEYS],
                   luaL_tolstring(L, -1, NULL));
    }
    if (lua_type(L, -2) != LUA_TSTRING) {
        int told = lua_isnil(L, -2) && lua_type(L, -1) == LUA_TSTRING;
        luaL_error(L, "key \"%s\": %s of %s: %s%s", key, function, names[which - LNK_CODEC_KEYS],
                   told ? "" : "string expected, got ", told ? lua_tostring(L, -1) : luaL_typename(L, -2));
    }
    lua_pop(L, 1);
}

/* Pushes the codecs of the bucket at `kv`, if it has this one; else nothing, and 0. */
static int push_codecs(lua_State *L, int kv, int which)
{
    if (lua_getiuservalue(L, kv, LNK_KV_CODECS) == LUA_TTABLE && has(L, lua_gettop(L), which)) {
        return 1;
    }
    lua_pop(L, 1);
    return 0;
}

void lnk_codec_value(lua_State *L, int kv, int key, int value)
{
    if (push_codecs(L, kv, LNK_CODEC_VALUES)) {
        lua_pushvalue(L, value);
        call(L, lua_gettop(L) - 1, LNK_CODEC_VALUES, "encode", lua_tostring(L, key));
        lua_replace(L, value);
        lua_pop(L, 1);
    }
}

void lnk_codec_key(lua_State *L, int kv, int key)
{
    if (push_codecs(L, kv, LNK_CODEC_KEYS)) {
        lua_pushvalue(L, key);
        call(L, lua_gettop(L) - 1, LNK_CODEC_KEYS, "encode", lua_tostring(L, key));
        lua_replace(L, key);
        lua_pop(L, 1);
    }
}

/* Pushes what the pattern on top is as it is stored. */
static void push_filter(lua_State *L, int codecs)
{
    const char *pattern = lua_tostring(L, -1);
    lua_rawgeti(L, codecs, LNK_CODEC_KEYS);
    int filters = lua_getfield(L, -1, "encode_filter") == LUA_TFUNCTION;
    lua_pop(L, 2);
    lua_pushvalue(L, -1);
    if (filters) {
        call(L, codecs, LNK_CODEC_KEYS, "encode_filter", pattern);
    } else if (strpbrk(pattern, "*>") == NULL) {
        call(L, codecs, LNK_CODEC_KEYS, "encode", pattern);
    } else if (strcmp(pattern, ">") != 0) {
        luaL_error(L, "pattern \"%s\": key_codec has no encode_filter", pattern);
    }
}

void lnk_codec_patterns(lua_State *L, int kv, int patterns)
{
    int type = lua_type(L, patterns);
    if ((type != LUA_TSTRING && type != LUA_TTABLE) || !push_codecs(L, kv, LNK_CODEC_KEYS)) {
        return;
    }
    int codecs = lua_gettop(L);
    if (type == LUA_TSTRING) {
        lua_pushvalue(L, patterns);
        push_filter(L, codecs);
        lua_replace(L, patterns);
    } else {
        lua_Integer count = (lua_Integer)lua_rawlen(L, patterns);
        lua_createtable(L, (int)count, 0);
        for (lua_Integer i = 1; i <= count; i++, lua_settop(L, codecs + 1)) {
            if (lua_rawgeti(L, patterns, i) == LUA_TSTRING) { /* else it is refused as it is */
                push_filter(L, codecs);
            }
            lua_rawseti(L, codecs + 1, i);
        }
        lua_replace(L, patterns);
    }
    lua_settop(L, codecs - 1);
}

void lnk_codec_options(lua_State *L, int kv, int options)
{
    int top = lua_gettop(L);
    if (!lua_istable(L, options) || lua_getfield(L, options, "keys") == LUA_TNIL) {
        lua_settop(L, top);
        return;
    }
    lnk_codec_patterns(L, kv, top + 1);
    lua_newtable(L); /* the program's own stays as it is */
    for (lua_pushnil(L); lua_next(L, options) != 0;) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, top + 2);
    }
    lua_pushvalue(L, top + 1);
    lua_setfield(L, top + 2, "keys");
    lua_replace(L, options);
    lua_settop(L, top);
}

void lnk_codec_decode(lua_State *L, int entry, int which, const char *key)
{
    if (lua_getiuservalue(L, entry, LNK_ENTRY_CODECS) == LUA_TTABLE && has(L, lua_gettop(L), which)) {
        lua_insert(L, -2);
        call(L, lua_gettop(L) - 1, which, "decode", key);
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
}
