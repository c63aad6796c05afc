/* Scenarios of an object store, which outlives them at the server: putting and reading, changing what objects
 * are, and watching. Chunks are small, so that objects of a few KiB have several. */
#include "scenarios.h"

#include "checked.h"
#include "life.h"
#include "registry.h"

#include <string.h>

#define CHUNK 1000
#define SIZE 2500
#define ANY_SIZE UINT64_MAX /* a call before has failed */

static natskit_object_store begin(natskit_conn conn)
{
    natskit_error err = {0};
    natskit_json config = {UINT64_MAX};
    natskit_object_store store = {UINT64_MAX};
    natskit_js js = tt_js(conn, NO_OPTIONS);
    natskit_status got = natskit_object_store_config(
        tt_json("{\"bucket\":\"torture\",\"storage\":\"memory\"}"), &config, &err);
    tt_check_error("natskit_object_store_config", got, NATSKIT_OK, &err);
    config.id = tt_given("natskit_object_store_config", got, NATSKIT_KIND_JSON, config.id, 0, NULL);
    natskit_json args = tt_json_open(NATSKIT_JSON_OBJECT);
    got = natskit_json_set_json(args, "/config", Z, config, "", Z, &err);
    tt_check_error("natskit_json_set_json", got, NATSKIT_OK, &err);
    if (got == NATSKIT_OK) { /* without it the call is a wrong one */
        (void)tt_js_call(js, "stream.create", args);
    }
    got = natskit_object_store_open(js, "torture", Z, &store, &err);
    tt_check_error("natskit_object_store_open", got, NATSKIT_OK, &err);
    return (natskit_object_store){
        tt_given("natskit_object_store_open", got, NATSKIT_KIND_OBJECT_STORE, store.id, conn.id, NULL)};
}

/* Chunks of 1,000 bytes, two under way. */
static natskit_options put_options(void)
{
    natskit_options options = tt_options(NATSKIT_OPTIONS_OBJECT_PUT);
    tt_set(options, "chunk_size", CHUNK);
    tt_set(options, "window_bytes", 2 * CHUNK);
    return options;
}

/* The message that a call has given with its status, or NULL. */
static natskit_msg *given(const char *function, natskit_status got, natskit_status also, natskit_msg *msg,
                          const natskit_error *err)
{
    tt_check_error(function, got, also, err);
    (void)tt_given(function, got, TT_KIND_MSG, (uint64_t)(uintptr_t)msg, 0, NULL);
    return got == NATSKIT_OK ? msg : NULL;
}

static natskit_msg *no_msg(void)
{
    return (natskit_msg *)(uintptr_t)1;
}

static natskit_msg *put(natskit_object_store store, const char *name, natskit_json meta, size_t size)
{
    char bytes[SIZE];
    natskit_error err = {0};
    natskit_msg *info = no_msg();
    memset(bytes, 'b', sizeof bytes);
    natskit_status got =
        natskit_object_put(store, name, Z, meta, bytes, size, put_options(), tt_life.wait_ms, &info, &err);
    return given("natskit_object_put", got, NATSKIT_OK, info, &err);
}

static natskit_msg *info_of(natskit_object_store store, const char *name, uint32_t flags, natskit_status also)
{
    natskit_error err = {0};
    natskit_msg *info = no_msg();
    natskit_status got = natskit_object_info(store, name, Z, flags, tt_life.wait_ms, &info, &err);
    return given("natskit_object_info", got, also, info, &err);
}

static void look(natskit_msg *info, uint64_t size)
{
    natskit_object_view view = {0};
    if (info != NULL) {
        TT(natskit_msg_object, info, &view, sizeof view);
        if ((view.size != size && size != ANY_SIZE) || view.revision == 0 || view.name_len == 0) {
            tt_fail("an object is another one: %llu bytes", (unsigned long long)view.size);
        }
        tt_release(info);
    }
}

/* -- content --------------------------------------------------------------------------------------------- */

static natskit_object_reader open_reader(natskit_conn conn, natskit_object_store store, natskit_msg *info)
{
    natskit_error err = {0};
    natskit_object_reader reader = {UINT64_MAX};
    natskit_status got = natskit_object_reader_open(store, info, &reader, &err);
    tt_check_error("natskit_object_reader_open", got, NATSKIT_OK, &err);
    return (natskit_object_reader){
        tt_given("natskit_object_reader_open", got, NATSKIT_KIND_OBJECT_READER, reader.id, conn.id, NULL)};
}

static natskit_op ready_start(natskit_conn conn, natskit_object_reader reader)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_object_reader_ready_start(reader, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_object_reader_ready_start", got, op, conn, &err);
}

/* All of it, to the end: the bytes are right, however few. */
static void read_all(natskit_object_reader reader, uint64_t size)
{
    char bytes[700];
    size_t len = 0;
    uint64_t all = 0;
    natskit_error err = {0};
    natskit_object_progress progress = {0};
    natskit_status got;
    do {
        got = natskit_object_reader_read(reader, bytes, sizeof bytes, tt_life.wait_ms, &len, &err);
        tt_check_error("natskit_object_reader_read", got, NATSKIT_END, &err);
        for (size_t i = 0; i < len && got == NATSKIT_OK; i++) {
            if (bytes[i] != 'b') {
                tt_fail("byte %llu of an object is another one", (unsigned long long)(all + i));
            }
        }
        all += len;
    } while (got == NATSKIT_OK);
    if (all > size || (got == NATSKIT_END && all != size && reader.id != 0 && err.text[0] == '\0')) {
        tt_fail("%llu of %llu bytes were read", (unsigned long long)all, (unsigned long long)size);
    }
    TT(natskit_object_reader_progress, reader, &progress, sizeof progress);
    if (reader.id != 0 && progress.bytes != all) {
        tt_fail("%llu bytes were read, and %llu counted", (unsigned long long)all,
                (unsigned long long)progress.bytes);
    }
    tt_want(all == size, "an object is not whole");
}

void tt_scenario_object(void)
{
    natskit_conn conn = tt_connect();
    natskit_object_store store = begin(conn);
    natskit_msg *info = put(store, "content",
                            tt_json("{\"description\":\"d\",\"headers\":{\"A\":[\"1\"],\"B\":\"2\"},"
                                    "\"metadata\":{\"k\":\"v\"}}"),
                            SIZE);
    if (info == NULL) {
        info = info_of(store, "content", 0, NATSKIT_OK);
    }
    if (info == NULL) {
        return;
    }
    natskit_object_reader reader = open_reader(conn, store, info);
    (void)tt_finish(ready_start(conn, reader), NATSKIT_OK);
    read_all(reader, SIZE);
    TT(natskit_object_reader_close, reader);
    tt_registry_remove(NATSKIT_KIND_OBJECT_READER, reader.id);
    reader = open_reader(conn, store, info); /* and left while its chunks come */
    (void)ready_start(conn, reader);
    tt_release(info);
    look(put(store, "empty", (natskit_json){0}, 0), 0);
    TT(natskit_object_store_close, store);
    tt_registry_remove(NATSKIT_KIND_OBJECT_STORE, store.id);
}

/* -- writers --------------------------------------------------------------------------------------------- */

static natskit_object_writer open_writer(natskit_conn conn, natskit_object_store store, const char *name)
{
    natskit_error err = {0};
    natskit_object_writer writer = {UINT64_MAX};
    natskit_status got =
        natskit_object_writer_open(store, name, Z, (natskit_json){0}, put_options(), &writer, &err);
    tt_check_error("natskit_object_writer_open", got, NATSKIT_OK, &err);
    return (natskit_object_writer){
        tt_given("natskit_object_writer_open", got, NATSKIT_KIND_OBJECT_WRITER, writer.id, conn.id, NULL)};
}

static void close_writer(natskit_object_writer writer)
{
    TT(natskit_object_writer_close, writer);
    tt_registry_remove(NATSKIT_KIND_OBJECT_WRITER, writer.id);
}

/* The operation, by one of the functions that begin one at a writer. */
#define WRITER_OP(function, writer)                                                                          \
    writer_op(#function, function((writer), NO_OPTIONS, tt_op_ms(), fresh_op(&made), fresh_error(&fault)),   \
              conn)

static natskit_op made;
static natskit_error fault;

static natskit_op *fresh_op(natskit_op *op)
{
    op->id = UINT64_MAX;
    return op;
}

static natskit_error *fresh_error(natskit_error *err)
{
    memset(err, 0, sizeof *err);
    return err;
}

static natskit_op writer_op(const char *function, natskit_status got, natskit_conn conn)
{
    return tt_given_op(function, got, made, conn, &fault);
}

/* Gives it all bytes, waiting for room by operations; false if it took less. */
static bool write_all(natskit_conn conn, natskit_object_writer writer)
{
    char bytes[SIZE];
    natskit_error err = {0};
    size_t at = 0;
    memset(bytes, 'b', sizeof bytes);
    for (int turn = 0; turn < 20 && at < SIZE; turn++) {
        size_t len = 0;
        natskit_status got = natskit_object_writer_write(writer, bytes + at, SIZE - at, 0, &len, &err);
        tt_check_error("natskit_object_writer_write", got, NATSKIT_WOULD_BLOCK, &err);
        at += len;
        if (got == NATSKIT_WOULD_BLOCK) {
            (void)tt_finish(WRITER_OP(natskit_object_writer_room_start, writer), NATSKIT_OK);
        } else if (got != NATSKIT_OK) {
            return false;
        }
    }
    tt_want(at == SIZE, "a writer did not take all bytes");
    return at == SIZE;
}

static bool write_some(natskit_object_writer writer)
{
    char bytes[CHUNK + 100];
    natskit_error err = {0};
    memset(bytes, 'b', sizeof bytes);
    natskit_status got =
        natskit_object_writer_write(writer, bytes, sizeof bytes, tt_life.wait_ms, NULL, &err);
    return tt_check_error("natskit_object_writer_write", got, NATSKIT_OK, &err) == NATSKIT_OK;
}

/* By operations alone. */
void tt_scenario_object_writer(void)
{
    natskit_object_progress progress = {0};
    natskit_conn conn = tt_connect();
    natskit_object_store store = begin(conn);
    natskit_object_writer writer = open_writer(conn, store, "written");
    bool whole = write_all(conn, writer);
    (void)tt_finish(WRITER_OP(natskit_object_writer_room_start, writer), NATSKIT_OK);
    if (whole) {
        (void)tt_finish(WRITER_OP(natskit_object_writer_done_start, writer), NATSKIT_OK);
        natskit_op finish = WRITER_OP(natskit_object_writer_finish_start, writer);
        if (tt_finish(finish, NATSKIT_OK) == NATSKIT_OK) {
            look(tt_take_msg(finish, NATSKIT_OK), SIZE);
            TT(natskit_object_writer_progress, writer, &progress, sizeof progress);
            if (progress.stored != SIZE) {
                tt_fail("an object was stored, and %llu of its bytes", (unsigned long long)progress.stored);
            }
        }
    }
    close_writer(writer);
    writer = open_writer(conn, store, "given up");
    (void)write_some(writer);
    (void)tt_finish(WRITER_OP(natskit_object_writer_abort_start, writer), NATSKIT_OK);
    (void)info_of(store, "given up", 0, NATSKIT_OBJECT_NOT_FOUND);
    writer = open_writer(conn, store, "left");
    (void)write_some(writer);
}

/* Waiting. */
void tt_scenario_object_finish(void)
{
    natskit_error err = {0};
    natskit_msg *info = no_msg();
    natskit_conn conn = tt_connect();
    natskit_object_store store = begin(conn);
    natskit_object_writer writer = open_writer(conn, store, "finished");
    if (write_some(writer)) {
        natskit_status got = natskit_object_writer_finish(writer, tt_life.wait_ms, &info, &err);
        look(given("natskit_object_writer_finish", got, NATSKIT_OK, info, &err), CHUNK + 100);
        if (got == NATSKIT_NO_MEMORY) { /* it can be done again */
            info = no_msg();
            got = natskit_object_writer_finish(writer, tt_life.wait_ms, &info, &err);
            look(given("natskit_object_writer_finish", got, NATSKIT_OK, info, &err), CHUNK + 100);
        }
    }
    close_writer(writer);
    writer = open_writer(conn, store, "given up");
    (void)write_some(writer);
    natskit_status got = natskit_object_writer_abort(writer, tt_life.wait_ms, &err);
    tt_check_error("natskit_object_writer_abort", got, NATSKIT_OK, &err);
    got = natskit_object_writer_abort(writer, tt_life.wait_ms, &err);
    tt_check_error("natskit_object_writer_abort", got, NATSKIT_OK, &err);
    close_writer(writer);
}

/* -- what objects are ------------------------------------------------------------------------------------ */

static natskit_msg *update(natskit_object_store store, const char *name, const char *meta)
{
    natskit_error err = {0};
    natskit_msg *info = no_msg();
    natskit_status got = natskit_object_update(store, name, Z, tt_json(meta), tt_life.wait_ms, &info, &err);
    return given("natskit_object_update", got, NATSKIT_OK, info, &err);
}

static natskit_op update_start(natskit_conn conn, natskit_object_store store, const char *name,
                               const char *meta)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got =
        natskit_object_update_start(store, name, Z, tt_json(meta), NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_object_update_start", got, op, conn, &err);
}

static natskit_msg *link_to(natskit_object_store store, const char *name, const char *target)
{
    natskit_error err = {0};
    natskit_msg *info = no_msg();
    natskit_status got =
        natskit_object_link(store, name, Z, "torture", Z, target, Z, tt_life.wait_ms, &info, &err);
    return given("natskit_object_link", got, NATSKIT_OK, info, &err);
}

static natskit_op link_start(natskit_conn conn, natskit_object_store store, const char *name,
                             const char *target)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got =
        natskit_object_link_start(store, name, Z, "torture", Z, target, Z, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_object_link_start", got, op, conn, &err);
}

static natskit_op info_start(natskit_conn conn, natskit_object_store store, const char *name, uint32_t flags)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_object_info_start(store, name, Z, flags, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_object_info_start", got, op, conn, &err);
}

static bool delete (natskit_object_store store, const char *name)
{
    natskit_error err = {0};
    natskit_msg *info = no_msg();
    natskit_status got = natskit_object_delete(store, name, Z, tt_life.wait_ms, &info, &err);
    look(given("natskit_object_delete", got, NATSKIT_OK, info, &err), 0);
    return got == NATSKIT_OK;
}

static natskit_op delete_start(natskit_conn conn, natskit_object_store store, const char *name)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_object_delete_start(store, name, Z, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_object_delete_start", got, op, conn, &err);
}

static void take(natskit_op op, uint64_t size)
{
    if (tt_finish(op, NATSKIT_OK) == NATSKIT_OK) {
        look(tt_take_msg(op, NATSKIT_OK), size);
    }
}

void tt_scenario_object_change(void)
{
    natskit_conn conn = tt_connect();
    natskit_object_store store = begin(conn);
    look(put(store, "told of", (natskit_json){0}, 10), 10);
    look(update(store, "told of", "{\"description\":\"d\",\"headers\":{\"A\":[\"1\"]},\"metadata\":null}"),
         10);
    take(update_start(conn, store, "told of", "{\"description\":null,\"metadata\":{\"k\":\"v\"}}"), 10);
    look(link_to(store, "link", "told of"), 0);
    take(link_start(conn, store, "store", ""), 0);
    look(info_of(store, "link", NATSKIT_OBJECT_FOLLOW, NATSKIT_OK), 10);
    take(info_start(conn, store, "link", NATSKIT_OBJECT_FOLLOW), 10);
    take(info_start(conn, store, "store", 0), 0);
    bool deleted = delete (store, "told of");
    look(info_of(store, "told of", NATSKIT_OBJECT_DELETED_TOO, NATSKIT_OK), deleted ? 0 : ANY_SIZE);
    take(delete_start(conn, store, "link"), 0);
}

/* An object gets another name; what has that before goes first. */
void tt_scenario_object_rename(void)
{
    natskit_conn conn = tt_connect();
    natskit_object_store store = begin(conn);
    look(put(store, "new name", (natskit_json){0}, 10), 10);
    bool deleted = delete (store, "new name");
    look(put(store, "old name", (natskit_json){0}, 20), 20);
    natskit_msg *info = update(store, "old name", "{\"name\":\"new name\"}");
    bool renamed = deleted && info != NULL;
    look(info, 20);
    look(info_of(store, "new name", 0, NATSKIT_OK), renamed ? 20 : ANY_SIZE);
}

void tt_scenario_object_watch(void)
{
    natskit_error err = {0};
    natskit_watch_info info = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_conn conn = tt_connect();
    natskit_object_store store = begin(conn);
    tt_release(put(store, "watched", (natskit_json){0}, 10));
    natskit_status got = natskit_object_watch(store, NO_OPTIONS, &sub, &err);
    tt_check_error("natskit_object_watch", got, NATSKIT_OK, &err);
    sub.id = tt_given("natskit_object_watch", got, NATSKIT_KIND_SUB, sub.id, conn.id, "");
    int objects = 0;
    for (;;) {
        natskit_object_view object = {0};
        natskit_message_view view = {0};
        natskit_msg *msg = tt_next(sub, tt_life.wait_ms, NATSKIT_OK);
        if (msg != NULL) {
            TT(natskit_msg_view, msg, &view, sizeof view);
        }
        if (view.kind != NATSKIT_MSG_OBJECT) {
            tt_release(msg);
            tt_want(view.kind == NATSKIT_MSG_STATUS, "a watch gives something else");
            break;
        }
        TT(natskit_msg_object, msg, &object, sizeof object);
        tt_release(msg);
        objects++;
    }
    tt_want(objects > 0, "a watch gives no object");
    TT(natskit_sub_watch_info, sub, &info, sizeof info);
    tt_sub_close(sub);
    TT(natskit_flush, conn, tt_life.wait_ms);
}
