/* Tables of options become a set of options of the library. Names, types and bounds come from the library's
 * own table at run time; a duration `x_ms` may also be given as `x`, in seconds. */
#include "lnk.h"

#include <math.h>
#include <string.h>

static int options_gc(lua_State *L)
{
    lnk_options_end(lua_touserdata(L, 1));
    return 0;
}

static const luaL_Reg options_funcs[] = {{"__gc", options_gc}, {NULL, NULL}};

void lnk_options_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_OPTIONS]);
    lnk_set_funcs(L, state_index, options_funcs);
    lua_pop(L, 1);
}

void lnk_options_end(lnk_options *options)
{
    if (options != NULL) {
        natskit_options_close(options->options);
        options->options.id = 0;
    }
}

/* The library's text begins with the name of the option. */
static void raise_unless_ok(lua_State *L, natskit_status status, const natskit_error *err)
{
    if (status != NATSKIT_OK) {
        luaL_error(L, "option %s", err->text);
    }
}

/* Raises with the library's words and its suggestion; the name may be near to a duration without its "_ms".
 */
static void raise_unknown(lua_State *L, const lnk_options *options, const char *name)
{
    const char *suggestion = ", did you mean";
    natskit_error err;
    natskit_error longer;
    err.text[0] = '\0';
    longer.text[0] = '\0';
    natskit_options_set(options->options, name, NATSKIT_ZLEN, "", 0, &err);
    if (strstr(err.text, suggestion) == NULL) {
        const char *with_unit = lua_pushfstring(L, "%s_ms", name);
        natskit_options_set(options->options, with_unit, NATSKIT_ZLEN, "", 0, &longer);
    }
    const char *tail = strstr(longer.text, suggestion);
    luaL_error(L, "%s%s", err.text, tail != NULL ? tail : "");
}

/* Finds an option; `name` without its "_ms" finds a duration, too, and sets `*seconds`. */
static int find_option(int32_t scope, const char *name, natskit_option_info *info, int *seconds)
{
    size_t len = strlen(name);
    for (size_t i = 0; natskit_option_at(scope, i, info, sizeof *info) == NATSKIT_OK; i++) {
        *seconds = 0;
        if (strcmp(info->name, name) == 0) {
            return 1;
        }
        *seconds = 1;
        if (info->type == NATSKIT_TYPE_DURATION && strncmp(info->name, name, len) == 0 &&
            strcmp(info->name + len, "_ms") == 0) {
            return 1;
        }
    }
    return 0;
}

static void expect(lua_State *L, int right, const char *name, const char *what)
{
    if (!right) {
        luaL_error(L, "option '%s': %s expected, got %s", name, what, luaL_typename(L, -1));
    }
}

void lnk_options_add_list(lua_State *L, lnk_options *options, const char *name, int index)
{
    natskit_error err;
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= count; i++) {
        size_t len = 0;
        lua_rawgeti(L, index, i);
        expect(L, lua_type(L, -1) == LUA_TSTRING, name, "list of strings");
        const char *entry = lua_tolstring(L, -1, &len);
        natskit_status status = natskit_options_add(options->options, name, NATSKIT_ZLEN, entry, len, &err);
        raise_unless_ok(L, status, &err);
        lua_pop(L, 1);
    }
}

static void set_text(lua_State *L, lnk_options *options, const natskit_option_info *info)
{
    natskit_error err;
    size_t len = 0;
    int both = info->type == NATSKIT_TYPE_CHOICE && strstr(info->unit, "true|false") != NULL;
    if (both && lua_isboolean(L, -1)) { /* whose words are true and false */
        lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false");
        lua_replace(L, -2);
    }
    expect(L, lua_type(L, -1) == LUA_TSTRING, info->name,
           info->type == NATSKIT_TYPE_LIST ? "string or list of strings" : "string");
    const char *text = lua_tolstring(L, -1, &len);
    natskit_status status = natskit_options_set(options->options, info->name, NATSKIT_ZLEN, text, len, &err);
    raise_unless_ok(L, status, &err);
}

static void set_number(lua_State *L, lnk_options *options, const natskit_option_info *info, const char *name,
                       int seconds)
{
    natskit_error err;
    int64_t value = 0;
    int is_integer = 0;
    if (info->type == NATSKIT_TYPE_BOOLEAN) {
        expect(L, lua_isboolean(L, -1), name, "boolean");
        value = lua_toboolean(L, -1);
    } else if (seconds) {
        value = lnk_check_ms(L, lua_gettop(L), name);
    } else if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) == HUGE_VAL) {
        value = info->type == NATSKIT_TYPE_DURATION ? -1 : info->max;
    } else {
        expect(L, lua_type(L, -1) == LUA_TNUMBER, name, "number");
        value = lua_tointegerx(L, -1, &is_integer);
        expect(L, is_integer, name, "whole number");
    }
    natskit_status status = natskit_options_set_int(options->options, info->name, NATSKIT_ZLEN, value, &err);
    raise_unless_ok(L, status, &err);
}

/* Sets the option whose name and value are the two topmost slots. */
static void set_option(lua_State *L, lnk_options *options, int32_t scope)
{
    natskit_option_info info;
    int seconds = 0;
    const char *name = lua_tostring(L, -2);
    if (!find_option(scope, name, &info, &seconds)) {
        raise_unknown(L, options, name);
    } else if (info.type == NATSKIT_TYPE_LIST && lua_istable(L, -1)) {
        lnk_options_add_list(L, options, info.name, lua_gettop(L));
    } else if (info.type == NATSKIT_TYPE_LIST || info.type == NATSKIT_TYPE_STRING ||
               info.type == NATSKIT_TYPE_CHOICE || info.type == NATSKIT_TYPE_TEXT) {
        set_text(L, options, &info);
    } else {
        set_number(L, options, &info, name, seconds);
    }
}

static int is_other(const char *name, const char *const *others)
{
    for (; others != NULL && *others != NULL; others++) {
        if (strcmp(*others, name) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Opened when there is something to set: most calls set nothing but what is not the library's. */
void lnk_options_open(lua_State *L, lnk_options *options, int32_t scope)
{
    if (options->options.id == 0 && natskit_options_open(scope, &options->options) != NATSKIT_OK) {
        luaL_error(L, "options: no memory");
    }
}

lnk_options *lnk_begin_options(lua_State *L)
{
    return lnk_new(L, LNK_OPTIONS, sizeof(lnk_options), 0);
}

natskit_status lnk_options_context(lua_State *L, lnk_options *options, int index, natskit_error *err)
{
    size_t len = 0;
    natskit_status status = NATSKIT_OK;
    if (lua_isnoneornil(L, index)) {
        return status;
    }
    if (lua_getfield(L, index, "context") == LUA_TNIL) {
        lua_pop(L, 1);
        return status;
    }
    expect(L, lua_type(L, -1) == LUA_TSTRING, "context", "string");
    lnk_options_open(L, options, NATSKIT_OPTIONS_CONNECT);
    const char *name = lua_tolstring(L, -1, &len);
    status = natskit_options_context(options->options, name, len, err);
    lua_pop(L, 1);
    return status;
}

/* Sets what the table at `index` has. Most calls have nothing but what is not the library's, so where
 * `*options` is NULL a set is made, at `place`, when there is something for it. */
static void fill(lua_State *L, lnk_options **options, int place, int index, int32_t scope,
                 const char *const *others)
{
    luaL_checktype(L, index, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            luaL_error(L, "options: name expected as key, got %s", luaL_typename(L, -2));
        }
        if (is_other(lua_tostring(L, -2), others)) {
            continue;
        }
        if (*options == NULL) {
            *options = lnk_begin_options(L);
            lua_replace(L, place);
        }
        lnk_options_open(L, *options, scope);
        set_option(L, *options, scope);
    }
}

void lnk_fill_options(lua_State *L, lnk_options *options, int index, int32_t scope, const char *const *others)
{
    if (!lua_isnoneornil(L, index)) {
        lnk_options_open(L, options, scope); /* the caller may have more for it */
        fill(L, &options, 0, index, scope, others);
    }
}

lnk_options *lnk_push_options(lua_State *L, int index, int32_t scope, const char *const *others)
{
    lnk_options *options = NULL;
    lua_pushnil(L);
    if (!lua_isnoneornil(L, index)) {
        fill(L, &options, lua_gettop(L), index, scope, others);
    }
    return options;
}
