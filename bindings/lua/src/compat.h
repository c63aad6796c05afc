/* Lua 5.4's C interface for the module where the host is older: 5.3 lacks user values with numbers, 5.1 and
 * LuaJIT more, which is what lua-compat-5.3 has. Included by lnk.h alone, in the place of lua.h and
 * lauxlib.h.
 *
 * Differences that remain, told of in bindings/lua/README.md: no <close> before 5.4; before 5.3 all numbers
 * are floats of 53 bits and C functions cannot be continued, so that nothing suspends there: calls block.
 */
#ifndef LNK_COMPAT_H
#define LNK_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 503
#include <compat-5.3.h>
#endif

/* Whether the collector was not stopped; 5.1 cannot tell. */
static inline int lnk_gc_runs(lua_State *L)
{
#ifdef LUA_GCISRUNNING
    return lua_gc(L, LUA_GCISRUNNING, 0);
#else
    (void)L;
    return 1;
#endif
}

#if LUA_VERSION_NUM < 503
#include <stdio.h>

#ifndef LUA_MAXINTEGER
#define LUA_MAXINTEGER ((lua_Integer)(((size_t)-1) >> 1))
#endif
#ifndef lua_writestringerror
#define lua_writestringerror(format, text) ((void)fprintf(stderr, format, text), (void)fflush(stderr))
#endif
#undef lua_pushfstring
#undef luaL_error
#define lua_pushfstring lnk_pushfstring
#define luaL_error lnk_host_error
const char *lnk_pushfstring(lua_State *L, const char *format, ...);
int lnk_host_error(lua_State *L, const char *format, ...);
#endif

#if LUA_VERSION_NUM < 504

/* User values are the elements of one table. */
static inline void *lua_newuserdatauv(lua_State *L, size_t size, int count)
{
    void *data = lua_newuserdata(L, size);
    if (count > 0) {
        lua_createtable(L, count, 0);
        lua_setuservalue(L, -2);
    }
    return data;
}

static inline int lua_getiuservalue(lua_State *L, int index, int n)
{
    lua_getuservalue(L, index);
    if (lua_type(L, -1) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_pushnil(L);
        return LUA_TNONE;
    }
    lua_rawgeti(L, -1, n);
    lua_remove(L, -2);
    return lua_type(L, -1);
}

static inline int lua_setiuservalue(lua_State *L, int index, int n)
{
    lua_getuservalue(L, index);
    int has = lua_type(L, -1) == LUA_TTABLE;
    if (has) {
        lua_insert(L, -2);
        lua_rawseti(L, -2, n);
        lua_pop(L, 1);
    } else {
        lua_pop(L, 2);
    }
    return has;
}

#define luaL_typeerror lnk_typeerror
static inline int lnk_typeerror(lua_State *L, int index, const char *wanted)
{
    const char *got = luaL_typename(L, index);
    if (luaL_getmetafield(L, index, "__name") != LUA_TNIL && lua_type(L, -1) == LUA_TSTRING) {
        got = lua_tostring(L, -1);
    }
    return luaL_argerror(L, index, lua_pushfstring(L, "%s expected, got %s", wanted, got));
}

#define luaL_argexpected(L, good, index, wanted) ((void)((good) || luaL_typeerror(L, index, wanted)))

#endif

/* Whether C functions can be continued after a coroutine was suspended inside of what they call. */
#define LNK_CAN_SUSPEND (LUA_VERSION_NUM >= 503)

#if !LNK_CAN_SUSPEND
#undef lua_callk
#undef lua_pcallk
#define lua_callk(L, arguments, results, context, next)                                                      \
    ((void)(context), (void)(next), lua_call(L, arguments, results))
#define lua_pcallk(L, arguments, results, handler, context, next)                                            \
    ((void)(context), (void)(next), lua_pcall(L, arguments, results, handler))
#endif

#endif
