/* Entries of key-value buckets: one userdata holds one reference, and makes a Lua value of a field when that
 * is read, as messages do (msg.c). */
#include "lnk.h"

/* Fields, as values of the dispatch table; methods stand in the same table as functions. */
enum field {
    F_KEY = 1,
    F_VALUE,
    F_REVISION,
    F_DELTA,
    F_TIME,
    F_TIME_NS,
    F_OPERATION,
    F_BUCKET,
    F_LENGTH,
    F_KIND
};

static const char *const field_names[] = {"key",     "value",     "revision", "delta",  "time",
                                          "time_ns", "operation", "bucket",   "length", "kind"};

#define FIELDS ((int)(sizeof field_names / sizeof field_names[0]))

lnk_msg *lnk_push_entry(lua_State *L, int owner, int value)
{
    int coded = value != 0 && lua_getiuservalue(L, owner, value) == LUA_TTABLE;
    lnk_msg *entry = lua_newuserdatauv(L, sizeof *entry, coded ? LNK_ENTRY_VALUES : 0);
    *entry = (lnk_msg){0};
    lnk_set_meta(L, LNK_ENTRY);
    if (value != 0) {
        lua_insert(L, -2);
        if (coded) {
            lua_setiuservalue(L, -2, LNK_ENTRY_CODECS);
        } else {
            lua_pop(L, 1);
        }
    }
    return entry;
}

/* Pushes the string as the codec of the entry at `entry`, if it has one, decodes it. It is kept as that user
 * value. */
static void push_decoded(lua_State *L, int entry, int value, const char *text, size_t len,
                         const natskit_kv_view *view)
{
    int type = lua_getiuservalue(L, entry, value);
    if (type == LUA_TSTRING) {
        return;
    }
    lua_pop(L, 1);
    lua_pushlstring(L, text, len);
    if (type != LUA_TNONE) {
        lua_pushlstring(L, view->key, view->key_len);
        lua_insert(L, -2);
        lnk_codec_decode(L, entry, value == LNK_ENTRY_KEY ? LNK_CODEC_KEYS : LNK_CODEC_VALUES,
                         lua_tostring(L, -2));
        lua_remove(L, -2);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, entry, value);
    }
}

static void push_key(lua_State *L, int entry, const natskit_kv_view *view)
{
    push_decoded(L, entry, LNK_ENTRY_KEY, view->key, view->key_len, view);
}

/* Deletes have none, and one that was left out is none. */
static void push_value(lua_State *L, int entry, const natskit_kv_view *view)
{
    if (view->operation == NATSKIT_KV_PUT && view->value_len == view->value_bytes) {
        push_decoded(L, entry, LNK_ENTRY_VALUE, view->value, view->value_len, view);
    } else {
        lua_pushlstring(L, view->value, view->value_len);
    }
}

int lnk_is_entry(const natskit_msg *msg)
{
    natskit_kv_view view;
    return natskit_msg_kv(msg, &view, sizeof view) == NATSKIT_OK;
}

void lnk_entry_to_key(lua_State *L)
{
    const lnk_msg *entry = lua_touserdata(L, -1);
    natskit_kv_view view;
    if (entry != NULL && natskit_msg_kv(entry->msg, &view, sizeof view) == NATSKIT_OK) {
        push_key(L, lua_gettop(L), &view);
        lua_remove(L, -2);
    }
}

void lnk_entry_file(lua_State *L, int table)
{
    lua_pushvalue(L, -1);
    lnk_entry_to_key(L);
    lua_insert(L, -2);
    lua_rawset(L, table);
}

/* Pushes the key, or the name of the info, that stands at `i`; nothing if it is neither. */
static int push_name_at(lua_State *L, int list, lua_Integer i)
{
    lua_rawgeti(L, list, i);
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "name");
        lua_remove(L, -2);
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        return 1;
    }
    lua_pop(L, 1);
    return 0;
}

void lnk_once(lua_State *L, int list)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);
    lua_Integer kept = 0;
    lua_newtable(L);
    int latest = lua_gettop(L);
    for (lua_Integer i = 1; i <= count; i++) {
        if (push_name_at(L, list, i)) {
            lua_pushinteger(L, i);
            lua_rawset(L, latest);
        }
    }
    for (lua_Integer i = 1; i <= count; i++) {
        if (push_name_at(L, list, i)) {
            lua_rawget(L, latest);
            if (lua_tointeger(L, -1) == i) {
                lua_rawgeti(L, list, i);
                lua_rawseti(L, list, ++kept);
            }
            lua_pop(L, 1);
        }
    }
    while (count > kept) {
        lua_pushnil(L);
        lua_rawseti(L, list, count--);
    }
    lua_pop(L, 1);
}

/* The entry at 1, which must not be closed. */
static natskit_kv_view check_view(lua_State *L)
{
    const lnk_msg *entry = lnk_check(L, lnk_state_of(L), 1, LNK_ENTRY);
    natskit_kv_view view;
    if (natskit_msg_kv(entry->msg, &view, sizeof view) != NATSKIT_OK) {
        luaL_error(L, "the entry was closed");
    }
    return view;
}

static const char *operation_name(int32_t operation)
{
    switch (operation) {
    case NATSKIT_KV_PUT:
        return "put";
    case NATSKIT_KV_PURGE:
        return "purge";
    default:
        return "delete";
    }
}

/* entry.field or entry:method; upvalue 2 is the dispatch table */
static int entry_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNUMBER) {
        return 1; /* a method, or nil */
    }
    enum field field = (enum field)lua_tointeger(L, -1);
    natskit_kv_view view = check_view(L);
    switch (field) {
    case F_KEY:
        push_key(L, 1, &view);
        break;
    case F_VALUE:
        push_value(L, 1, &view);
        break;
    case F_REVISION:
        lua_pushinteger(L, (lua_Integer)view.revision);
        break;
    case F_DELTA:
        lua_pushinteger(L, (lua_Integer)view.delta);
        break;
    case F_TIME:
        lua_pushnumber(L, (lua_Number)view.time_ns / 1e9);
        break;
    case F_TIME_NS:
        lua_pushinteger(L, (lua_Integer)view.time_ns);
        break;
    case F_OPERATION:
        lua_pushstring(L, operation_name(view.operation));
        break;
    case F_BUCKET:
        lua_pushlstring(L, view.bucket, view.bucket_len);
        break;
    case F_LENGTH:
        lua_pushinteger(L, (lua_Integer)view.value_bytes);
        break;
    default:
        lua_pushliteral(L, "entry");
    }
    return 1;
}

/* entry:json() -> what the value stands for, or nil, message, code */
static int entry_json(lua_State *L)
{
    natskit_kv_view view = check_view(L);
    size_t len = 0;
    push_value(L, 1, &view);
    const char *value = lua_tolstring(L, -1, &len);
    return lnk_json_decode_text(L, value, len);
}

/* entry:close() and the end of a <close> variable: gives the memory back at once */
static int entry_close(lua_State *L)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_ENTRY);
    lnk_msg_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

static int entry_tostring(lua_State *L)
{
    const lnk_msg *entry = lnk_check(L, lnk_state_of(L), 1, LNK_ENTRY);
    natskit_kv_view view;
    if (natskit_msg_kv(entry->msg, &view, sizeof view) != NATSKIT_OK) {
        lua_pushfstring(L, "natskit.entry (closed): %p", (const void *)entry);
        return 1;
    }
    lua_pushlstring(L, view.key, view.key_len);
    lua_pushfstring(L, "natskit.entry (%s of %s, revision %I): %p", operation_name(view.operation),
                    lua_tostring(L, -1), (lua_Integer)view.revision, (const void *)entry);
    return 1;
}

static const luaL_Reg entry_methods[] = {{"json", entry_json}, {"close", entry_close}, {NULL, NULL}};

static const luaL_Reg entry_meta[] = {
    {"__gc", lnk_msg_gc}, {"__close", entry_close}, {"__tostring", entry_tostring}, {NULL, NULL}};

void lnk_entry_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_ENTRY]);
    lnk_set_funcs(L, state_index, entry_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, entry_methods);
    for (int i = 0; i < FIELDS; i++) {
        lua_pushinteger(L, F_KEY + i);
        lua_setfield(L, -2, field_names[i]);
    }
    /* Under a name of its own as well, for the test that compares it with the documents. */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "fields");
    lua_pushvalue(L, state_index);
    lua_insert(L, -2);
    lua_pushcclosure(L, entry_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
