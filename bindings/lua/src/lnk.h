/* What the files of the Lua module share. The module is written against natskit.h alone.
 *
 * A Lua state is used by one thread at a time, and nothing here is called by other threads, so there are no
 * locks. Every C function of the module has the state's userdata as its first upvalue; there are no globals.
 * Memory and handles are owned by userdata from the moment they exist, because a Lua error jumps past C code.
 */
#ifndef LNK_H
#define LNK_H

#include "compat.h"

#include <natskit.h>

/* Kinds of userdata; names of their metatables stand in module.c in the same order. */
enum lnk_kind {
    LNK_CONN,
    LNK_SUB,
    LNK_MSG,
    LNK_WAIT,
    LNK_OPTIONS,
    LNK_LOOP,
    LNK_STATE,
    LNK_HEADERS,
    LNK_TURN,
    LNK_JS,
    LNK_STREAM,
    LNK_CONSUMER,
    LNK_DOC,
    LNK_PUBLISHER,
    LNK_KV,
    LNK_ENTRY,
    LNK_BATCH,
    LNK_INGEST,
    LNK_SERVICE,
    LNK_STORE,
    LNK_WRITER,
    LNK_READER,
    LNK_KINDS
};

/* User values of the state's userdata. */
enum lnk_slot {
    LNK_UV_CODES = 1, /* status -> its lower-case name */
    LNK_UV_SUSPEND,   /* the scheduler's functions */
    LNK_UV_RESUME,
    LNK_UV_WAIT_FD,
    LNK_UV_WAITS,      /* tag -> subscription or operation in the waitset; weak, so it keeps nothing alive */
    LNK_UV_ANSWERERS,  /* connection with option reconnect_delay or auth -> true; weak, too */
    LNK_UV_HANDLED,    /* subscription with a handler -> true; weak, too */
    LNK_UV_WAITERS,    /* subscription -> tokens of suspended coroutines, in order; weak, too */
    LNK_UV_CLOSED,     /* subscription that is closed -> {subject, queue, sid}; weak, too */
    LNK_UV_SPAWN,      /* the scheduler's, or nil: handlers are called by the pump itself then */
    LNK_UV_ON_ERROR,   /* function of nats.on_handler_error, or nil */
    LNK_UV_JSON_ARRAY, /* metatable that marks a table as an array of JSON */
    LNK_UV_JSON_OBJECT,
    LNK_UV_FIELDS, /* memory of `fields` */
    LNK_UV_METAS,  /* the metatables, in the order of lnk_kind: cheaper than by their names */
    LNK_UV_COUNT = LNK_UV_METAS + LNK_KINDS - 1
};

/* A member of an object whose members are known: of a configuration, or of what a server answers. */
typedef struct lnk_field {
    const char *object; /* "stream", say: its shape */
    const char *name;
    int32_t type;       /* NATSKIT_FIELD_*; 0: nothing is known */
    const char *values; /* the shape of an OBJECT, and of each of OBJECTS */
} lnk_field;

typedef struct lnk_state {
    const void *metas[LNK_KINDS]; /* addresses of the metatables: a check of type without a look-up by name */
    const void *json_array;       /* the metatables of marked tables */
    const void *json_object;
    const lnk_field *fields; /* sorted by object and name */
    size_t field_count;
    natskit_headers headers; /* one set for all sends; opened at first use */
    natskit_waitset waitset; /* opened by set_scheduler */
    uint64_t token;          /* last one that was given out; never used twice */
    size_t live_bytes;       /* of large messages that userdata holds */
    size_t live_limit;       /* above it all is collected; 0: not set yet */
    int scheduled;           /* a scheduler is set */
    int streak;              /* refills since a coroutine was suspended */
    int answers;             /* there was a connection with option reconnect_delay or auth */
    int answering;           /* such a function runs */
    size_t handled;          /* subscriptions with a handler that have not ended */
    int dispatching;         /* nats.dispatch runs, or a handler that the pump called itself */
    int leftover;            /* such a subscription may have messages ahead that nobody handles */
    int interrupted;         /* a handler was interrupted by Ctrl-C */
    uint64_t calls;          /* of handlers that have returned, in all */
    uint64_t last_call;      /* value of `calls` at which nats.dispatch returns */
    int64_t end_ms;          /* when it returns; -1: never */
} lnk_state;

typedef struct lnk_conn {
    natskit_conn conn; /* 0: closed */
    int fail_fast;     /* option outbox_full is "fail" */
} lnk_conn;

/* User values of a connection. */
#define LNK_CONN_EVENTS 1  /* subscription of events that gets the requests */
#define LNK_CONN_DELAY 2   /* function of option reconnect_delay, or nil */
#define LNK_CONN_HANDLED 3 /* table: subscription with a handler -> true; they live as long as it */
#define LNK_CONN_AUTH 4    /* function of option auth, or nil */
#define LNK_CONN_VALUES 4

/* Messages that were taken in one step and not handed out yet stay with the subscription, so leaving a loop
 * loses none. */
#define LNK_AHEAD 64

/* A drain has to wait for what is ahead and for loops, so both hold the subscription (natskit_sub_hold): each
 * loop once, and what is ahead once if there is no loop. */
typedef struct lnk_sub {
    natskit_sub sub;        /* 0: closed */
    natskit_conn conn;      /* the one that its messages are published again on */
    uint64_t turn;          /* number of the run of its handler that goes on, or 0 */
    uint64_t tag;           /* in the waitset; 0: not in it */
    uint64_t waitset;       /* in which it was put */
    natskit_msg **ahead;    /* room for LNK_AHEAD; NULL until something is taken, for most only wait */
    natskit_status ended;   /* why it had ended when it was closed, 0 if it had not */
    uint32_t errors;        /* of its handler; of a publisher's outcomes: failures that were handed out */
    uint32_t loops;         /* that hold it */
    uint8_t head, count;    /* of `ahead`: next one to hand out, and the end */
    unsigned handled : 1;   /* it has a handler and has not ended */
    unsigned many : 1;      /* it is the answer of a request_many */
    unsigned watches : 1;   /* it yields entries of a bucket */
    unsigned pulls : 1;     /* it asks a consumer for messages until it is ended */
    unsigned ordered : 1;   /* it yields messages of a stream in their order */
    unsigned requests : 1;  /* of a service: their time begins when they are taken, so none is taken ahead */
    unsigned reads : 1;     /* it yields stored messages, as tables */
    unsigned coded : 1;     /* its entries have the codecs that are LNK_SUB_CODECS */
    unsigned held : 1;      /* for what is ahead */
    unsigned answers : 1;   /* it is the LNK_CONN_EVENTS of its connection */
    unsigned fail_fast : 1; /* as its connection's */
} lnk_sub;

/* User values of a subscription; the last two only if it has a handler, or the last if it watches a bucket.
 */
#define LNK_SUB_PARENT 1 /* the connection, which must not be collected before it */
#define LNK_SUB_VALUES 1
#define LNK_SUB_CODECS 2 /* as of the bucket */
#define LNK_SUB_WATCH_VALUES 2
#define LNK_SUB_HANDLER 2
#define LNK_SUB_ON_ERROR 3
#define LNK_SUB_HANDLED_VALUES 3

typedef struct lnk_msg {
    natskit_msg *msg; /* NULL: closed */
    const char *data; /* the payload, which nearly everybody wants; NULL: not known, ask the message */
    size_t data_len;
    size_t bytes;      /* part of live_bytes; 0 if small */
    natskit_conn conn; /* it came from; 0: not known */
    int fail_fast;     /* as that one's */
} lnk_msg;

/* nats.headers */
typedef struct lnk_headers_set {
    natskit_headers headers; /* 0: closed */
} lnk_headers_set;

/* A running operation and what is to be done when it has finished. User value 1 is its connection. */
typedef struct lnk_wait {
    natskit_op op; /* 0: none */
    uint64_t token;
    int dispatches; /* handlers run while it blocks, for it waits for them */
    int asks;       /* functions are asked at once while it blocks, for it waits for their answer */
    const struct lnk_method *method; /* of JetStream, that waits; else NULL */
    int (*finish)(lua_State *L, lnk_state *st, struct lnk_wait *wait, int index, natskit_status status,
                  const natskit_error *err);
} lnk_wait;

typedef struct lnk_js {
    natskit_js js;      /* 0: closed */
    int64_t timeout_ms; /* of calls for which none is given */
} lnk_js;

typedef struct lnk_publisher {
    natskit_publisher publisher; /* 0: closed */
    natskit_publisher_info last; /* what it told when it was closed */
    int takes_all;               /* option acks is "all": the program takes what comes */
} lnk_publisher;

/* User values of a publisher. */
#define LNK_PUBLISHER_JS 1
#define LNK_PUBLISHER_ACKS 2 /* the subscription of its outcomes */
#define LNK_PUBLISHER_VALUES 2

/* A fast ingest. */
typedef struct lnk_ingest {
    natskit_ingest ingest;    /* 0: closed */
    natskit_ingest_info last; /* what it told when it was closed */
    int64_t timeout_ms;       /* as its context's */
} lnk_ingest;

/* User values of an ingest: as a publisher's. */
#define LNK_INGEST_JS LNK_PUBLISHER_JS
#define LNK_INGEST_FAILURES LNK_PUBLISHER_ACKS
#define LNK_INGEST_VALUES LNK_PUBLISHER_VALUES

/* An atomic batch. */
typedef struct lnk_batch {
    natskit_batch batch; /* 0: discarded */
    int64_t timeout_ms;  /* as its context's */
    int changes;         /* of a bucket, not messages */
} lnk_batch;

/* User values of a batch. */
#define LNK_BATCH_JS 1
#define LNK_BATCH_KV 2 /* the bucket, if it has one */
#define LNK_BATCH_VALUES 2

/* A bucket. */
typedef struct lnk_kv {
    natskit_kv kv;      /* 0: closed */
    int64_t timeout_ms; /* as its context's */
} lnk_kv;

/* User values of a bucket. */
#define LNK_KV_JS 1
#define LNK_KV_NAME 2
#define LNK_KV_CODECS 3 /* table of its codecs, or nil */
#define LNK_KV_VALUES 3

/* An object store. */
typedef struct lnk_store {
    natskit_object_store store; /* 0: closed */
    int64_t timeout_ms;         /* as its context's */
} lnk_store;

/* User values of a store. */
#define LNK_STORE_JS 1
#define LNK_STORE_NAME 2
#define LNK_STORE_VALUES 2

/* The writer or reader of an object. */
typedef struct lnk_stream {
    natskit_object_writer writer; /* 0: closed, or it is the other one */
    natskit_object_reader reader;
    int64_t timeout_ms; /* for the next bytes */
} lnk_stream;

/* User values of these. */
#define LNK_STREAM_STORE 1
#define LNK_STREAM_INFO 2 /* of a reader */
#define LNK_STREAM_VALUES 2

/* User value of a JetStream context. */
#define LNK_JS_CONN 1

/* A stream or a consumer: names, and the info that was got last. */
typedef struct lnk_object {
    enum lnk_kind kind; /* LNK_STREAM or LNK_CONSUMER */
    int bound;          /* the server was not asked whether there is such a consumer */
} lnk_object;

/* User values of these. */
#define LNK_OBJECT_JS 1
#define LNK_OBJECT_NAME 2
#define LNK_OBJECT_INFO 3
#define LNK_OBJECT_STREAM 4 /* name of a consumer's stream */
#define LNK_OBJECT_VALUES 4

/* What a method makes of the answer. */
enum lnk_gives {
    LNK_GIVES_ANSWER,
    LNK_GIVES_TRUE,
    LNK_GIVES_OWNER, /* what it is called for */
    LNK_GIVES_MEMBER,
    LNK_GIVES_LIST,   /* a member that is a list */
    LNK_GIVES_STORES, /* a list of streams, as the object stores that they are */
    LNK_GIVES_STREAM,
    LNK_GIVES_CONSUMER,
    LNK_GIVES_INFO /* an info, which the object that it is called for keeps */
};

/* A method that is a call of JetStream's API. */
typedef struct lnk_method {
    enum lnk_kind kind; /* of what it is a method */
    const char *name;   /* NULL: end of the table */
    const char *call;
    const char *given;      /* names of its arguments, cut at blanks; with '?': may be nil */
    const char *options;    /* names of what the table after those may hold, beside timeout */
    const char *args_shape; /* NULL: as it is */
    const char *shape;      /* of the answer; NULL: as it is */
    enum lnk_gives gives;
    const char *member; /* of the answer */
    int acks;           /* acks are explicit unless the configuration says otherwise */
} lnk_method;

/* Milliseconds that a blocking wait lasts at most before hooks (Ctrl-C) get their turn. */
#define LNK_SLICE_MS 100
/* The same where it waits for an answer that the program itself gives when it is over. */
#define LNK_ASK_MS 5
/* Milliseconds until a full outbox is looked at again, where the library does not tell when it has room. */
#define LNK_ROOM_MS 5

/* Defaults, in milliseconds; documented in README.md. */
#define LNK_CONNECT_MS 5000
#define LNK_REQUEST_MS 2000
#define LNK_FLUSH_MS 5000
#define LNK_PUBLISH_MS 5000
#define LNK_WRITTEN_MS 5000
#define LNK_DRAIN_MS 30000
#define LNK_LINGER_MS 2000
#define LNK_SHUTDOWN_MS 5000
#define LNK_JS_MS 5000

static inline lnk_state *lnk_state_of(lua_State *L)
{
    return (lnk_state *)lua_touserdata(L, lua_upvalueindex(1));
}

static inline void lnk_push_slot(lua_State *L, enum lnk_slot slot)
{
    lua_getiuservalue(L, lua_upvalueindex(1), slot);
}

/* Pushes what a weak table of the state has for the object at this absolute index, and returns its type; or
 * puts there what is on top of the stack, which stays. */
int lnk_push_of(lua_State *L, enum lnk_slot slot, int index);
void lnk_set_of(lua_State *L, enum lnk_slot slot, int index);

/* Gives the userdata on top of the stack its metatable. */
static inline void lnk_set_meta(lua_State *L, enum lnk_kind kind)
{
    lua_getiuservalue(L, lua_upvalueindex(1), LNK_UV_METAS + (int)kind);
    lua_setmetatable(L, -2);
}

/* The userdata at `index` if it is of this kind, else NULL. */
static inline void *lnk_test(lua_State *L, const lnk_state *st, int index, enum lnk_kind kind)
{
    void *data = lua_touserdata(L, index);
    if (data == NULL || !lua_getmetatable(L, index)) {
        return NULL;
    }
    int same = lua_topointer(L, -1) == st->metas[kind];
    lua_pop(L, 1);
    return same ? data : NULL;
}

/* -- module.c: registration ------------------------------------------------------------------------------ */

extern const char *const lnk_names[LNK_KINDS];
/* As lnk_test, but raises. */
void *lnk_check(lua_State *L, const lnk_state *st, int index, enum lnk_kind kind);
/* Pushes a new zeroed userdata of a kind. */
void *lnk_new(lua_State *L, enum lnk_kind kind, size_t size, int user_values);
/* Fills the metatable on top of the stack with functions that have the state as upvalue; the state's userdata
 * is at `state_index`. */
void lnk_set_funcs(lua_State *L, int state_index, const luaL_Reg *funcs);

void lnk_conn_register(lua_State *L, int state_index);
void lnk_sub_register(lua_State *L, int state_index);
void lnk_msg_register(lua_State *L, int state_index);
void lnk_wait_register(lua_State *L, int state_index);
void lnk_options_register(lua_State *L, int state_index);
void lnk_headers_register(lua_State *L, int state_index);
void lnk_handler_register(lua_State *L, int state_index);

/* -- error.c: statuses ------------------------------------------------------------------------------------
 */

/* Makes the table of codes and leaves it on the stack. */
void lnk_push_codes(lua_State *L);
/* Pushes the code (a string) of a status. */
void lnk_push_code(lua_State *L, natskit_status status);
/* The words for a status; static. */
const char *lnk_status_text(natskit_status status);
/* Pushes nil, message, code and returns 3. `err` may be NULL. */
int lnk_fail(lua_State *L, natskit_status status, const natskit_error *err);
/* The same with a message of the caller. */
int lnk_fail_text(lua_State *L, natskit_status status, const char *text);
/* As lnk_fail, but raises if the caller is to blame: `what` ("subscribe") goes before the text. */
int lnk_fail_or_raise(lua_State *L, natskit_status status, const natskit_error *err, const char *what);
/* Pushes true for NATSKIT_OK, else as lnk_fail. */
int lnk_result(lua_State *L, natskit_status status, const natskit_error *err);
int lnk_status(lua_State *L); /* nats.status */

/* -- args.c: arguments ------------------------------------------------------------------------------------
 */

/* What a send is given beside subject and data. */
#define LNK_OPT_REPLY 1
#define LNK_OPT_HEADERS 2
#define LNK_OPT_TIMEOUT 4
#define LNK_OPT_TRACE 8
#define LNK_OPT_LIBRARY 16 /* others are options of the library, which knows what is wrong with them */

/* Milliseconds of the number of seconds at `index`, -1 for math.huge; raises for all that is no time. */
int64_t lnk_check_ms(lua_State *L, int index, const char *name);
/* The same for an argument that may be absent or nil. */
int64_t lnk_opt_ms(lua_State *L, int index, const char *name, int64_t absent);
/* The timeout of the table of options of `what` at `index` (or nil): raises if that holds anything else. */
int64_t lnk_only_timeout(lua_State *L, int index, const char *what, int64_t absent);
/* Reads the table of send options at `index` (or nil), of which `allowed` are known, and pushes reply and
 * headers (each may be nil). Returns the timeout. */
int64_t lnk_send_options(lua_State *L, int index, unsigned allowed, int64_t timeout_ms);
/* Whether the value at `index` is nil, a table or natskit.headers. */
int lnk_is_headers(lua_State *L, const lnk_state *st, int index);
/* Adds the headers of the table at `index`. */
void lnk_headers_fill(lua_State *L, natskit_headers headers, int index);
/* The headers at `index` as a handle that is valid until the next call; {0} for nil. Raises for bad headers.
 */
natskit_headers lnk_headers(lua_State *L, lnk_state *st, int index);
/* The state's own set, emptied. */
natskit_headers lnk_headers_own(lua_State *L, lnk_state *st);
/* Explains a NATSKIT_INVALID that came for a subject and a reply (at `reply`, may be nil or 0), and raises.
 */
int lnk_bad_subject(lua_State *L, const char *what, int subject, int reply);
/* Monotonic milliseconds. */
int64_t lnk_now_ms(void);
/* When a wait that begins now ends; -1 for never. */
int64_t lnk_deadline(int64_t timeout_ms);
/* Milliseconds that are left until a deadline, at least 0; -1 for ever. */
int64_t lnk_left(int64_t deadline);

/* -- headers.c: sets that are kept ------------------------------------------------------------------------
 */

/* The NATSKIT_MATCH_* of the word at `index`, "exact" if there is none. */
int32_t lnk_match(lua_State *L, int index);
/* Pushes an empty set. */
lnk_headers_set *lnk_push_headers(lua_State *L);
/* The handle of a set; raises if it was closed. */
natskit_headers lnk_headers_of(lua_State *L, const lnk_headers_set *set);
void lnk_headers_copy(lua_State *L, natskit_headers to, natskit_headers from);
/* Pops a name and adds it to a list (at -3) unless the table of those that are in it (at -2) has it. */
void lnk_add_key(lua_State *L, lua_Integer *count);
int lnk_new_headers(lua_State *L); /* nats.headers */

/* -- options.c: tables of options -------------------------------------------------------------------------
 */

typedef struct lnk_options {
    natskit_options options;
} lnk_options;

/* Pushes a set of options of a scope, made from the table at `index`; nil, and NULL is returned, if that sets
 * none. Keys in `others` (NULL-terminated) are left to the caller. */
lnk_options *lnk_push_options(lua_State *L, int index, int32_t scope, const char *const *others);
/* In two steps, for what goes between: an empty set, then the table's values. */
lnk_options *lnk_begin_options(lua_State *L);
void lnk_fill_options(lua_State *L, lnk_options *options, int index, int32_t scope,
                      const char *const *others);
/* Lays the context over them that the table at `index` names, if it does. */
natskit_status lnk_options_context(lua_State *L, lnk_options *options, int index, natskit_error *err);
/* Opens the set if there was nothing to set in it yet. */
void lnk_options_open(lua_State *L, lnk_options *options, int32_t scope);
/* The handle of a set, which may be NULL: all at their defaults. */
static inline natskit_options lnk_options_of(const lnk_options *options)
{
    return options != NULL ? options->options : (natskit_options){0};
}
/* Adds each entry of the list at `index` to a list option. */
void lnk_options_add_list(lua_State *L, lnk_options *options, const char *name, int index);
/* Does nothing for NULL. */
void lnk_options_end(lnk_options *options);

/* -- wait.c: blocking, and suspending coroutines -----------------------------------------------------------
 */

/* Whether it is worth to ask the scheduler to suspend the running coroutine. */
static inline int lnk_may_suspend(lua_State *L, const lnk_state *st)
{
#if LNK_CAN_SUSPEND
    return st->scheduled && lua_isyieldable(L);
#else
    (void)L;
    return 0 && st->scheduled;
#endif
}

/* Puts an object into the waitset, or arms it there. `*set` remembers which waitset it is in. The userdata at
 * `index` is what `tag` stands for. False: there is no waitset that works, so block. */
int lnk_watch(lua_State *L, lnk_state *st, uint64_t object, uint64_t tag, int index, uint64_t *set);
/* Forgets a tag. */
void lnk_forget(lua_State *L, uint64_t tag);
/* Pushes the scheduler's suspend with its arguments; the caller goes on with lua_callk(L, 2, 1, ...). */
void lnk_push_suspend(lua_State *L, uint64_t token, int64_t left_ms);
/* Pops what suspend returned: true if the coroutine was suspended, false if it is not the scheduler's. */
int lnk_suspended(lua_State *L, lnk_state *st);
/* Resumes the coroutines that wait for the subscription at `index`. An error of theirs is thrown at the end.
 */
void lnk_wake_sub(lua_State *L, int index);
/* Gives debug hooks, and so Ctrl-C, their turn in a blocking wait; functions that are asked, too. */
void lnk_breathe(lua_State *L);
/* Pushes a wait of which the connection is at the absolute `conn_index`. */
lnk_wait *lnk_push_wait(lua_State *L, int conn_index);
/* Waits for the operation of the wait at the absolute `index`, then returns what its finish returns. That may
 * have begun another one in the same wait and return LNK_AWAITS: it is waited for at the same depth of calls,
 * however many follow each other. */
#define LNK_AWAITS (-1)
int lnk_await(lua_State *L, int index);
/* The usual finish: true, or nil, message, code. */
int lnk_finish_plain(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                     const natskit_error *err);

/* Opens the state's waitset if there is none. */
natskit_status lnk_need_waitset(lua_State *L, lnk_state *st);
/* Waits for objects of the waitset, and wakes who waits for them. Slot `error_index` gets their first error.
 */
natskit_status lnk_collect(lua_State *L, lnk_state *st, int64_t timeout_ms, int error_index, size_t *count);
/* Raises the error that a slot holds, if any. */
void lnk_throw(lua_State *L, int error_index);
/* Calls the function below `arguments`; the first error is kept in slot `error_index`. */
void lnk_call_kept(lua_State *L, int arguments, int error_index);

int lnk_set_scheduler(lua_State *L); /* nats.set_scheduler */
int lnk_pump(lua_State *L);          /* nats.pump */
int lnk_shutdown(lua_State *L);      /* nats.shutdown */

/* -- life.c: the ends of connections and subscriptions -----------------------------------------------------
 */

int lnk_conn_drain(lua_State *L);
int lnk_conn_start_drain(lua_State *L);
int lnk_conn_closed(lua_State *L);
int lnk_conn_written(lua_State *L);
int lnk_conn_rtt(lua_State *L);
int lnk_conn_reconnect(lua_State *L);
int lnk_sub_unsubscribe(lua_State *L);
int lnk_sub_drain(lua_State *L);
int lnk_sub_start_drain(lua_State *L);

/* -- json.c: documents --------------------------------------------------------------------------------------
 */

/* Makes the metatables and remembers them. */
void lnk_json_register(lua_State *L, int state_index);
/* Pushes nats.json. */
void lnk_json_push_module(lua_State *L, int state_index);
/* Pushes what a text stands for, or nil, message, code; how many values. */
int lnk_json_decode_text(lua_State *L, const char *text, size_t len);

/* A document, which its userdata owns. */
typedef struct lnk_doc {
    natskit_json json; /* 0: none */
} lnk_doc;

/* Pushes a document of what is at `index`. With a shape (or NULL) what is known of members decides how they
 * are written, and what does not fit raises, as what JSON cannot hold does; `what` goes before the text. */
natskit_status lnk_json_push_doc(lua_State *L, const char *what, int index, const char *shape,
                                 natskit_error *err);
/* Pushes what a document holds, and closes it. With a shape what is known of members decides what they
 * become, and those that are null are left out. */
void lnk_json_push_value(lua_State *L, natskit_json json, const char *shape);

/* -- shape.c: what is known of the members of configurations and answers -----------------------------------
 */

/* Makes the table of what is known. */
void lnk_shape_register(lua_State *L, int state_index);
/* What is known of a member; NULL if nothing. */
const lnk_field *lnk_shape_find(const lnk_state *st, const char *shape, const char *name, size_t name_len);
/* Pushes a duration as seconds: an integer if it is whole. -1 stays -1. */
void lnk_push_seconds(lua_State *L, int64_t ns);
/* Reads a duration from the seconds at `index`. A float stands for the shortest decimal that reads as it.
 * NULL, or what is wrong. */
const char *lnk_read_seconds(lua_State *L, int index, int64_t *ns);
/* Writes the time at `index` (seconds since 1970) as RFC 3339 to `text`. NULL, or what is wrong. */
const char *lnk_read_time(lua_State *L, int index, char *text, size_t room);
/* The nanoseconds since 1970 of an RFC 3339 time; false if it is none. */
int lnk_parse_time(const char *text, size_t len, int64_t *ns);

/* -- auth.c: keys and JWTs --------------------------------------------------------------------------------
 */

/* Push nats.nkeys and nats.jwt. */
void lnk_auth_push_nkeys(lua_State *L, int state_index);
void lnk_auth_push_jwt(lua_State *L, int state_index);

/* -- answer.c: requests of the library to the application --------------------------------------------------
 */

int lnk_conn_answer_delay(lua_State *L);
int lnk_conn_answer_auth(lua_State *L);
/* Makes the functions at `delay` and `auth` (nil: none) answer for the connection at the absolute
 * `conn_index`. */
natskit_status lnk_answer_begin(lua_State *L, int conn_index, int delay, int auth, natskit_error *err);
/* Ends that; harmless where it never began. */
void lnk_answer_end(lua_State *L, int conn_index);
/* Calls the functions for which there are requests. Raises errors of reconnect_delay. */
void lnk_answer_all(lua_State *L, lnk_state *st);
/* Puts the subscriptions that get requests into a new waitset. */
void lnk_answer_watch(lua_State *L, lnk_state *st);
/* A lua_CFunction: the same for the subscription at 1. */
int lnk_answer_sub(lua_State *L);

/* -- handler.c: handlers of subscriptions ------------------------------------------------------------------
 */

/* Makes the function at `fn` handle the messages of the subscription at `index`; the one at `on_error` (or
 * nil) gets its errors. All are absolute. */
void lnk_handler_begin(lua_State *L, lnk_state *st, int index, int fn, int on_error);
/* The subscription has ended, or its userdata goes. */
void lnk_handler_end(lnk_state *st, lnk_sub *sub);
/* Forgets the one at the absolute `index`, which the connection kept alive. */
void lnk_handler_drop(lua_State *L, int index);
/* Handles what is there, or begins a task for that. The subscription is at the absolute `index`. */
void lnk_handler_wake(lua_State *L, lnk_state *st, int index, int error_index);
/* Puts all of them into a new waitset; runs of an earlier scheduler do not go on. */
void lnk_handler_watch(lua_State *L, lnk_state *st);
/* Goes on with what was left when its run ended early. */
void lnk_handler_leftovers(lua_State *L, lnk_state *st, int error_index);
/* Without a scheduler the waitset is there for handlers alone: closes it if there is none. */
void lnk_handler_close_unused(lnk_state *st);
/* Message handler: adds a traceback to text. Ctrl-C of lua.c is no error of the function: it sets
 * `interrupted`. */
int lnk_traceback(lua_State *L);
/* Pops an error of a function, or why there is nothing more to handle, and tells it: to on_error of the
 * subscription at `owner`, else to nats.on_handler_error, else to stderr. */
void lnk_report(lua_State *L, int owner);
int lnk_dispatch(lua_State *L);         /* nats.dispatch */
int lnk_on_handler_error(lua_State *L); /* nats.on_handler_error */

/* -- js.c: JetStream contexts and calls ---------------------------------------------------------------------
 */

void lnk_js_register(lua_State *L, int state_index);
int lnk_jetstream(lua_State *L); /* nc:jetstream */
/* As lnk_fail; JetStream's error code and the server's follow if there are such. */
int lnk_js_fail(lua_State *L, natskit_status status, const natskit_error *err);
/* Begins a call for the owner at 1. On top are the context, the name of the call and the document of its
 * arguments, or nil. */
int lnk_js_begin(lua_State *L, const lnk_method *method, int64_t timeout_ms);
/* Adds methods that are rows to the table on top. */
void lnk_js_add_methods(lua_State *L, int state_index, const lnk_method *methods);

/* The connection of the context at `js_index`, which keeps it. */
const lnk_conn *lnk_js_conn(lua_State *L, int js_index);
/* Begins an operation that tells when the outbox has room for so much, owned by the slot (which holds nil at
 * first); NULL if that is not to be had. */
lnk_wait *lnk_room_start(lua_State *L, natskit_conn conn, int slot, uint64_t bytes, int64_t left);
/* Pushes the call that suspends the coroutine until that, or for a pause. */
void lnk_room_push(lua_State *L, lnk_state *st, const lnk_wait *room, int slot, int64_t left);
/* Blocks for one slice. */
void lnk_room_block(lua_State *L, const lnk_wait *room, int64_t left);

/* -- js_publish.c: publishing to streams --------------------------------------------------------------------
 */

void lnk_publisher_register(lua_State *L, int state_index);
int lnk_js_publish(lua_State *L);   /* js:publish */
int lnk_js_increment(lua_State *L); /* js:increment */
/* Pushes what a counter holds and, if it has them, its sources; how many values. Or nil, message, code:
 * three. */
int lnk_counter_push(lua_State *L, const natskit_msg *msg);
int lnk_js_publisher(lua_State *L); /* js:publisher */
/* Pushes the next outcome that is ahead: number and sequence, or number, nil, code, text; or a table of it
 * all. */
int lnk_push_outcome(lua_State *L, lnk_sub *sub);
int lnk_push_outcome_table(lua_State *L, lnk_sub *sub);

/* The headers that the table of options at 4, or nil, asks for; valid until the next call. */
natskit_headers lnk_publish_headers(lua_State *L, lnk_state *st);
/* What an operation that ends with an ack gives. */
int lnk_finish_publish(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                       const natskit_error *err);

/* Pushes an integer of digits, or the digits beyond what that holds. */
void lnk_push_digits(lua_State *L, const char *digits, size_t len);

/* Pushes the name of an outcome. */
void lnk_push_outcome_name(lua_State *L, int32_t outcome);

/* -- js_batch.c ---------------------------------------------------------------------------------------------
 */

void lnk_batch_register(lua_State *L, int state_index);
/* Pushes an empty batch of the context at `js`, with the table of options at `options`, which may be nil.
 * Returns 0, or the number of results of a failure. */
int lnk_batch_open(lua_State *L, int js, int options);
int lnk_js_batch(lua_State *L); /* js:batch */

/* -- js_ingest.c --------------------------------------------------------------------------------------------
 */

void lnk_ingest_register(lua_State *L, int state_index);
int lnk_js_ingest(lua_State *L);      /* js:ingest */
int lnk_ingest_publish(lua_State *L); /* its publish; js_publish.c */

/* -- js_object.c: streams and consumers ---------------------------------------------------------------------
 */

extern const lnk_method lnk_js_methods[];
void lnk_object_register(lua_State *L, int state_index);
int lnk_js_bind_consumer(lua_State *L); /* js:bind_consumer */
/* Replaces the info on top by an object of it, of the context at `js_index`. */
void lnk_push_object(lua_State *L, int js_index, enum lnk_kind kind);
/* The object at `index` keeps the info on top. */
void lnk_keep_info(lua_State *L, int index);

/* -- js_pull.c: fetching and consuming ----------------------------------------------------------------------
 */

/* Methods of a consumer that are no rows. */
extern const luaL_Reg lnk_pull_methods[];
int lnk_sub_pull_info(lua_State *L); /* sub:pull_info */
int lnk_js_subscribe(lua_State *L);
int lnk_js_snapshot(lua_State *L);
int lnk_js_restore(lua_State *L); /* js:restore */
int lnk_advisory(lua_State *L);   /* nats.advisory */
int lnk_trace_tree(lua_State *L); /* nats.trace_tree */
int lnk_js_pull_subscribe(lua_State *L);
int lnk_sub_push_info(lua_State *L); /* sub:push_info */

/* -- kv.c: buckets, entry.c: their entries ------------------------------------------------------------------
 */

/* -- service.c ---------------------------------------------------------------------------------------------
 */

int lnk_conn_service(lua_State *L);  /* nc:service */
int lnk_conn_discover(lua_State *L); /* nc:discover */
void lnk_service_register(lua_State *L, int state_index);

void lnk_kv_register(lua_State *L, int state_index);
int lnk_js_kv(lua_State *L);        /* js:kv */
int lnk_js_open_kv(lua_State *L);   /* js:open_kv */
int lnk_js_create_kv(lua_State *L); /* js:create_kv */
int lnk_js_update_kv(lua_State *L);
int lnk_js_create_or_update_kv(lua_State *L);

void lnk_entry_register(lua_State *L, int state_index);
/* As lnk_push_msg, for an entry with the codecs that are user value `value` of what is at `owner`; 0: none.
 */
lnk_msg *lnk_push_entry(lua_State *L, int owner, int value);
/* Whether the message is an entry; otherwise it is the marker. */
int lnk_is_entry(const natskit_msg *msg);
/* Replaces the entry on top (or nil) by its key. */
void lnk_entry_to_key(lua_State *L);
/* Puts the entry on top into a table under its key, and pops it. */
void lnk_entry_file(lua_State *L, int table);
/* Leaves each key of a list once, of infos the last of each object, and nothing else: one that is written
 * while it is listed comes again. */
void lnk_once(lua_State *L, int list);

/* User values of an entry whose bucket has codecs; another has none. */
#define LNK_ENTRY_CODECS 1
#define LNK_ENTRY_KEY 2 /* what was decoded, once it was asked for */
#define LNK_ENTRY_VALUE 3
#define LNK_ENTRY_VALUES 3

/* -- codec.c: codecs that a program brings
 * -------------------------------------------------------------------
 */

/* In the table of a bucket's codecs. */
#define LNK_CODEC_KEYS 1
#define LNK_CODEC_VALUES 2

/* Pushes the table of the codecs that options at `options`, which may be nil, have; or nil. */
void lnk_codecs_push(lua_State *L, int options);
/* Replaces the key, the value (of a key), the pattern or list of patterns (or nil) at a slot by what the
 * bucket at `kv` stores. */
void lnk_codec_key(lua_State *L, int kv, int key);
void lnk_codec_value(lua_State *L, int kv, int key, int value);
void lnk_codec_patterns(lua_State *L, int kv, int patterns);
/* The same with option `keys` of the table at `options`, in a copy. */
void lnk_codec_options(lua_State *L, int kv, int options);
/* Decodes the string on top by the codecs of the entry at `entry`; `key` is what errors name. */
void lnk_codec_decode(lua_State *L, int entry, int which, const char *key);

/* -- store.c: object stores, store_io.c: the bytes of objects -----------------------------------------------
 */

void lnk_store_register(lua_State *L, int state_index);
void lnk_store_io_register(lua_State *L, int state_index);
int lnk_js_object_store(lua_State *L);        /* js:object_store */
int lnk_js_open_object_store(lua_State *L);   /* js:open_object_store */
int lnk_js_create_object_store(lua_State *L); /* js:create_object_store */
int lnk_js_update_object_store(lua_State *L); /* js:update_object_store */
int lnk_js_object_store_names(lua_State *L);  /* js:object_store_names */
/* Replaces the names of streams in the list on top by those of stores; others are left out. */
void lnk_stores_of_streams(lua_State *L);
int lnk_js_delete_object_store(lua_State *L); /* js:delete_object_store */
/* The store at 1. */
lnk_store *lnk_check_store(lua_State *L);
int lnk_store_put(lua_State *L);    /* store:put */
int lnk_store_get(lua_State *L);    /* store:get */
int lnk_store_open(lua_State *L);   /* store:open */
int lnk_store_create(lua_State *L); /* store:create */
/* Pushes the info that a message holds, if it does; whether it does. */
int lnk_push_object_info(lua_State *L, const natskit_msg *msg);
/* A finish that gives the info. */
int lnk_finish_info(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                    const natskit_error *err);

/* -- js_direct.c: messages as a stream keeps them -----------------------------------------------------------
 */

/* Pushes a table of a stored message, which stays the caller's. */
void lnk_stored_push(lua_State *L, const natskit_msg *msg);
/* Of contexts and of streams. */
extern const luaL_Reg lnk_direct_methods[];

/* -- conn.c, send.c, sub.c, msg.c --------------------------------------------------------------------------
 */

int lnk_connect(lua_State *L); /* nats.connect */

int lnk_publish(lua_State *L);
int lnk_publish_batch(lua_State *L);
/* Messages of a batch that go to the library in one step. */
#define LNK_BATCH_STEP 32
/* How many messages the list at 2 has. Raises beyond a million. */
lua_Integer lnk_batch_len(lua_State *L);
/* Reads messages of the list at 2 after the first `done`, until a step is full. Returns how many; they live
 * as long as the list is not changed. Raises for one that is none. */
size_t lnk_batch_read(lua_State *L, lnk_state *st, lua_Integer done, lua_Integer total,
                      natskit_outgoing *out);
/* Raises for the i-th message of the list at 2, which the library has refused. */
int lnk_batch_bad(lua_State *L, lua_Integer i);
int lnk_request(lua_State *L);
int lnk_request_many(lua_State *L);
int lnk_context(lua_State *L);
int lnk_respond_error(lua_State *L);
int lnk_respond(lua_State *L);
int lnk_msg_republish(lua_State *L);

/* ack.c */
int lnk_msg_ack(lua_State *L);
int lnk_msg_nak(lua_State *L);
int lnk_msg_in_progress(lua_State *L);
int lnk_msg_term(lua_State *L);
int lnk_msg_ack_sync(lua_State *L);
int lnk_msg_delivery(lua_State *L);
int lnk_msg_origin(lua_State *L);  /* msg:origin */
int lnk_msg_counter(lua_State *L); /* msg:counter */
int lnk_ack_batch(lua_State *L);

/* Closes the subscription: what is queued and ahead is dropped. */
void lnk_sub_end(lnk_sub *sub);
/* Waits for the end of the fetch whose subscription is on top, in place of all slots: a list, text and code
 * of why it has ended; or its one message. */
int lnk_sub_fetch(lua_State *L, int one);
/* A loop over the messages of the subscription on top, in place of all slots, which closes it. */
int lnk_sub_loop(lua_State *L, int64_t timeout_ms);
/* A loop over the outcomes of the publisher whose subscription is on top, in place of all slots. */
int lnk_sub_outcomes(lua_State *L, int64_t timeout_ms);
/* Takes the next of them, as a table. */
int lnk_sub_outcome(lua_State *L, int64_t timeout_ms);
/* The watch on top, and what a loop over it needs behind it: 4 values. */
int lnk_sub_watch(lua_State *L);
enum lnk_entries_as { LNK_ENTRIES, LNK_KEYS, LNK_BY_KEY, LNK_INFOS };
/* The entries of the watch on top, which ends with what there is, in place of all slots: a list of them, or
 * of their keys, or a table by their keys; or a list of infos. */
int lnk_sub_entries(lua_State *L, enum lnk_entries_as as, int64_t timeout_ms);
/* Takes the next message that is ahead, for which the caller has a place already; NULL if there is none. */
natskit_msg *lnk_sub_shift(lnk_sub *sub);
/* Takes what is there ahead. */
natskit_status lnk_sub_refill(lnk_sub *sub, int64_t timeout_ms);
/* Pushes a text that a watch or a pull has ended though nobody has ended it, if taking from it gave `status`
 * for that: who loops or handles believes to know what is in the bucket, or to have got all. Returns whether
 * there is one. */
int lnk_sub_push_lost(lua_State *L, const lnk_sub *sub, natskit_status status);
/* Pushes the next message that is ahead of the subscription at slot `at`, or nil if there is none any more.
 */
void lnk_sub_push_next(lua_State *L, lnk_state *st, lnk_sub *sub, int at);

/* health.c */
int lnk_conn_health(lua_State *L);
int lnk_sub_health(lua_State *L);

/* subscribe.c */
int lnk_subscribe(lua_State *L);
int lnk_events(lua_State *L);
/* Pushes a subscription of the connection at `parent`, to which the caller then gives a handle. */
lnk_sub *lnk_push_sub(lua_State *L, int parent, int user_values);

/* sub_info.c */
int lnk_sub_stats(lua_State *L);
int lnk_sub_reason(lua_State *L);
int lnk_sub_watch_info(lua_State *L);
int lnk_js_ordered(lua_State *L);
/* Why it has ended; 0 while it lives. */
natskit_status lnk_sub_end_reason(const lnk_sub *sub);
/* What the one at 1 was subscribed with stays known after its end. */
void lnk_sub_keep(lua_State *L, const lnk_sub *sub);
/* Adds the fields to the table of methods on top, and replaces that by the function for __index. */
void lnk_sub_add_fields(lua_State *L, int state_index);

/* Pushes an empty message, to which the caller then gives a reference. */
lnk_msg *lnk_push_msg(lua_State *L);
/* Looks where the payload is, and counts its memory, which the collector cannot see; drives the collector if
 * there is much. */
void lnk_account(lua_State *L, lnk_state *st, lnk_msg *msg);
/* __gc of messages and entries. */
int lnk_msg_gc(lua_State *L);

#endif
