/* Object store: a file is put piece by piece, read back, renamed, linked and deleted. Needs a server with
 * JetStream. */
#include "example.h"

#include <unistd.h>

static natskit_error err;

/* A store of its own for each run. */
static void make_store(natskit_js js, const char *name)
{
    natskit_json store, config, args, info;
    check(natskit_json_open(NATSKIT_JSON_OBJECT, &store), "open");
    check(natskit_json_set_string(store, "/bucket", NATSKIT_ZLEN, name, NATSKIT_ZLEN, &err), "name");
    check(natskit_json_set_string(store, "/storage", NATSKIT_ZLEN, "memory", NATSKIT_ZLEN, &err), "storage");
    check(natskit_object_store_config(store, &config, &err), "configuration");
    check(natskit_json_open(NATSKIT_JSON_OBJECT, &args), "open");
    check(natskit_json_set_json(args, "/config", NATSKIT_ZLEN, config, "", 0, &err), "arguments");
    check(natskit_js_call(js, "stream.create", NATSKIT_ZLEN, args, 5000, &info, &err), "create the store");
    natskit_json_close(store);
    natskit_json_close(config);
    natskit_json_close(args);
    natskit_json_close(info);
}

static void delete_store(natskit_js js, const char *name)
{
    natskit_json args, answer;
    char stream[64];
    (void)snprintf(stream, sizeof stream, "OBJ_%s", name);
    check(natskit_json_open(NATSKIT_JSON_OBJECT, &args), "open");
    check(natskit_json_set_string(args, "/stream", NATSKIT_ZLEN, stream, NATSKIT_ZLEN, &err), "name");
    check(natskit_js_call(js, "stream.delete", NATSKIT_ZLEN, args, 5000, &answer, &err), "delete the store");
    natskit_json_close(args);
    natskit_json_close(answer);
}

static void show(const char *what, const natskit_msg *info)
{
    natskit_object_view view = {0};
    check(natskit_msg_object(info, &view, sizeof view), "view");
    printf("%s: %.*s, %llu bytes in %llu chunks\n", what, (int)view.name_len, view.name,
           (unsigned long long)view.size, (unsigned long long)view.chunks);
}

/* snippet: put */
/* Puts a thousand lines. A program would read a file here. */
static void put_lines(natskit_object_store store)
{
    natskit_object_writer writer;
    natskit_msg *info;
    natskit_json none = {0};
    check(natskit_object_writer_open(store, "lines.txt", NATSKIT_ZLEN, none, no_options, &writer, &err),
          "writer");
    for (int i = 0; i < 1000; i++) {
        char line[32];
        int len = snprintf(line, sizeof line, "this is line %d\n", i);
        check(natskit_object_writer_write(writer, line, (size_t)len, 5000, NULL, &err), "write");
    }
    check(natskit_object_writer_finish(writer, 5000, &info, &err), "finish"); /* now it is seen */
    check(natskit_object_writer_close(writer), "close the writer");
    show("put", info);
    natskit_msg_release(info);
}
/* snippet end */

/* snippet: get */
/* Reads an object to its end; only NATSKIT_END says that what was read is right. */
static void count_lines(natskit_object_store store, const char *name)
{
    natskit_object_reader reader;
    natskit_msg *info;
    natskit_status status;
    char piece[4096];
    size_t len;
    unsigned lines = 0;
    check(natskit_object_info(store, name, NATSKIT_ZLEN, NATSKIT_OBJECT_FOLLOW, 5000, &info, &err), "info");
    check(natskit_object_reader_open(store, info, &reader, &err), "reader");
    natskit_msg_release(info);
    while ((status = natskit_object_reader_read(reader, piece, sizeof piece, 5000, &len, &err)) ==
           NATSKIT_OK) {
        for (size_t i = 0; i < len; i++) {
            lines += piece[i] == '\n';
        }
    }
    expect(NATSKIT_END, status, "read");
    check(natskit_object_reader_close(reader), "close the reader");
    printf("get: %s has %u lines\n", name, lines);
}
/* snippet end */

static void rename_and_link(natskit_object_store store, const char *bucket)
{
    natskit_json meta;
    natskit_msg *info;
    check(
        natskit_json_parse("{\"name\":\"report.txt\",\"description\":\"lines\"}", NATSKIT_ZLEN, &meta, &err),
        "parse");
    check(natskit_object_update(store, "lines.txt", NATSKIT_ZLEN, meta, 5000, &info, &err), "update");
    show("renamed", info);
    natskit_msg_release(info);
    natskit_json_close(meta);
    check(natskit_object_link(store, "latest", NATSKIT_ZLEN, bucket, NATSKIT_ZLEN, "report.txt", NATSKIT_ZLEN,
                              5000, NULL, &err),
          "link");
    count_lines(store, "latest");
}

int main(void)
{
    char name[32];
    natskit_js js;
    natskit_object_store store;
    natskit_msg *info;
    natskit_conn conn = connect_or_exit();
    (void)snprintf(name, sizeof name, "example_%ld", (long)getpid());
    check(natskit_js_open(conn, no_options, &js, &err), "context");
    make_store(js, name);
    check(natskit_object_store_open(js, name, NATSKIT_ZLEN, &store, &err), "store");

    put_lines(store);
    count_lines(store, "lines.txt");
    rename_and_link(store, name);
    check(natskit_object_delete(store, "report.txt", NATSKIT_ZLEN, 5000, NULL, &err), "delete");
    expect(NATSKIT_OBJECT_DELETED,
           natskit_object_info(store, "report.txt", NATSKIT_ZLEN, 0, 5000, &info, &err), "info");
    printf("info: %s\n", err.text);

    check(natskit_object_store_close(store), "close the store");
    delete_store(js, name);
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
