/* Entry of the module: luaopen_natskit, the registration of all types, and the functions about the library as
 * a whole. Runs on the thread of the Lua state. */
#include "lnk.h"

#include <string.h>

#define LNK_EXPORT __attribute__((visibility("default")))

const char *const lnk_names[LNK_KINDS] = {
    "natskit.conn",          "natskit.sub",          "natskit.msg",     "natskit.wait",
    "natskit.options",       "natskit.loop",         "natskit.state",   "natskit.headers",
    "natskit.turn",          "natskit.js",           "natskit.stream",  "natskit.consumer",
    "natskit.doc",           "natskit.publisher",    "natskit.kv",      "natskit.entry",
    "natskit.batch",         "natskit.ingest",       "natskit.service", "natskit.object_store",
    "natskit.object_writer", "natskit.object_reader"};

void *lnk_check(lua_State *L, const lnk_state *st, int index, enum lnk_kind kind)
{
    void *data = lnk_test(L, st, index, kind);
    if (data == NULL) {
        luaL_typeerror(L, index, lnk_names[kind]);
    }
    return data;
}

int lnk_push_of(lua_State *L, enum lnk_slot slot, int index)
{
    lnk_push_slot(L, slot);
    lua_pushvalue(L, index);
    int type = lua_rawget(L, -2);
    lua_remove(L, -2);
    return type;
}

void lnk_set_of(lua_State *L, enum lnk_slot slot, int index)
{
    lnk_push_slot(L, slot);
    lua_pushvalue(L, index);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void *lnk_new(lua_State *L, enum lnk_kind kind, size_t size, int user_values)
{
    void *data = lua_newuserdatauv(L, size, user_values);
    memset(data, 0, size);
    lnk_set_meta(L, kind);
    return data;
}

void lnk_set_funcs(lua_State *L, int state_index, const luaL_Reg *funcs)
{
    lua_pushvalue(L, state_index);
    luaL_setfuncs(L, funcs, 1);
}

/* nats.version() -> "0.1.0", abi major, abi minor */
static int version(lua_State *L)
{
    uint32_t major = 0;
    uint32_t minor = 0;
    const char *text = "";
    natskit_version(&major, &minor, &text);
    lua_pushstring(L, text);
    lua_pushinteger(L, major);
    lua_pushinteger(L, minor);
    return 3;
}

static void set_count(lua_State *L, const char *name, uint64_t count)
{
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

/* nats.dump() -> table of every live object */
static int dump(lua_State *L)
{
    size_t cap = 16384;
    for (;;) {
        luaL_Buffer out;
        size_t len = 0;
        char *text = luaL_buffinitsize(L, &out, cap);
        natskit_status status = natskit_dump(text, cap, &len);
        luaL_pushresultsize(&out, status == NATSKIT_OK ? len : 0);
        if (status == NATSKIT_OK) {
            const char *json = lua_tolstring(L, -1, &len);
            return lnk_json_decode_text(L, json, len);
        }
        lua_pop(L, 1);
        if (status != NATSKIT_LIMIT) {
            return lnk_fail(L, status, NULL);
        }
        cap = len + len / 4; /* there may be more by then */
    }
}

/* nats.counters() -> table of the live objects of the process */
static int counters(lua_State *L)
{
    natskit_counters now;
    memset(&now, 0, sizeof now);
    natskit_counters_get(&now, sizeof now);
    lua_createtable(L, 0, 19);
    set_count(L, "options", now.options);
    set_count(L, "headers", now.headers);
    set_count(L, "conns", now.conns);
    set_count(L, "subs", now.subs);
    set_count(L, "ops", now.ops);
    set_count(L, "waitsets", now.waitsets);
    set_count(L, "jsons", now.jsons);
    set_count(L, "contexts", now.contexts);
    set_count(L, "publishers", now.publishers);
    set_count(L, "kvs", now.kvs);
    set_count(L, "batches", now.batches);
    set_count(L, "ingests", now.ingests);
    set_count(L, "services", now.services);
    set_count(L, "object_stores", now.object_stores);
    set_count(L, "object_writers", now.object_writers);
    set_count(L, "object_readers", now.object_readers);
    set_count(L, "msgs", now.msgs);
    set_count(L, "allocated_bytes", now.allocated_bytes);
    set_count(L, "threads", now.threads);
    return 1;
}

/* nats.nuid() -> a new unique name */
static int nuid(lua_State *L)
{
    char name[64];
    size_t len = 0;
    natskit_status status = natskit_nuid(name, sizeof name, &len);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_pushlstring(L, name, len);
    return 1;
}

/* The state goes last when the Lua state is closed; the library itself lives on for other Lua states. */
static int state_gc(lua_State *L)
{
    lnk_state *st = lua_touserdata(L, 1);
    natskit_headers_close(st->headers);
    natskit_waitset_close(st->waitset);
    st->headers.id = 0;
    st->waitset.id = 0;
    st->scheduled = 0;
    return 0;
}

static const luaL_Reg state_funcs[] = {{"__gc", state_gc}, {NULL, NULL}};

static const luaL_Reg module_funcs[] = {
    {"connect", lnk_connect},
    {"version", version},
    {"counters", counters},
    {"dump", dump},
    {"status", lnk_status},
    {"shutdown", lnk_shutdown},
    {"set_scheduler", lnk_set_scheduler},
    {"pump", lnk_pump},
    {"nuid", nuid},
    {"headers", lnk_new_headers},
    {"advisory", lnk_advisory},
    {"trace_tree", lnk_trace_tree},
    {"dispatch", lnk_dispatch},
    {"on_handler_error", lnk_on_handler_error},
    {NULL, NULL},
};

/* Place of the state's userdata in the registry. */
static const char *const instance_key = "natskit.instance";

static void push_weak(lua_State *L, const char *mode)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
}

/* Pushes the state's userdata; registers every type, and remembers where the metatables are. */
static void open_state(lua_State *L)
{
    luaL_newmetatable(L, lnk_names[LNK_STATE]);
    lnk_state *st = lua_newuserdatauv(L, sizeof *st, LNK_UV_COUNT);
    memset(st, 0, sizeof *st);
    int index = lua_gettop(L);
    lua_pushvalue(L, index - 1);
    lnk_set_funcs(L, index, state_funcs);
    lua_setmetatable(L, index);

    lnk_push_codes(L);
    lua_setiuservalue(L, index, LNK_UV_CODES);
    push_weak(L, "v");
    lua_setiuservalue(L, index, LNK_UV_WAITS);
    push_weak(L, "k");
    lua_setiuservalue(L, index, LNK_UV_ANSWERERS);
    push_weak(L, "k");
    lua_setiuservalue(L, index, LNK_UV_HANDLED);
    push_weak(L, "k");
    lua_setiuservalue(L, index, LNK_UV_WAITERS);
    push_weak(L, "k");
    lua_setiuservalue(L, index, LNK_UV_CLOSED);
    st->end_ms = -1;
    st->last_call = UINT64_MAX;

    lnk_conn_register(L, index);
    lnk_sub_register(L, index);
    lnk_msg_register(L, index);
    lnk_wait_register(L, index);
    lnk_options_register(L, index);
    lnk_headers_register(L, index);
    lnk_handler_register(L, index);
    lnk_json_register(L, index);
    lnk_shape_register(L, index);
    lnk_js_register(L, index);
    lnk_object_register(L, index);
    lnk_publisher_register(L, index);
    lnk_kv_register(L, index);
    lnk_batch_register(L, index);
    lnk_ingest_register(L, index);
    lnk_entry_register(L, index);
    lnk_service_register(L, index);
    lnk_store_register(L, index);
    lnk_store_io_register(L, index);
    for (int kind = 0; kind < LNK_KINDS; kind++) {
        luaL_getmetatable(L, lnk_names[kind]);
        st->metas[kind] = lua_topointer(L, -1);
        lua_setiuservalue(L, index, LNK_UV_METAS + kind);
    }
    lua_remove(L, index - 1);
}

LNK_EXPORT int luaopen_natskit(lua_State *L);

LNK_EXPORT int luaopen_natskit(lua_State *L)
{
    luaL_checkversion(L);
    uint32_t major = 0;
    uint32_t minor = 0;
    if (natskit_version(&major, &minor, NULL) != NATSKIT_OK || major != NATSKIT_ABI_MAJOR ||
        minor < NATSKIT_ABI_MINOR) {
        return luaL_error(L, "this module needs libnatskit with ABI %d.%d or a later minor, found %d.%d",
                          NATSKIT_ABI_MAJOR, NATSKIT_ABI_MINOR, (int)major, (int)minor);
    }
    /* A host may load the module anew; what it opened before goes on with the one state. */
    if (lua_getfield(L, LUA_REGISTRYINDEX, instance_key) != LUA_TUSERDATA) {
        lua_pop(L, 1);
        open_state(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, instance_key);
    }
    int index = lua_gettop(L);
    lua_newtable(L);
    lnk_set_funcs(L, index, module_funcs);
    lnk_json_push_module(L, index);
    lua_setfield(L, -2, "json");
    lnk_auth_push_nkeys(L, index);
    lua_setfield(L, -2, "nkeys");
    lnk_auth_push_jwt(L, index);
    lua_setfield(L, -2, "jwt");
    return 1;
}
