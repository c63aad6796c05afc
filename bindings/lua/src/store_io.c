/* The bytes of objects: writers and readers, and objects put and got whole, which are steps over these. Each
 * step tries without waiting, and waits by an operation for what it lacks (lnk_await), whose finish goes on.
 */
#include "lnk.h"

#include <string.h>

/* Bytes that are asked of a file, and given by a read, at once. */
#define PIECE 262144
/* For the chunks of what was given up to be gone. */
#define ABORT_MS 5000

/* Slots of all that waits here. */
enum slot {
    S_STREAM = 1, /* the writer or reader */
    S_SOURCE,     /* put: what is left to ask; get: what takes the bytes, or nil */
    S_PIECE,      /* bytes that are being written, or nil; get: the buffer */
    S_OFFSET,     /* in it */
    S_FINISHES,   /* whether the object is complete with it; get: whether all is read */
    S_WAIT,
    S_TOP = S_WAIT
};

/* -- writers and readers ----------------------------------------------------------------------------------
 */

static lnk_stream *new_stream(lua_State *L, enum lnk_kind kind)
{
    const lnk_store *store = lua_touserdata(L, 1);
    lnk_stream *stream = lnk_new(L, kind, sizeof *stream, LNK_STREAM_VALUES);
    stream->timeout_ms = store->timeout_ms;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LNK_STREAM_STORE);
    return stream;
}

static int stream_gc(lua_State *L)
{
    lnk_stream *stream = lua_touserdata(L, 1);
    natskit_object_writer_close(stream->writer);
    natskit_object_reader_close(stream->reader);
    stream->writer.id = 0;
    stream->reader.id = 0;
    return 0;
}

static lnk_stream *check_stream(lua_State *L, enum lnk_kind kind)
{
    return lnk_check(L, lnk_state_of(L), 1, kind);
}

/* Begins the wait anew: the one before is over. */
static lnk_wait *fresh_wait(lua_State *L)
{
    lnk_wait *wait = lua_touserdata(L, S_WAIT);
    natskit_op_close(wait->op);
    wait->op.id = 0;
    return wait;
}

/* What was begun is waited for, then it goes on with `next`. */
static int go_on(lua_State *L, natskit_status status, const natskit_error *err,
                 int (*next)(lua_State *, lnk_state *, lnk_wait *, int, natskit_status,
                             const natskit_error *))
{
    lnk_wait *wait = lua_touserdata(L, S_WAIT);
    wait->finish = next;
    return status == NATSKIT_OK ? LNK_AWAITS : next(L, lnk_state_of(L), wait, S_WAIT, status, err);
}

/* The results of a first step, for which nobody waits yet. */
static int all_steps(lua_State *L, int results)
{
    return results == LNK_AWAITS ? lnk_await(L, S_WAIT) : results;
}

/* -- writing ----------------------------------------------------------------------------------------------
 */

static int write_step(lua_State *L);

/* The object could not be put: what is on top are nil, message, code ..., given once its chunks are gone. */
static int aborted(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                   const natskit_error *err)
{
    lnk_stream *stream = lua_touserdata(L, S_STREAM);
    (void)st;
    (void)wait;
    (void)index;
    (void)status;
    (void)err;
    natskit_object_writer_close(stream->writer);
    stream->writer.id = 0;
    /* the failure was kept in the slots of what is not needed any more */
    lua_pushnil(L);
    lua_pushvalue(L, S_SOURCE);
    lua_pushvalue(L, S_PIECE);
    return 3;
}

static int give_up(lua_State *L, natskit_status status, const natskit_error *err)
{
    natskit_error ignored;
    const lnk_stream *stream = lua_touserdata(L, S_STREAM);
    if (!lua_toboolean(L, S_FINISHES)) {
        return lnk_js_fail(L, status, err); /* of a writer, which its owner gives up */
    }
    int base = lua_gettop(L);
    lnk_js_fail(L, status, err);
    lua_copy(L, base + 2, S_SOURCE);
    lua_copy(L, base + 3, S_PIECE);
    lua_settop(L, S_TOP);
    lnk_wait *wait = fresh_wait(L);
    status = natskit_object_writer_abort_start(stream->writer, (natskit_options){0}, ABORT_MS, &wait->op,
                                               &ignored);
    return go_on(L, status, &ignored, aborted);
}

static int roomy(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                 const natskit_error *err)
{
    (void)st;
    (void)wait;
    (void)index;
    return status == NATSKIT_OK ? write_step(L) : give_up(L, status, err);
}

static int wait_for_room(lua_State *L)
{
    natskit_error err;
    const lnk_stream *stream = lua_touserdata(L, S_STREAM);
    lnk_wait *wait = fresh_wait(L);
    natskit_status status = natskit_object_writer_room_start(stream->writer, (natskit_options){0},
                                                             stream->timeout_ms, &wait->op, &err);
    return go_on(L, status, &err, roomy);
}

static int finished(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                    const natskit_error *err)
{
    lnk_stream *stream = lua_touserdata(L, S_STREAM);
    if (status != NATSKIT_OK) {
        return give_up(L, status, err);
    }
    int results = lnk_finish_info(L, st, wait, index, status, err);
    natskit_object_writer_close(stream->writer);
    stream->writer.id = 0;
    return results;
}

static int acked(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                 const natskit_error *err)
{
    natskit_error refused;
    const lnk_stream *stream = lua_touserdata(L, S_STREAM);
    (void)st;
    (void)index;
    if (status != NATSKIT_OK) {
        return give_up(L, status, err);
    }
    wait = fresh_wait(L);
    status = natskit_object_writer_finish_start(stream->writer, (natskit_options){0}, stream->timeout_ms,
                                                &wait->op, &refused);
    return go_on(L, status, &refused, finished);
}

static int finish_object(lua_State *L)
{
    natskit_error err;
    const lnk_stream *stream = lua_touserdata(L, S_STREAM);
    lnk_wait *wait = fresh_wait(L);
    natskit_status status = natskit_object_writer_done_start(stream->writer, (natskit_options){0},
                                                             stream->timeout_ms, &wait->op, &err);
    return status == NATSKIT_WOULD_BLOCK ? wait_for_room(L) : go_on(L, status, &err, acked);
}

/* Puts the next piece of the source at S_PIECE, nil at the end. */
static void next_piece(lua_State *L)
{
    lua_settop(L, S_TOP);
    if (lua_isfunction(L, S_SOURCE)) {
        lua_pushvalue(L, S_SOURCE);
        lua_call(L, 0, 1);
    } else if (lua_type(L, S_SOURCE) == LUA_TSTRING || lua_isnil(L, S_SOURCE)) {
        lua_pushvalue(L, S_SOURCE);
        lua_pushnil(L);
        lua_replace(L, S_SOURCE);
    } else {
        lua_getfield(L, S_SOURCE, "read");
        lua_pushvalue(L, S_SOURCE);
        lua_pushinteger(L, PIECE);
        lua_call(L, 2, 1);
    }
    if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING) {
        luaL_error(L, "the source gave a %s, not a string", luaL_typename(L, -1));
    }
    lua_replace(L, S_PIECE);
    lua_pushinteger(L, 0);
    lua_replace(L, S_OFFSET);
}

/* Writes until there is no room, or nothing is left. */
static int write_step(lua_State *L)
{
    const lnk_stream *stream = lua_touserdata(L, S_STREAM);
    natskit_error err;
    for (;;) {
        if (lua_isnil(L, S_PIECE)) {
            next_piece(L);
        }
        if (lua_isnil(L, S_PIECE)) {
            if (lua_toboolean(L, S_FINISHES)) {
                return finish_object(L);
            }
            lua_pushboolean(L, 1);
            return 1;
        }
        size_t len;
        size_t written;
        const char *piece = lua_tolstring(L, S_PIECE, &len);
        size_t offset = (size_t)lua_tointeger(L, S_OFFSET);
        natskit_status status =
            natskit_object_writer_write(stream->writer, piece + offset, len - offset, 0, &written, &err);
        lua_pushinteger(L, (lua_Integer)offset + (lua_Integer)written);
        lua_replace(L, S_OFFSET);
        if (status == NATSKIT_WOULD_BLOCK) {
            return wait_for_room(L);
        }
        if (status != NATSKIT_OK) {
            return give_up(L, status, &err);
        }
        lua_pushnil(L);
        lua_replace(L, S_PIECE);
    }
}

/* The slots for writing what is at `source` (0: nothing) with the writer at S_STREAM. */
static void begin_writing(lua_State *L, int finishes)
{
    lua_settop(L, S_SOURCE);
    lua_settop(L, S_OFFSET);
    lua_pushboolean(L, finishes);
    lnk_push_wait(L, S_STREAM);
}

static const char *const said[] = {"description", "headers", "metadata", "timeout", NULL};

/* Opens a writer for the object at 2, of the store at 1, with the options at `index`, and pushes it. Returns
 * 0, or the number of results of a failure. */
static int open_writer(lua_State *L, int index, const char *what)
{
    const lnk_store *store = lua_touserdata(L, 1);
    natskit_error err;
    size_t len;
    natskit_json meta = {0};
    const char *name = luaL_checklstring(L, 2, &len);
    lnk_stream *stream = new_stream(L, LNK_WRITER);
    int place = lua_gettop(L);
    if (lua_istable(L, index)) {
        lua_createtable(L, 0, 3);
        for (int i = 0; i < 3; i++) {
            lua_getfield(L, index, said[i]);
            lua_setfield(L, -2, said[i]);
        }
        natskit_status status = lnk_json_push_doc(L, what, lua_gettop(L), NULL, &err);
        if (status != NATSKIT_OK) {
            return lnk_fail_or_raise(L, status, &err, what);
        }
        meta = ((const lnk_doc *)lua_touserdata(L, -1))->json;
        lua_getfield(L, index, "timeout");
        stream->timeout_ms = lnk_opt_ms(L, lua_gettop(L), "timeout", stream->timeout_ms);
    }
    lnk_options *options = lnk_push_options(L, index, NATSKIT_OPTIONS_OBJECT_PUT, said);
    natskit_status status = natskit_object_writer_open(store->store, name, len, meta, lnk_options_of(options),
                                                       &stream->writer, &err);
    lnk_options_end(options);
    lua_settop(L, place);
    return status == NATSKIT_OK ? 0 : lnk_fail_or_raise(L, status, &err, what);
}

static void check_source(lua_State *L, int index)
{
    int type = lua_type(L, index);
    int reads = type == LUA_TSTRING || type == LUA_TFUNCTION;
    if (type == LUA_TUSERDATA || type == LUA_TTABLE) {
        reads = type == LUA_TTABLE || luaL_getmetafield(L, index, "__index") != LUA_TNIL;
    }
    luaL_argexpected(L, reads, index, "string, function or file");
}

/* store:put(name, source [, options]) -> info */
int lnk_store_put(lua_State *L)
{
    lnk_check_store(L);
    luaL_checkstring(L, 2);
    lua_settop(L, 4);
    check_source(L, 3);
    lua_settop(L, 4);
    int failed = open_writer(L, 4, "put");
    if (failed != 0) {
        return failed;
    }
    lua_replace(L, S_STREAM);
    lua_copy(L, 3, S_SOURCE);
    begin_writing(L, 1);
    return all_steps(L, write_step(L));
}

/* store:create(name [, options]) -> writer */
int lnk_store_create(lua_State *L)
{
    lnk_check_store(L);
    luaL_checkstring(L, 2);
    lua_settop(L, 3);
    int failed = open_writer(L, 3, "create");
    return failed != 0 ? failed : 1;
}

/* writer:write(data) */
static int writer_write(lua_State *L)
{
    check_stream(L, LNK_WRITER);
    luaL_checkstring(L, S_SOURCE);
    begin_writing(L, 0);
    return all_steps(L, write_step(L));
}

/* writer:finish() -> info */
static int writer_finish(lua_State *L)
{
    check_stream(L, LNK_WRITER);
    lua_settop(L, S_STREAM);
    begin_writing(L, 1);
    return all_steps(L, finish_object(L));
}

/* writer:abort(): its chunks are gone */
static int writer_abort(lua_State *L)
{
    natskit_error err;
    const lnk_stream *stream = check_stream(L, LNK_WRITER);
    lua_settop(L, S_STREAM);
    begin_writing(L, 0);
    lnk_wait *wait = fresh_wait(L);
    natskit_status status = natskit_object_writer_abort_start(stream->writer, (natskit_options){0},
                                                              stream->timeout_ms, &wait->op, &err);
    return all_steps(L, go_on(L, status, &err, lnk_finish_plain));
}

static int stream_progress(lua_State *L, enum lnk_kind kind)
{
    const lnk_stream *stream = check_stream(L, kind);
    natskit_object_progress now;
    natskit_status status = kind == LNK_WRITER
                                ? natskit_object_writer_progress(stream->writer, &now, sizeof now)
                                : natskit_object_reader_progress(stream->reader, &now, sizeof now);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_pushinteger(L, (lua_Integer)now.bytes);
    lua_pushinteger(L, (lua_Integer)(kind == LNK_WRITER ? now.stored : now.total));
    return 2;
}

/* writer:progress() -> bytes that were given, bytes that are stored */
static int writer_progress(lua_State *L)
{
    return stream_progress(L, LNK_WRITER);
}

/* writer:close(): what was not finished is given up, without waiting */
static int writer_close(lua_State *L)
{
    check_stream(L, LNK_WRITER);
    stream_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

/* -- reading ----------------------------------------------------------------------------------------------
 */

static int read_step(lua_State *L);

static int readable(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                    const natskit_error *err)
{
    (void)st;
    (void)wait;
    (void)index;
    return status == NATSKIT_OK ? read_step(L) : lnk_js_fail(L, status, err);
}

/* Reads what is there, or waits for it: a string; nil at the end; nil, message, code. */
static int read_step(lua_State *L)
{
    const lnk_stream *stream = lua_touserdata(L, S_STREAM);
    natskit_error err;
    size_t len;
    size_t cap = (size_t)lua_tointeger(L, S_OFFSET);
    lua_settop(L, S_TOP);
    luaL_Buffer buffer;
    char *to = luaL_buffinitsize(L, &buffer, cap);
    natskit_status status = natskit_object_reader_read(stream->reader, to, cap, 0, &len, &err);
    luaL_pushresultsize(&buffer, len);
    if (status == NATSKIT_OK) {
        return 1;
    }
    lua_settop(L, S_TOP);
    if (status == NATSKIT_END) {
        lua_pushnil(L);
        return 1;
    }
    if (status != NATSKIT_WOULD_BLOCK) {
        return lnk_js_fail(L, status, &err);
    }
    lnk_wait *wait = fresh_wait(L);
    status = natskit_object_reader_ready_start(stream->reader, (natskit_options){0}, stream->timeout_ms,
                                               &wait->op, &err);
    return go_on(L, status, &err, readable);
}

/* reader:read([most]) -> string, nil at the end */
static int reader_read(lua_State *L)
{
    check_stream(L, LNK_READER);
    lua_Integer most = luaL_optinteger(L, 2, PIECE);
    luaL_argcheck(L, most > 0, 2, "at least 1 expected");
    lua_settop(L, S_PIECE);
    lua_pushinteger(L, most);
    lua_pushboolean(L, 0);
    lnk_push_wait(L, S_STREAM);
    return all_steps(L, read_step(L));
}

static int piece_k(lua_State *L, int resumed, lua_KContext base)
{
    (void)resumed;
    if (lua_isnil(L, (int)base + 1) && !lua_isnil(L, (int)base + 2)) {
        return luaL_error(L, "%s", lua_tostring(L, (int)base + 2)); /* who loops believes to get all */
    }
    lua_settop(L, (int)base + 1);
    return 1;
}

/* The loop's function: reads a piece. Upvalues: state, reader. */
static int next_of_reader(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, reader_read, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_callk(L, 1, 3, 0, piece_k);
    return piece_k(L, LUA_OK, 0);
}

/* for piece in reader:pieces() do */
static int reader_pieces(lua_State *L)
{
    check_stream(L, LNK_READER);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, next_of_reader, 2);
    return 1;
}

/* reader:progress() -> bytes that were given, size */
static int reader_progress(lua_State *L)
{
    return stream_progress(L, LNK_READER);
}

/* reader:info() */
static int reader_info(lua_State *L)
{
    check_stream(L, LNK_READER);
    lua_getiuservalue(L, 1, LNK_STREAM_INFO);
    return 1;
}

static int reader_close(lua_State *L)
{
    check_stream(L, LNK_READER);
    stream_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

/* What the object at 2 of the store at 1 is, is known: pushes a reader. */
static int opened(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                  const natskit_error *err)
{
    natskit_error refused;
    natskit_msg *info = NULL;
    (void)st;
    (void)index;
    lnk_stream *stream = new_stream(L, LNK_READER);
    int64_t timeout_ms = (int64_t)lua_tointeger(L, 3);
    stream->timeout_ms = timeout_ms;
    if (status == NATSKIT_OK) {
        status = natskit_op_take_msg(wait->op, &info);
        err = NULL;
    }
    if (status != NATSKIT_OK) {
        return lnk_js_fail(L, status, err);
    }
    const lnk_store *store = lua_touserdata(L, 1);
    status = natskit_object_reader_open(store->store, info, &stream->reader, &refused);
    if (status == NATSKIT_OK && lnk_push_object_info(L, info)) {
        lua_setiuservalue(L, -2, LNK_STREAM_INFO);
    }
    natskit_msg_release(info);
    return status == NATSKIT_OK ? 1 : lnk_js_fail(L, status, &refused);
}

/* store:open(name [, {timeout =}]) -> reader; of a link what it leads to */
int lnk_store_open(lua_State *L)
{
    const lnk_store *store = lnk_check_store(L);
    natskit_error err;
    size_t len;
    int64_t timeout_ms = store->timeout_ms;
    const char *name = luaL_checklstring(L, 2, &len);
    if (lua_istable(L, 3)) {
        lua_getfield(L, 3, "timeout");
        timeout_ms = lnk_opt_ms(L, lua_gettop(L), "timeout", timeout_ms);
    }
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)timeout_ms);
    lnk_wait *wait = lnk_push_wait(L, 1);
    wait->finish = opened;
    natskit_status status = natskit_object_info_start(store->store, name, len, NATSKIT_OBJECT_FOLLOW,
                                                      (natskit_options){0}, timeout_ms, &wait->op, &err);
    return status == NATSKIT_OK ? lnk_await(L, 4) : lnk_fail_or_raise(L, status, &err, "open");
}

/* Slots of a get. */
enum get_slot { G_STORE = 1, G_NAME, G_OPTIONS, G_INTO, G_READER, G_PIECES, G_TOP = G_PIECES };

/* A piece goes to the list, a function or a file. */
static void take_piece(lua_State *L, int piece)
{
    if (lua_isfunction(L, G_INTO)) {
        lua_pushvalue(L, G_INTO);
        lua_pushvalue(L, piece);
        lua_call(L, 1, 0);
    } else if (lua_isnil(L, G_INTO)) {
        lua_pushvalue(L, piece);
        lua_rawseti(L, G_PIECES, (lua_Integer)lua_rawlen(L, G_PIECES) + 1);
    } else {
        lua_getfield(L, G_INTO, "write");
        lua_pushvalue(L, G_INTO);
        lua_pushvalue(L, piece);
        lua_call(L, 2, 2);
        if (lua_isnil(L, -2)) {
            luaL_error(L, "get: the file took no more: %s", luaL_tolstring(L, -1, NULL));
        }
    }
}

/* data (true if it went elsewhere), info */
static int got_all(lua_State *L)
{
    lua_settop(L, G_TOP);
    if (lua_isnil(L, G_INTO)) {
        luaL_Buffer buffer;
        lua_Integer count = (lua_Integer)lua_rawlen(L, G_PIECES);
        luaL_buffinit(L, &buffer);
        for (lua_Integer i = 1; i <= count; i++) {
            lua_rawgeti(L, G_PIECES, i);
            luaL_addvalue(&buffer);
        }
        luaL_pushresult(&buffer);
    } else {
        lua_pushboolean(L, 1);
    }
    lua_getiuservalue(L, G_READER, LNK_STREAM_INFO);
    return 2;
}

/* After the opening (context 0), or a piece: three results are on top of G_TOP. */
static int get_k(lua_State *L, int resumed, lua_KContext reading)
{
    (void)resumed;
    for (;;) {
        if (lua_isnil(L, G_TOP + 1) && (!reading || !lua_isnil(L, G_TOP + 2))) {
            return 3;
        }
        if (lua_isnil(L, G_TOP + 1)) {
            return got_all(L);
        }
        if (reading) {
            take_piece(L, G_TOP + 1);
        } else {
            lua_copy(L, G_TOP + 1, G_READER);
        }
        reading = 1;
        lua_settop(L, G_TOP);
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_pushcclosure(L, reader_read, 1);
        lua_pushvalue(L, G_READER);
        lua_callk(L, 1, 3, reading, get_k);
    }
}

/* store:get(name [, {into =, timeout =}]) -> data, info; with `into`, a file or a function, true, info */
int lnk_store_get(lua_State *L)
{
    lnk_check_store(L);
    luaL_checkstring(L, 2);
    lua_settop(L, G_OPTIONS);
    lua_pushnil(L);
    if (!lua_isnil(L, G_OPTIONS)) {
        luaL_checktype(L, G_OPTIONS, LUA_TTABLE);
        lua_getfield(L, G_OPTIONS, "into");
        lua_replace(L, G_INTO);
    }
    lua_pushnil(L);
    lua_newtable(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, lnk_store_open, 1);
    lua_pushvalue(L, G_STORE);
    lua_pushvalue(L, G_NAME);
    lua_pushvalue(L, G_OPTIONS);
    lua_callk(L, 3, 3, 0, get_k);
    return get_k(L, LUA_OK, 0);
}

/* -- registration -----------------------------------------------------------------------------------------
 */

static int stream_tostring(lua_State *L)
{
    const lnk_stream *stream = lua_touserdata(L, 1);
    int writes = lnk_test(L, lnk_state_of(L), 1, LNK_WRITER) != NULL;
    lua_pushfstring(L, writes ? "natskit.object_writer%s: %p" : "natskit.object_reader%s: %p",
                    stream->writer.id == 0 && stream->reader.id == 0 ? " (closed)" : "",
                    (const void *)stream);
    return 1;
}

static const luaL_Reg writer_methods[] = {{"write", writer_write}, {"finish", writer_finish},
                                          {"abort", writer_abort}, {"progress", writer_progress},
                                          {"close", writer_close}, {NULL, NULL}};

static const luaL_Reg reader_methods[] = {{"read", reader_read},         {"pieces", reader_pieces},
                                          {"progress", reader_progress}, {"info", reader_info},
                                          {"close", reader_close},       {NULL, NULL}};

static const luaL_Reg writer_meta[] = {
    {"__gc", stream_gc}, {"__close", writer_close}, {"__tostring", stream_tostring}, {NULL, NULL}};

static const luaL_Reg reader_meta[] = {
    {"__gc", stream_gc}, {"__close", reader_close}, {"__tostring", stream_tostring}, {NULL, NULL}};

static void register_one(lua_State *L, int state_index, enum lnk_kind kind, const luaL_Reg *meta,
                         const luaL_Reg *methods)
{
    luaL_newmetatable(L, lnk_names[kind]);
    lnk_set_funcs(L, state_index, meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

void lnk_store_io_register(lua_State *L, int state_index)
{
    register_one(L, state_index, LNK_WRITER, writer_meta, writer_methods);
    register_one(L, state_index, LNK_READER, reader_meta, reader_methods);
}
