/* What compat.h promises of texts: before Lua 5.3 lua_pushfstring has no %I, and takes what follows it for
 * something else.
 */
#include "lnk.h"

#if LUA_VERSION_NUM < 503

#include <stdarg.h>
#include <string.h>

/* %I is how printf writes %lld; all else that Lua knows means the same there. */
static const char *push_format(lua_State *L, const char *format)
{
    return luaL_gsub(L, format, "%I", "%lld");
}

static const char *push_text(lua_State *L, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    const char *plain = push_format(L, format);
    int len = vsnprintf(NULL, 0, plain, again);
    va_end(again);
    size_t size = len > 0 ? (size_t)len + 1 : 1;
    char *text = lua_newuserdata(L, size);
    text[0] = '\0';
    (void)vsnprintf(text, size, plain, arguments);
    const char *pushed = lua_pushlstring(L, text, size - 1);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return pushed;
}

const char *lnk_pushfstring(lua_State *L, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = push_text(L, format, arguments);
    va_end(arguments);
    return text;
}

int lnk_host_error(lua_State *L, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    luaL_where(L, 1);
    push_text(L, format, arguments);
    va_end(arguments);
    lua_concat(L, 2);
    return lua_error(L);
}

#else

typedef int lnk_host_has_all;

#endif
