/* Object stores: their making, and what objects are. The bytes of objects are in store_io.c. What waits
 * blocks or suspends as everywhere. */
#include "lnk.h"

#include <string.h>

/* -- what an object is ------------------------------------------------------------------------------------
 */

static void set_text(lua_State *L, const char *name, const char *text, size_t len)
{
    lua_pushlstring(L, text, len);
    lua_setfield(L, -2, name);
}

static void set_opt_text(lua_State *L, const char *name, const char *text, size_t len)
{
    if (len > 0) {
        set_text(L, name, text, len);
    }
}

static void set_integer(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_json(lua_State *L, const char *name, const char *text, size_t len)
{
    int top = lua_gettop(L);
    if (len > 0) {
        lnk_json_decode_text(L, text, len);
        lua_settop(L, top + 1);
        lua_setfield(L, top, name);
    }
}

int lnk_push_object_info(lua_State *L, const natskit_msg *msg)
{
    natskit_object_view v;
    if (natskit_msg_object(msg, &v, sizeof v) != NATSKIT_OK) {
        return 0;
    }
    lua_createtable(L, 0, 16);
    set_text(L, "name", v.name, v.name_len);
    set_text(L, "bucket", v.bucket, v.bucket_len);
    set_opt_text(L, "description", v.description, v.description_len);
    set_json(L, "headers", v.headers, v.headers_len);
    set_json(L, "metadata", v.metadata, v.metadata_len);
    set_text(L, "nuid", v.nuid, v.nuid_len);
    set_text(L, "digest", v.digest, v.digest_len);
    set_integer(L, "size", v.size);
    set_integer(L, "chunks", v.chunks);
    set_integer(L, "max_chunk_size", v.max_chunk_size);
    set_integer(L, "revision", v.revision);
    set_integer(L, "time_ns", (uint64_t)v.time_ns);
    lua_pushnumber(L, (lua_Number)v.time_ns / 1e9);
    lua_setfield(L, -2, "time");
    lua_pushboolean(L, v.deleted);
    lua_setfield(L, -2, "deleted");
    if (v.link_bucket_len > 0) {
        lua_createtable(L, 0, 2);
        set_text(L, "bucket", v.link_bucket, v.link_bucket_len);
        set_opt_text(L, "name", v.link_name, v.link_name_len);
        lua_setfield(L, -2, "link");
    }
    return 1;
}

/* -- stores -----------------------------------------------------------------------------------------------
 */

static const lnk_method create_call = {
    .kind = LNK_JS, .name = "create_object_store", .call = "stream.create", .gives = LNK_GIVES_OWNER};
static const lnk_method update_call = {
    .kind = LNK_JS, .name = "update_object_store", .call = "stream.update", .gives = LNK_GIVES_OWNER};
static const lnk_method names_call = {.kind = LNK_JS,
                                      .name = "object_store_names",
                                      .call = "stream.names",
                                      .gives = LNK_GIVES_STORES,
                                      .member = "streams"};
static const lnk_method open_call = {
    .kind = LNK_JS, .name = "open_object_store", .call = "stream.info", .gives = LNK_GIVES_OWNER};
static const lnk_method delete_call = {
    .kind = LNK_JS, .name = "delete_object_store", .call = "stream.delete", .gives = LNK_GIVES_TRUE};
static const lnk_method status_call = {.kind = LNK_STORE,
                                       .name = "status",
                                       .call = "stream.info",
                                       .shape = "stream_info",
                                       .gives = LNK_GIVES_ANSWER};
static const lnk_method seal_call = {
    .kind = LNK_STORE, .name = "seal", .call = "stream.update", .gives = LNK_GIVES_TRUE};

/* Pushes the store whose name is at `index`, of the context at 1. Returns 0, or the number of results of a
 * failure. */
static int open_store(lua_State *L, int index, const char *what)
{
    const lnk_js *js = lua_touserdata(L, 1);
    natskit_error err;
    size_t len = 0;
    lnk_store *store = lnk_new(L, LNK_STORE, sizeof *store, LNK_STORE_VALUES);
    const char *name = lua_tolstring(L, index, &len);
    store->timeout_ms = js->timeout_ms;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LNK_STORE_JS);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, LNK_STORE_NAME);
    natskit_status status = natskit_object_store_open(js->js, name, len, &store->store, &err);
    return status == NATSKIT_OK ? 0 : lnk_fail_or_raise(L, status, &err, what);
}

static int check_name(lua_State *L, const char *what)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    luaL_argexpected(L, lua_type(L, 2) == LUA_TSTRING, 2, "string");
    lua_settop(L, 3);
    return open_store(L, 2, what);
}

/* js:object_store(name): sends nothing */
int lnk_js_object_store(lua_State *L)
{
    int failed = check_name(L, "object_store");
    return failed != 0 ? failed : 1;
}

/* Makes a call about the stream of the store at 1. On top is the table of what else it is given. */
static int call_stream(lua_State *L, const lnk_method *method, int64_t timeout_ms)
{
    natskit_error err;
    int args = lua_gettop(L);
    lua_pushliteral(L, "OBJ_");
    lua_getiuservalue(L, 1, LNK_STORE_NAME);
    lua_concat(L, 2);
    if (method == &seal_call) {
        lua_createtable(L, 0, 2);
        lua_insert(L, -2);
        lua_setfield(L, -2, "name");
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "sealed");
        lua_setfield(L, args, "config");
    } else {
        lua_setfield(L, args, "stream");
    }
    lua_getiuservalue(L, 1, LNK_STORE_JS);
    lua_pushstring(L, method->call);
    natskit_status status = lnk_json_push_doc(L, method->name, args, "args", &err);
    return status == NATSKIT_OK ? lnk_js_begin(L, method, timeout_ms) : lnk_fail(L, status, &err);
}

/* A call for a store by its name: (js, name [, options]). */
static int call_named(lua_State *L, const lnk_method *method)
{
    int failed = check_name(L, method->name);
    if (failed != 0) {
        return failed;
    }
    const lnk_store *store = lua_touserdata(L, 4);
    int64_t timeout_ms = lnk_only_timeout(L, 3, method->name, store->timeout_ms);
    lua_replace(L, 1);
    lua_createtable(L, 0, 1);
    return call_stream(L, method, timeout_ms);
}

/* js:open_object_store(name [, {timeout =}]): asks whether there is such a store */
int lnk_js_open_object_store(lua_State *L)
{
    return call_named(L, &open_call);
}

/* js:delete_object_store(name [, {timeout =}]) */
int lnk_js_delete_object_store(lua_State *L)
{
    return call_named(L, &delete_call);
}

/* Pushes the configuration of the stream behind the store that the table at 2 configures. */
static natskit_status push_config(lua_State *L, const char *what, natskit_error *err)
{
    natskit_json stream = {0};
    natskit_status status = lnk_json_push_doc(L, what, 2, "bucket", err);
    if (status == NATSKIT_OK) {
        lnk_doc *bucket = lua_touserdata(L, -1);
        status = natskit_object_store_config(bucket->json, &stream, err);
        natskit_json_close(bucket->json);
        bucket->json.id = 0;
    }
    if (status == NATSKIT_OK) {
        lnk_json_push_value(L, stream, NULL);
    }
    return status;
}

/* A call with the configuration of a store: (js, config [, options]). */
static int call_configured(lua_State *L, const lnk_method *method)
{
    natskit_error err;
    lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    const lnk_js *js = lua_touserdata(L, 1);
    int64_t timeout_ms = lnk_only_timeout(L, 3, method->name, js->timeout_ms);
    lua_createtable(L, 0, 1);
    natskit_status status = push_config(L, method->name, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, method->name);
    }
    lua_setfield(L, 4, "config");
    lua_settop(L, 4);
    status = lnk_json_push_doc(L, method->name, 4, NULL, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, &err);
    }
    lua_replace(L, 3);
    lua_getfield(L, 2, "bucket");
    lua_replace(L, 2);
    lua_settop(L, 3); /* context, name, document */
    int failed = open_store(L, 2, method->name);
    if (failed != 0) {
        return failed;
    }
    lua_pushvalue(L, 1);
    lua_pushstring(L, method->call);
    lua_pushvalue(L, 3);
    lua_copy(L, 4, 1);
    return lnk_js_begin(L, method, timeout_ms);
}

/* js:create_object_store(config [, {timeout =}]) */
int lnk_js_create_object_store(lua_State *L)
{
    return call_configured(L, &create_call);
}

/* js:update_object_store(config [, {timeout =}]) */
int lnk_js_update_object_store(lua_State *L)
{
    return call_configured(L, &update_call);
}

/* js:object_store_names([{timeout =}]) -> list */
int lnk_js_object_store_names(lua_State *L)
{
    natskit_error err;
    lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    lua_settop(L, 2);
    const lnk_js *js = lua_touserdata(L, 1);
    int64_t timeout_ms = lnk_only_timeout(L, 2, names_call.name, js->timeout_ms);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "$O.*.C.>");
    lua_setfield(L, 3, "subject");
    lua_pushvalue(L, 1);
    lua_pushstring(L, names_call.call);
    natskit_status status = lnk_json_push_doc(L, names_call.name, 3, "args", &err);
    return status == NATSKIT_OK ? lnk_js_begin(L, &names_call, timeout_ms) : lnk_fail(L, status, &err);
}

void lnk_stores_of_streams(lua_State *L)
{
    int list = lua_gettop(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);
    lua_Integer kept = 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, list, i);
        const char *name = lua_tostring(L, -1);
        lua_pushnil(L);
        lua_rawseti(L, list, i);
        if (name != NULL && strncmp(name, "OBJ_", 4) == 0) {
            lua_pushstring(L, name + 4);
            lua_rawseti(L, list, ++kept);
        }
        lua_pop(L, 1);
    }
}

lnk_store *lnk_check_store(lua_State *L)
{
    return lnk_check(L, lnk_state_of(L), 1, LNK_STORE);
}

static int about_stream(lua_State *L, const lnk_method *method)
{
    const lnk_store *store = lnk_check_store(L);
    if (store->store.id == 0) {
        return lnk_fail(L, NATSKIT_CLOSED, NULL);
    }
    int64_t timeout_ms = lnk_only_timeout(L, 2, method->name, store->timeout_ms);
    lua_createtable(L, 0, 1);
    return call_stream(L, method, timeout_ms);
}

/* store:status([{timeout =}]) -> info of the stream behind it */
static int store_status(lua_State *L)
{
    return about_stream(L, &status_call);
}

/* store:seal([{timeout =}]) */
static int store_seal(lua_State *L)
{
    return about_stream(L, &seal_call);
}

static int store_gc(lua_State *L)
{
    lnk_store *store = lua_touserdata(L, 1);
    natskit_object_store_close(store->store);
    store->store.id = 0;
    return 0;
}

/* store:close(); readers, writers and watches live on */
static int store_close(lua_State *L)
{
    lnk_check_store(L);
    store_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

static int store_tostring(lua_State *L)
{
    const lnk_store *store = lnk_check_store(L);
    lua_getiuservalue(L, 1, LNK_STORE_NAME);
    lua_pushfstring(
        L, store->store.id == 0 ? "natskit.object_store (%s, closed): %p" : "natskit.object_store (%s): %p",
        lua_tostring(L, -1), (const void *)store);
    return 1;
}

/* -- calls about one object -------------------------------------------------------------------------------
 */

int lnk_finish_info(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                    const natskit_error *err)
{
    (void)st;
    (void)index;
    natskit_msg *msg = NULL;
    if (status == NATSKIT_OK) {
        status = natskit_op_take_msg(wait->op, &msg);
        err = NULL;
    }
    if (status != NATSKIT_OK) {
        return lnk_js_fail(L, status, err);
    }
    lnk_push_object_info(L, msg);
    natskit_msg_release(msg);
    return 1;
}

/* Waits for the operation that was begun, or tells why it was not. */
static int begun(lua_State *L, lnk_wait *wait, natskit_status status, const natskit_error *err,
                 const char *what)
{
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, err, what);
    }
    wait->finish = lnk_finish_info;
    return lnk_await(L, lua_gettop(L));
}

/* The options of a call at `index`: timeout, and perhaps a flag. */
static int64_t call_options(lua_State *L, int index, const char *what, const char *flag, int *set)
{
    const lnk_store *store = lua_touserdata(L, 1);
    int64_t timeout_ms = store->timeout_ms;
    *set = 0;
    if (lua_isnoneornil(L, index)) {
        return timeout_ms;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    int top = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_settop(L, top + 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strcmp(name, "timeout") == 0) {
            timeout_ms = lnk_check_ms(L, -1, "timeout");
        } else if (flag != NULL && strcmp(name, flag) == 0) {
            *set = lua_toboolean(L, -1);
        } else {
            luaL_error(L, "%s: unknown option '%s'", what, luaL_tolstring(L, -2, NULL));
        }
    }
    return timeout_ms;
}

/* store:info(name [, {deleted =, timeout =}]) -> info; of a link the link */
static int store_info(lua_State *L)
{
    const lnk_store *store = lnk_check_store(L);
    natskit_error err;
    size_t len;
    int deleted;
    const char *name = luaL_checklstring(L, 2, &len);
    int64_t timeout_ms = call_options(L, 3, "info", "deleted", &deleted);
    lnk_wait *wait = lnk_push_wait(L, 1);
    natskit_status status =
        natskit_object_info_start(store->store, name, len, deleted ? NATSKIT_OBJECT_DELETED_TOO : 0,
                                  (natskit_options){0}, timeout_ms, &wait->op, &err);
    return begun(L, wait, status, &err, "info");
}

/* store:delete(name [, {timeout =}]) -> info */
static int store_delete(lua_State *L)
{
    const lnk_store *store = lnk_check_store(L);
    natskit_error err;
    size_t len;
    int none;
    const char *name = luaL_checklstring(L, 2, &len);
    int64_t timeout_ms = call_options(L, 3, "delete", NULL, &none);
    lnk_wait *wait = lnk_push_wait(L, 1);
    natskit_status status = natskit_object_delete_start(store->store, name, len, (natskit_options){0},
                                                        timeout_ms, &wait->op, &err);
    return begun(L, wait, status, &err, "delete");
}

/* store:update(name, {name =, description =, headers =, metadata =} [, {timeout =}]) -> info */
static int store_update(lua_State *L)
{
    const lnk_store *store = lnk_check_store(L);
    natskit_error err;
    size_t len;
    int none;
    const char *name = luaL_checklstring(L, 2, &len);
    luaL_checktype(L, 3, LUA_TTABLE);
    int64_t timeout_ms = call_options(L, 4, "update", NULL, &none);
    natskit_status status = lnk_json_push_doc(L, "update", 3, NULL, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "update");
    }
    const lnk_doc *doc = lua_touserdata(L, -1);
    lnk_wait *wait = lnk_push_wait(L, 1);
    status = natskit_object_update_start(store->store, name, len, doc->json, (natskit_options){0}, timeout_ms,
                                         &wait->op, &err);
    return begun(L, wait, status, &err, "update");
}

/* Makes the link at 2 to the object at `target` (0: to the store) of the store at `bucket`. */
static int make_link(lua_State *L, int target, int bucket, int options, const char *what)
{
    const lnk_store *store = lnk_check_store(L);
    natskit_error err;
    size_t len;
    size_t target_len = 0;
    size_t bucket_len;
    int none;
    const char *name = luaL_checklstring(L, 2, &len);
    const char *to = target != 0 ? luaL_checklstring(L, target, &target_len) : "";
    int64_t timeout_ms = call_options(L, options, what, NULL, &none);
    lua_getiuservalue(L, 1, LNK_STORE_NAME);
    const char *in = luaL_optlstring(L, bucket, lua_tostring(L, -1), &bucket_len);
    lnk_wait *wait = lnk_push_wait(L, 1);
    natskit_status status = natskit_object_link_start(store->store, name, len, in, bucket_len, to, target_len,
                                                      (natskit_options){0}, timeout_ms, &wait->op, &err);
    return begun(L, wait, status, &err, what);
}

/* store:link(name, target [, bucket [, {timeout =}]]) -> info */
static int store_link(lua_State *L)
{
    return make_link(L, 3, 4, 5, "link");
}

/* store:link_store(name, bucket [, {timeout =}]) -> info */
static int store_link_store(lua_State *L)
{
    luaL_checkstring(L, 3);
    return make_link(L, 0, 3, 4, "link_store");
}

/* -- watches ----------------------------------------------------------------------------------------------
 */

static void set_flag(lua_State *L, lnk_options *options, const char *name, int value)
{
    natskit_error err;
    lnk_options_open(L, options, NATSKIT_OPTIONS_OBJECT_WATCH);
    if (natskit_options_set_int(options->options, name, NATSKIT_ZLEN, value, &err) != NATSKIT_OK) {
        luaL_error(L, "option %s", err.text);
    }
}

/* Opens a watch and pushes it. Returns 0, or the number of results of a failure. */
static int begin_watch(lua_State *L, lnk_options *options, const char *what)
{
    const lnk_store *store = lua_touserdata(L, 1);
    natskit_error err;
    lua_getiuservalue(L, 1, LNK_STORE_JS);
    lua_getiuservalue(L, -1, LNK_JS_CONN);
    lnk_sub *sub = lnk_push_sub(L, lua_gettop(L), LNK_SUB_VALUES);
    sub->watches = 1;
    natskit_status status = natskit_object_watch(store->store, options->options, &sub->sub, &err);
    lnk_options_end(options);
    return status == NATSKIT_OK ? 0 : lnk_fail_or_raise(L, status, &err, what);
}

/* for info in store:watch([options]) do */
static int store_watch(lua_State *L)
{
    lnk_check_store(L);
    lua_settop(L, 2);
    lnk_options *options = lnk_begin_options(L);
    set_flag(L, options, "marker", 0); /* an info is what a loop expects; who wants it says so */
    lnk_fill_options(L, options, 2, NATSKIT_OPTIONS_OBJECT_WATCH, NULL);
    int failed = begin_watch(L, options, "watch");
    return failed != 0 ? failed : lnk_sub_watch(L);
}

/* store:list([{deleted =, timeout =}]) -> list of infos, of each object one */
static int store_list(lua_State *L)
{
    int deleted;
    lnk_check_store(L);
    lua_settop(L, 2);
    int64_t timeout_ms = call_options(L, 2, "list", "deleted", &deleted);
    lnk_options *options = lnk_begin_options(L);
    set_flag(L, options, "ends", 1);
    set_flag(L, options, "ignore_deletes", !deleted);
    int failed = begin_watch(L, options, "list");
    return failed != 0 ? failed : lnk_sub_entries(L, LNK_INFOS, timeout_ms);
}

/* -- registration -----------------------------------------------------------------------------------------
 */

/* store.bucket or store:method; upvalue 2 is the table of methods */
static int store_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TBOOLEAN) {
        lnk_check_store(L);
        lua_getiuservalue(L, 1, LNK_STORE_NAME);
    }
    return 1;
}

static const luaL_Reg store_methods[] = {{"put", lnk_store_put},
                                         {"get", lnk_store_get},
                                         {"open", lnk_store_open},
                                         {"create", lnk_store_create},
                                         {"info", store_info},
                                         {"update", store_update},
                                         {"delete", store_delete},
                                         {"link", store_link},
                                         {"list", store_list},
                                         {"watch", store_watch},
                                         {"status", store_status},
                                         {"seal", store_seal},
                                         {"close", store_close},
                                         {"link_store", store_link_store},
                                         {NULL, NULL}};

static const luaL_Reg store_meta[] = {
    {"__gc", store_gc}, {"__close", store_close}, {"__tostring", store_tostring}, {NULL, NULL}};

void lnk_store_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_STORE]);
    lnk_set_funcs(L, state_index, store_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, store_methods);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "bucket"); /* the one field */
    /* Under a name of its own as well, for the test that compares it with the documents. */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "fields");
    lua_pushvalue(L, state_index);
    lua_insert(L, -2);
    lua_pushcclosure(L, store_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
