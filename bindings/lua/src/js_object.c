/* The methods that are calls of JetStream's API, and streams and consumers as objects: userdata that know
 * names and the info that was got last. What they do goes through their context (js.c). */
#include "lnk.h"

#define STREAM_CONFIG "stream_args", "stream_info"
#define CONSUMER_CONFIG "consumer_args", "consumer_info"
#define INFO_OPTIONS "subjects_filter deleted_details offset"
#define PURGE_OPTIONS "seq keep filter"

/* Fields, as values of the dispatch table; methods stand in the same table as functions. */
enum field { F_NAME = 1, F_STREAM_NAME, F_CACHED_INFO };

const lnk_method lnk_js_methods[] = {
    {LNK_JS, "account_info", "account.info", "", "", "args", "account", LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "add_stream", "stream.create", "config", "", STREAM_CONFIG, LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "update_stream", "stream.update", "config", "", STREAM_CONFIG, LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "create_or_update_stream", "stream.create_or_update", "config", "", STREAM_CONFIG,
     LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "stream_info", "stream.info", "stream", INFO_OPTIONS, "args", "stream_info", LNK_GIVES_ANSWER,
     NULL, 0},
    {LNK_JS, "stream_names", "stream.names", "subject?", "", "args", "list", LNK_GIVES_LIST, "streams", 0},
    {LNK_JS, "streams", "stream.list", "subject?", "", "args", "list", LNK_GIVES_LIST, "streams", 0},
    {LNK_JS, "find_stream", "stream.find", "subject", "", "args", "answer", LNK_GIVES_MEMBER, "stream", 0},
    {LNK_JS, "purge_stream", "stream.purge", "stream", PURGE_OPTIONS, "args", "answer", LNK_GIVES_MEMBER,
     "purged", 0},
    {LNK_JS, "delete_stream", "stream.delete", "stream", "", "args", "answer", LNK_GIVES_TRUE, NULL, 0},
    {LNK_JS, "delete_msg", "stream.message.delete", "stream seq", "no_erase", "args", "answer",
     LNK_GIVES_TRUE, NULL, 0},
    {LNK_JS, "stream", "stream.info", "stream", "", "args", "stream_info", LNK_GIVES_STREAM, NULL, 0},
    {LNK_JS, "add_consumer", "consumer.create", "stream config", "", CONSUMER_CONFIG, LNK_GIVES_ANSWER, NULL,
     1},
    {LNK_JS, "update_consumer", "consumer.update", "stream config", "", CONSUMER_CONFIG, LNK_GIVES_ANSWER,
     NULL, 0},
    {LNK_JS, "create_or_update_consumer", "consumer.create_or_update", "stream config", "", CONSUMER_CONFIG,
     LNK_GIVES_ANSWER, NULL, 1},
    {LNK_JS, "consumer_info", "consumer.info", "stream consumer", "", "args", "consumer_info",
     LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "consumer_names", "consumer.names", "stream", "", "args", "list", LNK_GIVES_LIST, "consumers",
     0},
    {LNK_JS, "consumers", "consumer.list", "stream", "", "args", "list", LNK_GIVES_LIST, "consumers", 0},
    {LNK_JS, "delete_consumer", "consumer.delete", "stream consumer", "", "args", "answer", LNK_GIVES_TRUE,
     NULL, 0},
    {LNK_JS, "pause_consumer", "consumer.pause", "stream consumer pause_until", "", "args", "consumer_info",
     LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "resume_consumer", "consumer.resume", "stream consumer", "", "args", "consumer_info",
     LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "reset_consumer", "consumer.reset", "stream consumer", "seq", "args", "consumer_info",
     LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "unpin_consumer", "consumer.unpin", "stream consumer group", "", "args", "answer",
     LNK_GIVES_TRUE, NULL, 0},
    {LNK_JS, "delete_kv", "kv.delete", "bucket", "", "args", "answer", LNK_GIVES_TRUE, NULL, 0},
    {LNK_JS, "kv_names", "kv.names", "", "", "args", "buckets", LNK_GIVES_LIST, "buckets", 0},
    {LNK_JS, "kv_list", "kv.list", "", "", "args", "buckets", LNK_GIVES_LIST, "buckets", 0},
    {LNK_JS, "step_down_stream", "stream.leader.stepdown", "stream", "placement", NULL, NULL,
     LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "step_down_consumer", "consumer.leader.stepdown", "stream consumer", "placement", NULL, NULL,
     LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "step_down_meta", "meta.leader.stepdown", "", "placement", NULL, NULL, LNK_GIVES_ANSWER, NULL,
     0},
    {LNK_JS, "rescue_meta", "meta.rescue", "", "", NULL, NULL, LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "remove_stream_peer", "stream.peer.remove", "stream peer", "", NULL, NULL, LNK_GIVES_ANSWER,
     NULL, 0},
    {LNK_JS, "evacuate_stream_peer", "stream.peer.evacuate", "stream peer", "", NULL, NULL, LNK_GIVES_ANSWER,
     NULL, 0},
    {LNK_JS, "remove_consumer_peer", "consumer.peer.remove", "stream consumer peer", "", NULL, NULL,
     LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "evacuate_consumer_peer", "consumer.peer.evacuate", "stream consumer peer", "", NULL, NULL,
     LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "cancel_move", "stream.cancel_move", "stream", "", NULL, NULL, LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "remove_server", "server.remove", "peer?", "peer_id", NULL, NULL, LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "evacuate_server", "server.evacuate", "peer?", "peer_id", NULL, NULL, LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "purge_account", "account.purge", "account", "", NULL, NULL, LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "move_account_stream", "account.stream.move", "account stream", "server cluster domain tags",
     NULL, NULL, LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "cancel_account_stream_move", "account.stream.cancel_move", "account stream", "", NULL, NULL,
     LNK_GIVES_ANSWER, NULL, 0},
    {LNK_JS, "consumer", "consumer.info", "stream consumer", "", "args", "consumer_info", LNK_GIVES_CONSUMER,
     NULL, 0},
    {.name = NULL},
};

static const lnk_method stream_methods[] = {
    {LNK_STREAM, "info", "stream.info", "", INFO_OPTIONS, "args", "stream_info", LNK_GIVES_INFO, NULL, 0},
    {LNK_STREAM, "update", "stream.update", "config", "", STREAM_CONFIG, LNK_GIVES_INFO, NULL, 0},
    {LNK_STREAM, "purge", "stream.purge", "", PURGE_OPTIONS, "args", "answer", LNK_GIVES_MEMBER, "purged", 0},
    {LNK_STREAM, "delete", "stream.delete", "", "", "args", "answer", LNK_GIVES_TRUE, NULL, 0},
    {LNK_STREAM, "delete_msg", "stream.message.delete", "seq", "no_erase", "args", "answer", LNK_GIVES_TRUE,
     NULL, 0},
    {LNK_STREAM, "add_consumer", "consumer.create", "config", "", CONSUMER_CONFIG, LNK_GIVES_CONSUMER, NULL,
     1},
    {LNK_STREAM, "update_consumer", "consumer.update", "config", "", CONSUMER_CONFIG, LNK_GIVES_CONSUMER,
     NULL, 0},
    {LNK_STREAM, "create_or_update_consumer", "consumer.create_or_update", "config", "", CONSUMER_CONFIG,
     LNK_GIVES_CONSUMER, NULL, 1},
    {LNK_STREAM, "consumer", "consumer.info", "consumer", "", "args", "consumer_info", LNK_GIVES_CONSUMER,
     NULL, 0},
    {LNK_STREAM, "consumer_names", "consumer.names", "", "", "args", "list", LNK_GIVES_LIST, "consumers", 0},
    {LNK_STREAM, "consumers", "consumer.list", "", "", "args", "list", LNK_GIVES_LIST, "consumers", 0},
    {LNK_STREAM, "delete_consumer", "consumer.delete", "consumer", "", "args", "answer", LNK_GIVES_TRUE, NULL,
     0},
    {.name = NULL},
};

static const lnk_method consumer_methods[] = {
    {LNK_CONSUMER, "info", "consumer.info", "", "", "args", "consumer_info", LNK_GIVES_INFO, NULL, 0},
    {LNK_CONSUMER, "update", "consumer.update", "config", "", CONSUMER_CONFIG, LNK_GIVES_INFO, NULL, 0},
    {LNK_CONSUMER, "pause", "consumer.pause", "pause_until", "", "args", "consumer_info", LNK_GIVES_ANSWER,
     NULL, 0},
    {LNK_CONSUMER, "resume", "consumer.resume", "", "", "args", "consumer_info", LNK_GIVES_ANSWER, NULL, 0},
    {LNK_CONSUMER, "reset", "consumer.reset", "", "seq", "args", "consumer_info", LNK_GIVES_ANSWER, NULL, 0},
    {LNK_CONSUMER, "unpin", "consumer.unpin", "group", "", "args", "answer", LNK_GIVES_TRUE, NULL, 0},
    {LNK_CONSUMER, "delete", "consumer.delete", "", "", "args", "answer", LNK_GIVES_TRUE, NULL, 0},
    {.name = NULL},
};

void lnk_push_object(lua_State *L, int js_index, enum lnk_kind kind)
{
    int info = lua_gettop(L);
    lnk_object *object = lnk_new(L, kind, sizeof *object, LNK_OBJECT_VALUES);
    object->kind = kind;
    lua_pushvalue(L, js_index);
    lua_setiuservalue(L, -2, LNK_OBJECT_JS);
    lua_pushvalue(L, info);
    lua_setiuservalue(L, -2, LNK_OBJECT_INFO);
    if (kind == LNK_CONSUMER) {
        lua_getfield(L, info, "stream_name");
        lua_setiuservalue(L, -2, LNK_OBJECT_STREAM);
        lua_getfield(L, info, "name");
    } else if (lua_getfield(L, info, "config") == LUA_TTABLE) {
        lua_getfield(L, -1, "name");
        lua_remove(L, -2);
    }
    lua_setiuservalue(L, -2, LNK_OBJECT_NAME);
    lua_remove(L, info);
}

/* js:bind_consumer(stream, consumer): as js:consumer, but the server is not asked */
int lnk_js_bind_consumer(lua_State *L)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    luaL_checkstring(L, 2);
    luaL_checkstring(L, 3);
    lua_settop(L, 3);
    lnk_object *object = lnk_new(L, LNK_CONSUMER, sizeof *object, LNK_OBJECT_VALUES);
    object->kind = LNK_CONSUMER;
    object->bound = 1;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 4, LNK_OBJECT_JS);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 4, LNK_OBJECT_STREAM);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 4, LNK_OBJECT_NAME);
    return 1;
}

void lnk_keep_info(lua_State *L, int index)
{
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, index, LNK_OBJECT_INFO);
}

static const lnk_object *check_object(lua_State *L)
{
    const lnk_state *st = lnk_state_of(L);
    const lnk_object *object = lnk_test(L, st, 1, LNK_CONSUMER);
    return object != NULL ? object : lnk_check(L, st, 1, LNK_STREAM);
}

/* stream.field or stream:method; upvalue 2 is the dispatch table */
static int object_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNUMBER) {
        return 1; /* a method, or nil */
    }
    check_object(L);
    switch ((enum field)lua_tointeger(L, -1)) {
    case F_NAME:
        lua_getiuservalue(L, 1, LNK_OBJECT_NAME);
        break;
    case F_STREAM_NAME:
        lua_getiuservalue(L, 1, LNK_OBJECT_STREAM);
        break;
    default:
        lua_getiuservalue(L, 1, LNK_OBJECT_INFO);
    }
    return 1;
}

static int object_tostring(lua_State *L)
{
    const lnk_object *object = check_object(L);
    lua_getiuservalue(L, 1, LNK_OBJECT_NAME);
    const char *name = lua_tostring(L, -1);
    lua_pushfstring(L, "%s (%s): %p", lnk_names[object->kind], name != NULL ? name : "?",
                    (const void *)object);
    return 1;
}

static const luaL_Reg object_meta[] = {{"__tostring", object_tostring}, {NULL, NULL}};

static void register_kind(lua_State *L, int state_index, enum lnk_kind kind, const lnk_method *methods)
{
    luaL_newmetatable(L, lnk_names[kind]);
    lnk_set_funcs(L, state_index, object_meta);
    lua_newtable(L);
    lnk_js_add_methods(L, state_index, methods);
    if (kind == LNK_CONSUMER) {
        lnk_set_funcs(L, state_index, lnk_pull_methods);
    } else {
        lnk_set_funcs(L, state_index, lnk_direct_methods);
    }
    lua_pushinteger(L, F_NAME);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, F_CACHED_INFO);
    lua_setfield(L, -2, "cached_info");
    if (kind == LNK_CONSUMER) {
        lua_pushinteger(L, F_STREAM_NAME);
        lua_setfield(L, -2, "stream_name");
    }
    /* Under a name of its own as well, for the test that compares it with the documents. */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "fields");
    lua_pushvalue(L, state_index);
    lua_insert(L, -2);
    lua_pushcclosure(L, object_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

void lnk_object_register(lua_State *L, int state_index)
{
    register_kind(L, state_index, LNK_STREAM, stream_methods);
    register_kind(L, state_index, LNK_CONSUMER, consumer_methods);
}
