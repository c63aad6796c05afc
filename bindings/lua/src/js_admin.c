/* What operators do with JetStream and is more than a call: snapshots, what servers tell of streams, traces
 * of messages. */
#include "lnk.h"

#include <string.h>

/* Slots of a snapshot. */
enum slot { S_JS = 1, S_STREAM, S_OPTIONS, S_SUB, S_WAIT, S_TOP = S_WAIT };

/* -- snapshots ------------------------------------------------------------------------------------------- */

/* The state is there, or will not be. */
static int finish_snapshot(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                           const natskit_error *err)
{
    (void)st;
    (void)index;
    natskit_json answer = {0};
    natskit_error own;
    if (status == NATSKIT_OK) {
        status = natskit_op_json(wait->op, &answer, &own);
        err = &own;
    }
    if (status != NATSKIT_OK) {
        const lnk_sub *sub = lua_touserdata(L, S_SUB);
        natskit_sub_close(sub->sub);
        return lnk_js_fail(L, status, err);
    }
    lua_pushvalue(L, S_SUB);
    lnk_json_push_value(L, answer, NULL); /* as it is: a restore takes it back */
    return 2;
}

static int is_argument(const char *name)
{
    static const char *const known[] = {"no_consumers", "chunk_size", "window_size", "jsck"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

/* The arguments: the options with the stream's name. Leaves the document on top. */
static natskit_status push_args(lua_State *L, natskit_error *err)
{
    lua_newtable(L);
    int args = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, S_OPTIONS) != 0; lua_settop(L, args + 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (is_argument(name)) {
            lua_setfield(L, args, name);
        } else if (strcmp(name, "timeout") != 0) {
            luaL_error(
                L, "snapshot: unknown option '%s' (known: timeout no_consumers chunk_size window_size jsck)",
                luaL_tolstring(L, -2, NULL));
        }
    }
    lua_pushvalue(L, S_STREAM);
    lua_setfield(L, args, "stream");
    return lnk_json_push_doc(L, "snapshot", args, NULL, err);
}

/* js:snapshot(stream [, {no_consumers =, chunk_size =, window_size =, jsck =, timeout =}]) -> subscription,
 * {config, state} */
int lnk_js_snapshot(lua_State *L)
{
    natskit_error err;
    lua_settop(L, S_OPTIONS);
    const lnk_js *js = lnk_check(L, lnk_state_of(L), S_JS, LNK_JS);
    luaL_argexpected(L, lua_type(L, S_STREAM) == LUA_TSTRING, S_STREAM, "string");
    if (lua_isnil(L, S_OPTIONS)) {
        lua_newtable(L);
        lua_replace(L, S_OPTIONS);
    }
    luaL_checktype(L, S_OPTIONS, LUA_TTABLE);
    lua_getfield(L, S_OPTIONS, "timeout");
    int64_t timeout_ms = lnk_opt_ms(L, -1, "timeout", js->timeout_ms);
    lua_settop(L, S_OPTIONS);
    lua_getiuservalue(L, S_JS, LNK_JS_CONN);
    lnk_sub *sub = lnk_push_sub(L, lua_gettop(L), LNK_SUB_VALUES);
    sub->pulls = 1;
    lua_replace(L, S_SUB);
    lnk_wait *wait = lnk_push_wait(L, S_JS);
    wait->finish = finish_snapshot;
    natskit_status status = push_args(L, &err);
    if (status == NATSKIT_OK) {
        const lnk_doc *doc = lua_touserdata(L, -1);
        status = natskit_js_snapshot_start(js->js, doc->json, timeout_ms, &sub->sub, &wait->op, &err);
    }
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "snapshot");
    }
    lua_settop(L, S_TOP);
    return lnk_await(L, S_WAIT);
}

/* -- restoring ------------------------------------------------------------------------------------------- */

/* Slots of a restore; of a chunk the first four. */
enum restore_slot { R_JS = 1, R_INFO, R_CHUNKS, R_OPTIONS, R_SUBJECT, R_COUNT, R_TOP = R_COUNT };
enum chunk_slot { C_JS = 1, C_SUBJECT, C_DATA, C_MS, C_WAIT };

/* Where a restore goes on, through lua_callk as its context. */
enum restore_step { BEGUN, GOT, SENT, ENDED };

#define FAILED_VALUES 5 /* of lnk_js_fail */

static int finish_chunk(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                        const natskit_error *err)
{
    (void)st;
    (void)index;
    natskit_json info = {0};
    natskit_error own;
    int end = lua_rawlen(L, C_DATA) == 0;
    if (status == NATSKIT_OK && end) {
        status = natskit_op_json(wait->op, &info, &own);
        err = &own;
    }
    if (status != NATSKIT_OK) {
        return lnk_js_fail(L, status, err);
    }
    if (end) {
        lnk_json_push_value(L, info, NULL);
    } else {
        lua_pushboolean(L, 1);
    }
    return 1;
}

/* (context, subject, chunk, ms) */
static int send_chunk(lua_State *L)
{
    natskit_error err;
    size_t subject_len;
    size_t len;
    const lnk_js *js = lua_touserdata(L, C_JS);
    const char *subject = lua_tolstring(L, C_SUBJECT, &subject_len);
    const char *data = lua_tolstring(L, C_DATA, &len);
    const natskit_options none = {0};
    lnk_wait *wait = lnk_push_wait(L, C_JS);
    wait->finish = finish_chunk;
    natskit_status status = natskit_js_restore_chunk_start(js->js, subject, subject_len, data, len, none,
                                                           (int64_t)lua_tointeger(L, C_MS), &wait->op, &err);
    return status == NATSKIT_OK ? lnk_await(L, C_WAIT) : lnk_js_fail(L, status, &err);
}

static int restore_k(lua_State *L, int resumed, lua_KContext context);

/* Pushes the next chunk; nil behind the last. */
static void next_chunk(lua_State *L)
{
    lua_settop(L, R_TOP);
    if (lua_istable(L, R_CHUNKS)) {
        lua_Integer next = lua_tointeger(L, R_COUNT) + 1;
        lua_pushinteger(L, next);
        lua_replace(L, R_COUNT);
        lua_rawgeti(L, R_CHUNKS, next);
    } else {
        lua_pushvalue(L, R_CHUNKS);
        lua_callk(L, 0, 1, GOT, restore_k);
    }
}

/* Sends the chunk on top: nil ends it. What comes next. */
static enum restore_step give_chunk(lua_State *L)
{
    enum restore_step step = SENT;
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushliteral(L, "");
        step = ENDED;
    } else if (lua_type(L, -1) != LUA_TSTRING) {
        luaL_error(L, "restore: a chunk is a string, not %s", luaL_typename(L, -1));
    } else if (lua_rawlen(L, -1) == 0) {
        lua_settop(L, R_TOP); /* it would be the end */
        return SENT;
    }
    lua_pushvalue(L, lua_upvalueindex(1)); /* the module's state */
    lua_pushcclosure(L, send_chunk, 1);
    lua_pushvalue(L, R_JS);
    lua_pushvalue(L, R_SUBJECT);
    lua_pushvalue(L, -4);
    lua_pushvalue(L, R_OPTIONS);
    lua_callk(L, 4, FAILED_VALUES, step, restore_k);
    return step;
}

static int restore_k(lua_State *L, int resumed, lua_KContext context)
{
    (void)resumed;
    for (enum restore_step step = (enum restore_step)context;;) {
        if (step == GOT) {
            step = give_chunk(L);
        }
        if (lua_gettop(L) >= R_TOP + FAILED_VALUES && !lua_toboolean(L, -FAILED_VALUES)) {
            return FAILED_VALUES;
        }
        if (step == ENDED) {
            lua_pushvalue(L, -FAILED_VALUES);
            return 1;
        }
        if (step == BEGUN) {
            lua_getfield(L, -FAILED_VALUES, "deliver_subject");
            luaL_checkstring(L, -1);
            lua_replace(L, R_SUBJECT);
        }
        next_chunk(L);
        step = GOT;
    }
}

/* js:restore(info, chunks [, {timeout =}]) -> the stream's info. `chunks`: a list of strings, or a function
 * that gives the next one, or nil. */
int lnk_js_restore(lua_State *L)
{
    lua_settop(L, R_OPTIONS);
    const lnk_js *js = lnk_check(L, lnk_state_of(L), R_JS, LNK_JS);
    luaL_checktype(L, R_INFO, LUA_TTABLE);
    int listed = lua_istable(L, R_CHUNKS);
    luaL_argexpected(L, listed || lua_isfunction(L, R_CHUNKS), R_CHUNKS, "list of strings or function");
    int64_t timeout_ms = lnk_only_timeout(L, R_OPTIONS, "restore", js->timeout_ms);
    lua_settop(L, R_TOP);
    lua_getfield(L, R_JS, "call");
    lua_pushvalue(L, R_JS);
    lua_pushliteral(L, "stream.restore");
    lua_createtable(L, 0, 3);
    int is_config = lua_getfield(L, R_INFO, "config") == LUA_TTABLE;
    luaL_argcheck(L, is_config, R_INFO, "config and state of a snapshot expected");
    lua_getfield(L, -1, "name");
    lua_setfield(L, -3, "stream");
    lua_setfield(L, -2, "config");
    lua_getfield(L, R_INFO, "state");
    lua_setfield(L, -2, "state");
    lua_pushvalue(L, R_OPTIONS); /* its timeout is that of this call and of each chunk */
    lua_pushinteger(L, (lua_Integer)timeout_ms);
    lua_replace(L, R_OPTIONS);
    lua_callk(L, 4, FAILED_VALUES, BEGUN, restore_k);
    return restore_k(L, LUA_OK, BEGUN);
}

/* -- what servers tell ----------------------------------------------------------------------------------- */

/* nats.advisory(msg) -> kind, data */
int lnk_advisory(lua_State *L)
{
    natskit_message_view view;
    natskit_json json;
    natskit_error err;
    const lnk_msg *msg = lnk_check(L, lnk_state_of(L), 1, LNK_MSG);
    memset(&view, 0, sizeof view);
    natskit_status status =
        msg->msg == NULL ? NATSKIT_CLOSED : natskit_msg_view(msg->msg, &view, sizeof view);
    if (status == NATSKIT_OK) {
        status = natskit_json_parse(view.data, view.data_len, &json, &err);
    }
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lnk_json_push_value(L, json, NULL);
    const char *type = NULL;
    if (lua_istable(L, -1)) {
        type = lua_getfield(L, -1, "type") == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    } else {
        lua_pushnil(L);
    }
    const char *dot = type != NULL ? strrchr(type, '.') : NULL;
    lua_pushstring(L, dot != NULL ? dot + 1 : type != NULL ? type : "");
    lua_pushvalue(L, -3);
    return 2;
}

/* -- traces ---------------------------------------------------------------------------------------------- */

/* nats.trace_tree({data of each event}) -> {missing =, trace =} */
int lnk_trace_tree(lua_State *L)
{
    natskit_json events = {0};
    natskit_json tree = {0};
    natskit_error err;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    for (lua_Integer i = 1; i <= count; i++) {
        luaL_argexpected(L, lua_rawgeti(L, 1, i) == LUA_TSTRING, 1, "list of strings");
        lua_pop(L, 1);
    }
    natskit_status status = natskit_json_parse("[]", NATSKIT_ZLEN, &events, &err);
    for (lua_Integer i = 1; i <= count && status == NATSKIT_OK; i++) {
        size_t len = 0;
        lua_rawgeti(L, 1, i);
        const char *text = lua_tolstring(L, -1, &len);
        status = natskit_json_set_text(events, "/-", NATSKIT_ZLEN, text, len, &err);
        lua_pop(L, 1);
    }
    if (status == NATSKIT_OK) {
        status = natskit_trace_tree(events, &tree, &err);
    }
    if (events.id != 0) {
        natskit_json_close(events);
    }
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, &err);
    }
    lnk_json_push_value(L, tree, NULL);
    return 1;
}
