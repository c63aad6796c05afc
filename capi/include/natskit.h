/* SPDX-License-Identifier: Apache-2.0
 *
 * natskit: the NATS client that every language can use.
 *
 * Rules that hold for every function here, unless its own comment says otherwise:
 *
 * - Returns a natskit_status: 0 or a negative number. Results go to out-parameters, which are written on
 *   success only (a handle or message out-parameter is set to zero on failure).
 * - May be called from any thread at any time, also for the same object at once. Nothing calls back.
 * - A handle is a number. A closed, stale, forged or wrong-kind handle gives NATSKIT_CLOSED or
 *   NATSKIT_BAD_HANDLE, never undefined behaviour. Zero is never a valid handle. Every handle fits in 53
 * bits. A handle that was inherited through fork() gives NATSKIT_FORKED in the child.
 * - Only functions with a parameter `timeout_ms` or `linger_ms` wait: -1 waits for ever, 0 does not wait,
 *   other negative values are invalid. A wait ends by its deadline whatever the server does. Clocks are
 * monotonic.
 * - Text and bytes go in as pointer and length and are copied or used before the call returns; NATSKIT_ZLEN
 * as length means NUL-terminated. A pointer with length 0 may be NULL.
 * - Pointers that come out belong to the message they were asked of and live as long as it.
 * - Booleans are int32_t 0 or 1; sizes of bytes are size_t or uint64_t; times are int64_t milliseconds
 * (`_ms`); instants are nanoseconds since 1970 UTC (`_ns`).
 * - A structure is filled through pointer and size: pass sizeof; the library never writes more than that, and
 *   later versions add fields only at the end.
 * - `err` may be NULL. It is filled on failure only, and needs no freeing.
 */
#ifndef NATSKIT_H
#define NATSKIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef NATSKIT_API
#if defined(__GNUC__)
#define NATSKIT_API __attribute__((visibility("default")))
#else
#define NATSKIT_API
#endif
#endif

/* Version of the interface. The SONAME holds the major alone; a minor only adds. */
#define NATSKIT_ABI_MAJOR 0
#define NATSKIT_ABI_MINOR 1

/* As a length: the text is NUL-terminated. */
#define NATSKIT_ZLEN ((size_t)-1)

/* What every function returns: NATSKIT_OK, or a negative number from the list below. */
typedef int32_t natskit_status;

/* Handles: one struct per kind, so that C checks them; an FFI sees one uint64_t. */
typedef struct natskit_options {
    uint64_t id;
} natskit_options;
typedef struct natskit_headers {
    uint64_t id;
} natskit_headers;
typedef struct natskit_conn {
    uint64_t id;
} natskit_conn;
typedef struct natskit_sub {
    uint64_t id;
} natskit_sub;
typedef struct natskit_op {
    uint64_t id;
} natskit_op;
typedef struct natskit_waitset {
    uint64_t id;
} natskit_waitset;
typedef struct natskit_json {
    uint64_t id;
} natskit_json;
typedef struct natskit_js {
    uint64_t id;
} natskit_js;
typedef struct natskit_publisher {
    uint64_t id;
} natskit_publisher;
typedef struct natskit_kv {
    uint64_t id;
} natskit_kv;
typedef struct natskit_batch {
    uint64_t id;
} natskit_batch;
typedef struct natskit_ingest {
    uint64_t id;
} natskit_ingest;
typedef struct natskit_service {
    uint64_t id;
} natskit_service;
typedef struct natskit_object_store {
    uint64_t id;
} natskit_object_store;
typedef struct natskit_object_writer {
    uint64_t id;
} natskit_object_writer;
typedef struct natskit_object_reader {
    uint64_t id;
} natskit_object_reader;

/* A received message or event: opaque, never changes, reference counted. */
typedef struct natskit_msg natskit_msg;

/* Kinds of handles, as in natskit_ready.kind and natskit_counters. */
#define NATSKIT_KIND_OPTIONS 1
#define NATSKIT_KIND_HEADERS 2
#define NATSKIT_KIND_CONN 3
#define NATSKIT_KIND_SUB 4
#define NATSKIT_KIND_OP 5
#define NATSKIT_KIND_WAITSET 6
#define NATSKIT_KIND_JSON 7
#define NATSKIT_KIND_JS 8
#define NATSKIT_KIND_PUBLISHER 9
#define NATSKIT_KIND_KV 10
#define NATSKIT_KIND_BATCH 11
#define NATSKIT_KIND_SERVICE 12
#define NATSKIT_KIND_OBJECT_STORE 13
#define NATSKIT_KIND_OBJECT_WRITER 14
#define NATSKIT_KIND_OBJECT_READER 15
#define NATSKIT_KIND_INGEST 16

/* ------------------------------------------------------------------------------------------------ status */

/* Numbers never change; new ones are added. natskit_status_at gives name, class and text at run time. */
#define NATSKIT_OK 0
/* The caller is wrong. */
#define NATSKIT_INVALID (-1)        /* an argument is not valid; the error text names it */
#define NATSKIT_BAD_HANDLE (-2)     /* never was a handle of this kind */
#define NATSKIT_CLOSED (-3)         /* the object was closed */
#define NATSKIT_FORKED (-4)         /* the handle belongs to the parent process */
#define NATSKIT_UNKNOWN_OPTION (-5) /* no option of that name */
#define NATSKIT_BUSY (-6)           /* somebody else has it already: another waitset, another subscription */
#define NATSKIT_NO_REPLY (-7)       /* the message asks for no reply */
#define NATSKIT_DRAINING (-8)       /* the connection is being drained and takes nothing new */
/* Expected outcomes. */
#define NATSKIT_TIMEOUT (-20)      /* the deadline passed */
#define NATSKIT_WOULD_BLOCK (-21)  /* timeout 0 and nothing there, or no room */
#define NATSKIT_END (-22)          /* nothing more will come; counters tell why */
#define NATSKIT_NOT_FOUND (-23)    /* no such entry */
#define NATSKIT_UNSUBSCRIBED (-24) /* end reason: the application unsubscribed */
#define NATSKIT_MAX_REACHED (-25)  /* end reason: the asked number of messages arrived */
#define NATSKIT_PENDING (-26)      /* the operation has not finished */
#define NATSKIT_STALLED (-27)      /* end reason: no further message came within `stall_ms` */
#define NATSKIT_SENTINEL (-28)     /* end reason: the message that ends the answer came */
/* Limits. */
#define NATSKIT_TOO_LARGE (-40)     /* headers and payload exceed the server's max_payload */
#define NATSKIT_NO_HEADERS (-41)    /* the server does not support headers */
#define NATSKIT_LIMIT (-42)         /* a limit of the library was reached; the error text names it */
#define NATSKIT_SLOW_CONSUMER (-43) /* event: a queue was full and messages were dropped */
/* The network. */
#define NATSKIT_DISCONNECTED (-60)    /* the connection was lost before an answer came */
#define NATSKIT_CONNECT_REFUSED (-61) /* nobody accepts connections there */
#define NATSKIT_RESOLVE (-62)         /* the host name has no address */
#define NATSKIT_STALE (-63)           /* pings were not answered */
#define NATSKIT_IO (-64)              /* an error of the socket; sys_errno tells */
#define NATSKIT_NO_SERVERS (-65)      /* every server was tried without success */
#define NATSKIT_WS_REFUSED (-66)      /* the server refuses the upgrade to WebSocket */
#define NATSKIT_WEBSOCKET (-67)       /* the server sent something that is not WebSocket */
/* The protocol. */
#define NATSKIT_PROTOCOL (-80)      /* the server sent something that is not the protocol */
#define NATSKIT_SERVER_ERROR (-81)  /* the server sent -ERR */
#define NATSKIT_NO_RESPONDERS (-82) /* nobody listens on the subject of the request */
#define NATSKIT_PERMISSION (-83)    /* the server denies the subject */
#define NATSKIT_SERVER_LIMIT (-84)  /* the server takes no more connections now */
/* Authentication. */
#define NATSKIT_AUTH (-100)         /* the server refused the credentials */
#define NATSKIT_AUTH_EXPIRED (-101) /* the credentials have expired */
#define NATSKIT_TLS_REQUIRED (-102) /* the server wants TLS, or TLS was asked for and is not offered */
#define NATSKIT_TLS (-103)          /* the TLS handshake did not succeed; the error text tells why */
/* The server's certificate is not accepted: expired, for another host, of an unknown authority ... */
#define NATSKIT_TLS_CERTIFICATE (-104)
/* The client's own keys, certificates or credentials cannot be read, or are malformed. */
#define NATSKIT_CREDENTIALS (-105)
#define NATSKIT_AUTH_REVOKED (-106) /* the credentials were revoked */
#define NATSKIT_SIGNATURE (-107)    /* the signature is not of this key over these bytes */
/* The system. */
#define NATSKIT_NO_MEMORY (-120)
#define NATSKIT_SYSTEM (-121)   /* a system call failed; sys_errno tells */
#define NATSKIT_SHUTDOWN (-122) /* natskit_shutdown was called */
#define NATSKIT_INTERNAL (-123) /* a defect of the library */
/* JetStream; server_code and err_code of natskit_error hold the server's numbers. */
#define NATSKIT_JS_REFUSED (-140)         /* JetStream refuses the call; the error text is the server's */
#define NATSKIT_JS_NOT_ENABLED (-141)     /* JetStream does not answer, or is not enabled for the account */
#define NATSKIT_STREAM_NOT_FOUND (-142)   /* there is no such stream */
#define NATSKIT_CONSUMER_NOT_FOUND (-143) /* there is no such consumer */
#define NATSKIT_MSG_NOT_FOUND (-144)      /* there is no such message in the stream */
#define NATSKIT_ALREADY_EXISTS (-145)     /* the name is taken, by something that is configured otherwise */
#define NATSKIT_WRONG_LAST (-146)         /* the last sequence or message id is not the expected one */
#define NATSKIT_JS_LIMIT (-147)           /* a limit of the stream, consumer or account is reached */
#define NATSKIT_ALREADY_ACKED (-148)      /* a final ack was sent before, or another thread sends one */
#define NATSKIT_NOT_JS_MESSAGE (-149)     /* the message does not come from a JetStream consumer */
#define NATSKIT_API_LEVEL (-150)          /* the server is too old for what the configuration asks for */
#define NATSKIT_CONSUMER_DELETED (-151)   /* end reason: the consumer was deleted */
#define NATSKIT_HEARTBEATS_MISSED (-152)  /* the server has not given a sign of life in time */
#define NATSKIT_PULL_REFUSED (-153)     /* end reason: the server refuses the request; the text is its own */
#define NATSKIT_SEALED (-154)           /* the stream is sealed */
#define NATSKIT_NO_STREAM (-155)        /* no stream takes the subject, or the stream has no leader */
#define NATSKIT_INVALID_ACK (-156)      /* what answered for a published message is no stream */
#define NATSKIT_NO_DIRECT (-157)        /* the stream allows no direct gets, or there is no such stream */
#define NATSKIT_NO_BATCH (-158)         /* the server is too old for direct gets of several messages */
#define NATSKIT_SNAPSHOT_CHANGED (-159) /* end reason: part of the snapshot went while it was read */

/* Key-value buckets. */
#define NATSKIT_KEY_NOT_FOUND (-160) /* the bucket has no such key, or no such revision of it */
#define NATSKIT_KEY_DELETED (-161)   /* the last thing that was done to the key is a delete or purge */
#define NATSKIT_KEY_EXISTS (-162)    /* the key that is to be created has a value */
#define NATSKIT_READ_ONLY (-163)     /* a change of a bucket that was opened with option read_only */
#define NATSKIT_NOT_A_BUCKET (-164)  /* the stream KV_<bucket> is not configured as a bucket's */

/* Object stores. */
#define NATSKIT_OBJECT_NOT_FOUND (-167)  /* the store has no such object */
#define NATSKIT_OBJECT_DELETED (-168)    /* the object was deleted */
#define NATSKIT_OBJECT_EXISTS (-169)     /* there is an object of that name */
#define NATSKIT_OBJECT_CORRUPT (-170)    /* its content is not what its digest and size say */
#define NATSKIT_OBJECT_INCOMPLETE (-171) /* chunks of it are missing */
#define NATSKIT_LINK_TO_STORE (-172)     /* the link leads to a store, not to an object */
#define NATSKIT_LINK_TO_LINK (-173)      /* a link leads to a link */
#define NATSKIT_CHUNKS_DISORDERED (-174) /* the chunks were not stored in their order; put it again */

/* Services. */
#define NATSKIT_SERVICE_ERROR (-180) /* the service answered with an error; server_code is its code */

/* Batches, counters, schedules, times to live. */
#define NATSKIT_BATCH_NOT_ALLOWED (-190) /* the stream does not take batches */
#define NATSKIT_BATCH_INCOMPLETE (-191)  /* the server misses messages of it, or has given it up */
#define NATSKIT_BATCH_REFUSED (-192)     /* the server does not take the batch as it is */
#define NATSKIT_BATCH_LIMIT (-193)       /* too many batches are open, or the batch is too large */
#define NATSKIT_COUNTER_REFUSED (-194)   /* the stream is no counter, or what is to be added no number */
#define NATSKIT_SCHEDULE_REFUSED (-195)  /* the stream takes no schedules, or not this one */
#define NATSKIT_TTL_REFUSED (-196)       /* the stream takes no times to live of messages, or not this one */

/* Classes of status, as in natskit_status_info.status_class. */
#define NATSKIT_CLASS_OK 0
#define NATSKIT_CLASS_USAGE 1
#define NATSKIT_CLASS_OUTCOME 2
#define NATSKIT_CLASS_LIMIT 3
#define NATSKIT_CLASS_NETWORK 4
#define NATSKIT_CLASS_PROTOCOL 5
#define NATSKIT_CLASS_AUTH 6
#define NATSKIT_CLASS_SYSTEM 7
#define NATSKIT_CLASS_JETSTREAM 8

/* What went wrong, in full. Owned by the caller; its layout is final. */
typedef struct natskit_error {
    natskit_status status;
    int32_t server_code; /* code that the server gave, or 0 */
    int32_t err_code;    /* JetStream error code, or 0 */
    int32_t sys_errno;   /* errno of the system call that failed, or 0 */
    char text[496];      /* one line of UTF-8, NUL-terminated; never holds a secret */
} natskit_error;

/* What a status means. */
typedef struct natskit_status_info {
    natskit_status status;
    int32_t status_class; /* NATSKIT_CLASS_* */
    const char *name;     /* "TIMEOUT"; NUL-terminated, static */
    const char *text;     /* "the deadline passed"; NUL-terminated, static */
} natskit_status_info;

/* Fills `info` for the index-th status, counting from 0; NATSKIT_NOT_FOUND past the last. */
NATSKIT_API natskit_status natskit_status_at(size_t index, natskit_status_info *info, size_t info_size);

/* Fills `info` for one status; NATSKIT_NOT_FOUND if the number is not a status. */
NATSKIT_API natskit_status natskit_status_describe(natskit_status status, natskit_status_info *info,
                                                   size_t info_size);

/* ----------------------------------------------------------------------------------------------- library */

/* Gives the version of the loaded library: `abi_major` and `abi_minor` (either may be NULL), and `text` like
 * "0.1.0" (may be NULL; static). A program works with the same major and an equal or greater minor. */
NATSKIT_API natskit_status natskit_version(uint32_t *abi_major, uint32_t *abi_minor, const char **text);

/* Writes a new unique name of 22 characters (letters and digits, 131 bits from the system's random source),
 * without a NUL, to `buf`; `*len` is 22. NATSKIT_LIMIT if `cap` is less, and nothing is written. */
NATSKIT_API natskit_status natskit_nuid(char *buf, size_t cap, size_t *len);

/* Live objects and resources of the whole process; all fall back to their start after everything was closed.
 */
typedef struct natskit_counters {
    uint64_t options;
    uint64_t headers;
    uint64_t conns;
    uint64_t subs;
    uint64_t ops;
    uint64_t waitsets;
    uint64_t msgs;            /* messages that somebody holds a reference to, queued ones included */
    uint64_t allocated_bytes; /* memory that the library holds, without the table of handles, which never
                                 shrinks */
    uint64_t threads;         /* threads of the library */
    uint64_t jsons;
    uint64_t contexts; /* of JetStream */
    uint64_t publishers;
    uint64_t kvs;
    uint64_t batches;
    uint64_t services;
    uint64_t object_stores;
    uint64_t object_writers;
    uint64_t object_readers;
    uint64_t ingests;
} natskit_counters;

/* Fills `counters`. */
NATSKIT_API natskit_status natskit_counters_get(natskit_counters *counters, size_t counters_size);

/* Writes every live object of the process as JSON, for whoever wants to know what a program does right now:
 * {"version", "msgs", "allocated_bytes", "threads", "objects": [{"handle", "kind", ...}], "left_out"}.
 * Connections tell state, how long they are connected (`connected_ms`) and have heard nothing (`silent_ms`),
 * server, last error, what an attempt waits for, counters of messages and bytes, and the pool of servers;
 * subscriptions their connection, subject, queue, counters, why they have ended, and with `pull` what is
 * asked for ahead; operations whether they are done and since when they run; publishers what waits for acks.
 * Fields may be added. At most 65536 objects are shown, the others counted in `left_out`. Each object is
 * looked at by itself, so numbers of different objects may be of different moments. Secrets are in none of
 * it. *len: bytes, without a NUL; NATSKIT_LIMIT if that is more than `cap` (nothing is written then; it may
 * be more in the next call), NATSKIT_NO_MEMORY. Does not wait. Any thread. */
NATSKIT_API natskit_status natskit_dump(char *buf, size_t cap, size_t *len);

/* Closes every handle, ends the library's threads and waits for them until the deadline; NATSKIT_TIMEOUT if
 * one still runs (name resolution cannot be interrupted). It does not flush: close connections with a linger
 * before. Messages stay valid. The library may be used again afterwards. Not needed before exit(). Must not
 * run at the same time as itself. */
NATSKIT_API natskit_status natskit_shutdown(int64_t timeout_ms);

/* ----------------------------------------------------------------------------------------------- options */

/* Scopes: what an options handle is for. */
#define NATSKIT_OPTIONS_CONNECT 1
#define NATSKIT_OPTIONS_SUBSCRIBE 2
#define NATSKIT_OPTIONS_REQUEST 3
#define NATSKIT_OPTIONS_EVENTS 4
#define NATSKIT_OPTIONS_REQUEST_MANY 5
#define NATSKIT_OPTIONS_AUTH 6
#define NATSKIT_OPTIONS_USER_JWT 7
#define NATSKIT_OPTIONS_JETSTREAM 8
#define NATSKIT_OPTIONS_PUBLISHER 9
#define NATSKIT_OPTIONS_FETCH 10
#define NATSKIT_OPTIONS_CONSUME 11
#define NATSKIT_OPTIONS_KV_WATCH 12
#define NATSKIT_OPTIONS_ORDERED 13
#define NATSKIT_OPTIONS_BATCH 14
#define NATSKIT_OPTIONS_GET_BATCH 15
#define NATSKIT_OPTIONS_GET_LAST 16
#define NATSKIT_OPTIONS_SERVICE 17
#define NATSKIT_OPTIONS_OBJECT_PUT 18
#define NATSKIT_OPTIONS_OBJECT_WATCH 19
#define NATSKIT_OPTIONS_KV 20
#define NATSKIT_OPTIONS_KV_SWEEP 21
#define NATSKIT_OPTIONS_PUSH 22
#define NATSKIT_OPTIONS_KV_MANY 23
#define NATSKIT_OPTIONS_INGEST 24

/* Types of options. */
#define NATSKIT_TYPE_STRING 1
#define NATSKIT_TYPE_LIST 2     /* of strings */
#define NATSKIT_TYPE_INTEGER 3  /* also counts and bytes */
#define NATSKIT_TYPE_BOOLEAN 4  /* "true" or "false", 0 or 1 */
#define NATSKIT_TYPE_DURATION 5 /* milliseconds, -1 for ever where the bounds allow it */
#define NATSKIT_TYPE_CHOICE 6   /* one of the words that `unit` lists, cut at '|' */
#define NATSKIT_TYPE_TEXT 7     /* a string of any number of lines */

/* What an option is, as docs/options.md lists it. */
typedef struct natskit_option_info {
    int32_t scope;
    int32_t type;
    const char *name;         /* NUL-terminated and static, as the others */
    const char *default_text; /* "" if there is none */
    const char *unit;         /* "ms", "bytes", "", or the words of a choice: "wait|fail" */
    int64_t min;
    int64_t max;
    const char *since; /* version that brought it */
    const char *text;  /* one sentence */
    int32_t secret;    /* 1: the value is never shown */
} natskit_option_info;

/* Fills `info` for the index-th option of a scope, counting from 0; NATSKIT_NOT_FOUND past the last. */
NATSKIT_API natskit_status natskit_option_at(int32_t scope, size_t index, natskit_option_info *info,
                                             size_t info_size);

/* Opens a set of options with every value at its default. To be closed with natskit_options_close; calls that
 * take it copy what they need, so it may be closed or changed as soon as they have returned. */
NATSKIT_API natskit_status natskit_options_open(int32_t scope, natskit_options *out);

/* Sets an option from text, read by the option's type; for a list the text replaces it, cut at commas.
 * NATSKIT_UNKNOWN_OPTION suggests the nearest name; NATSKIT_INVALID tells the bounds. */
NATSKIT_API natskit_status natskit_options_set(natskit_options options, const char *name, size_t name_len,
                                               const char *value, size_t value_len, natskit_error *err);

/* Sets an integer, boolean or duration option. */
NATSKIT_API natskit_status natskit_options_set_int(natskit_options options, const char *name, size_t name_len,
                                                   int64_t value, natskit_error *err);

/* Appends one entry to a list option. */
NATSKIT_API natskit_status natskit_options_add(natskit_options options, const char *name, size_t name_len,
                                               const char *value, size_t value_len, natskit_error *err);

/* Lays a context of the NATS command line ("nats context add") over options of scope connect. `name` empty
 * means the one that is selected. Contexts lie in nats/context/<name>.json below $XDG_CONFIG_HOME or
 * ~/.config. Becomes: url servers, user user, password password, token token, user_jwt jwt, creds creds_file,
 * nkey nkey_seed_file, cert tls_cert_file, key tls_key_file, ca tls_ca_file, inbox_prefix inbox_prefix,
 * tls_first tls_first; in the names of files `~/` at the begin and `$NAME` or `${NAME}` of the environment
 * are replaced. What is empty changes nothing; members that say nothing of the connection are ignored, and
 * those that it could not do without (nsc, socks_proxy) are refused. Reads files in the caller's thread; the
 * files that the context names are read when connecting. Errors: NATSKIT_INVALID (name, scope, the content),
 * NATSKIT_NOT_FOUND (no such context, or none is selected), NATSKIT_SYSTEM, NATSKIT_LIMIT (over 64 KiB); then
 * no option has changed. */
NATSKIT_API natskit_status natskit_options_context(natskit_options options, const char *name, size_t name_len,
                                                   natskit_error *err);

/* Releases the handle. */
NATSKIT_API natskit_status natskit_options_close(natskit_options options);

/* ---------------------------------------------------------------------------------- keys and credentials */

/* NATS keys ("nkeys") are Ed25519 keys written as text. The first letter of a public key tells its role, as
 * does the second of a seed, which is the secret. These functions keep nothing, wipe what they copied of a
 * secret, and put no part of one into an error. A key or credentials that are malformed, or of another role
 * than is needed, give NATSKIT_CREDENTIALS. All write texts without a NUL to `buf`; `*len` is the length even
 * if that exceeds `cap`, then NATSKIT_LIMIT and nothing is written. */
#define NATSKIT_NKEY_PUBLIC_LEN 56 /* characters of a public key */
#define NATSKIT_NKEY_SEED_LEN 58   /* characters of a seed */
#define NATSKIT_SIGNATURE_LEN 64   /* bytes of a signature */

/* Writes the seed of a new key from the system's random source. `role` is the letter 'U' for a user, 'A'
 * account, 'O' operator, 'N' server or 'C' cluster; NATSKIT_INVALID for any other. The caller wipes `buf`
 * after use. */
NATSKIT_API natskit_status natskit_nkey_create(int32_t role, char *buf, size_t cap, size_t *len,
                                               natskit_error *err);

/* Writes the public key of a seed. */
NATSKIT_API natskit_status natskit_nkey_public(const char *seed, size_t seed_len, char *buf, size_t cap,
                                               size_t *len, natskit_error *err);

/* Signs bytes, as a server's nonce: writes NATSKIT_SIGNATURE_LEN bytes to `signature`. */
NATSKIT_API natskit_status natskit_nkey_sign(const char *seed, size_t seed_len, const void *data,
                                             size_t data_len, uint8_t *signature, natskit_error *err);

/* Checks a signature with a public key; NATSKIT_SIGNATURE if it is not of this key over these bytes, or has
 * not NATSKIT_SIGNATURE_LEN bytes. */
NATSKIT_API natskit_status natskit_nkey_verify(const char *key, size_t key_len, const void *data,
                                               size_t data_len, const uint8_t *signature,
                                               size_t signature_len, natskit_error *err);

/* Issues the JWT of a user, whose public key `user` is: signed with `seed`, which is that of an account or of
 * one of its signing keys. `options` of scope user_jwt (account, name, valid_ms, tags, scoped) may be {0}. A
 * signing key needs option `account`. The JWT begins to be valid at once, by this machine's clock. 2048 bytes
 * are enough without long names and tags. NATSKIT_INVALID if a name or tag is longer than 1024 bytes. */
NATSKIT_API natskit_status natskit_jwt_issue_user(const char *seed, size_t seed_len, const char *user,
                                                  size_t user_len, natskit_options options, char *buf,
                                                  size_t cap, size_t *len, natskit_error *err);

/* Tells when a JWT expires; 0 if never. Its signature is not checked. */
NATSKIT_API natskit_status natskit_jwt_expiry(const char *jwt, size_t jwt_len, int64_t *expires_ns,
                                              natskit_error *err);

/* Writes the text of a credentials file with a user's JWT and seed, as option `creds` and, from a file,
 * option `creds_file` take it. The caller wipes `buf` after use. */
NATSKIT_API natskit_status natskit_creds_format(const char *jwt, size_t jwt_len, const char *seed,
                                                size_t seed_len, char *buf, size_t cap, size_t *len,
                                                natskit_error *err);

/* ----------------------------------------------------------------------------------------------- headers */

/* Opens an empty, reusable set of headers to be sent. A call that sends it copies it. */
NATSKIT_API natskit_status natskit_headers_open(natskit_headers *out);

/* Appends one header; a name may be repeated and keeps its case. NATSKIT_INVALID if the name is empty or
 * holds anything but printable ASCII without blank and colon, or the value holds CR, LF or
 * NUL, begins or ends with a blank, or is not valid UTF-8; NATSKIT_LIMIT
 * beyond 64 KiB in all. */
NATSKIT_API natskit_status natskit_headers_add(natskit_headers headers, const char *name, size_t name_len,
                                               const char *value, size_t value_len, natskit_error *err);

/* Ways to compare header names. */
#define NATSKIT_MATCH_EXACT 0
#define NATSKIT_MATCH_IGNORE_CASE 1
#define NATSKIT_MATCH_CANONICAL 2 /* the name as MIME writes it: X-Request-Id for "x-request-ID" */

/* The server traces a message with this header, and sends what became of it to the subject that is its
 * value; with the other one, of value "true", it traces only and delivers nothing (server 2.11). */
#define NATSKIT_HEADER_TRACE_DEST "Nats-Trace-Dest"
#define NATSKIT_HEADER_TRACE_ONLY "Nats-Trace-Only"

/* Removes the headers that match `name` and appends one in their place, as one step: on failure nothing has
 * changed. With NATSKIT_MATCH_CANONICAL it gets the canonical name. Errors as natskit_headers_add;
 * NATSKIT_INVALID for another `match`. */
NATSKIT_API natskit_status natskit_headers_set(natskit_headers headers, const char *name, size_t name_len,
                                               const char *value, size_t value_len, int32_t match,
                                               natskit_error *err);

/* Removes the headers that match `name`; NATSKIT_NOT_FOUND if there is none. */
NATSKIT_API natskit_status natskit_headers_delete(natskit_headers headers, const char *name, size_t name_len,
                                                  int32_t match);

/* Appends the headers of a received message, in their order, without its status. A value that was folded over
 * several lines becomes one line. NATSKIT_INVALID if one of them may not be sent (a NUL in it),
 * NATSKIT_LIMIT; then nothing has changed. */
NATSKIT_API natskit_status natskit_headers_add_all(natskit_headers headers, const natskit_msg *msg,
                                                   natskit_error *err);

/* Copies the index-th value, counting from 0, of the headers that match `name`, without a NUL, to `buf`.
 * `*len` is its length even if that exceeds `cap`, then NATSKIT_LIMIT and nothing is copied.
 * NATSKIT_NOT_FOUND if there are fewer. */
NATSKIT_API natskit_status natskit_headers_get(natskit_headers headers, const char *name, size_t name_len,
                                               int32_t match, size_t index, char *buf, size_t cap,
                                               size_t *len);

/* Copies name and value of the index-th header, counting from 0, in their order; lengths as above.
 * NATSKIT_NOT_FOUND past the last. */
NATSKIT_API natskit_status natskit_headers_at(natskit_headers headers, size_t index, char *name,
                                              size_t name_cap, size_t *name_len, char *value,
                                              size_t value_cap, size_t *value_len);

/* Removes every header, so that the handle can be filled anew. */
NATSKIT_API natskit_status natskit_headers_clear(natskit_headers headers);

/* Releases the handle. */
NATSKIT_API natskit_status natskit_headers_close(natskit_headers headers);

/* --------------------------------------------------------------------------------------------- connection */

/* Connects and waits until the server has accepted or the deadline has passed. `url` is one server or
 * several, cut at commas ("nats://host:4222, host2"), or empty: then option `servers`, else 127.0.0.1:4222.
 * Schemes: nats (port 4222 if none is given), tls (4222), ws (80) and wss (443), which is WebSocket over TLS;
 * ws and wss may have a path, and are not mixed with the others.
 * `options` may be {0}. The deadline covers name resolution, connecting, and the handshake with every server
 * that is tried. Option `first_connect` says what follows when none accepts: "fail" (each is tried once),
 * "retry" (again and again until the deadline), or "background" (the call returns at once, and the connection
 * goes on trying; what is published meanwhile waits in the outbox). Errors: NATSKIT_INVALID (url, option),
 * NATSKIT_TIMEOUT, NATSKIT_NO_SERVERS and the other network errors (NATSKIT_WS_REFUSED has HTTP's number as
 * server_code), NATSKIT_PROTOCOL, NATSKIT_AUTH, NATSKIT_TLS_REQUIRED, NATSKIT_TLS, NATSKIT_TLS_CERTIFICATE,
 * NATSKIT_CREDENTIALS. The caller closes the connection. Option `ask_auth` wants natskit_connect_start:
 * whoever waits here cannot answer. */
NATSKIT_API natskit_status natskit_connect(const char *url, size_t url_len, natskit_options options,
                                           int64_t timeout_ms, natskit_conn *out, natskit_error *err);

/* Begins to connect: gives the connection at once, and an operation that finishes when the server has
 * accepted or the attempt has failed (then the connection is closed, too, but its handle still tells state
 * and events until it is closed). `timeout_ms` is the operation's deadline. Does not wait. */
NATSKIT_API natskit_status natskit_connect_start(const char *url, size_t url_len, natskit_options options,
                                                 int64_t timeout_ms, natskit_conn *out, natskit_op *op,
                                                 natskit_error *err);

/* States of a connection. */
#define NATSKIT_STATE_CONNECTING 1   /* the first connect is under way */
#define NATSKIT_STATE_CONNECTED 2    /* a reader runs and the server has answered */
#define NATSKIT_STATE_RECONNECTING 3 /* lost; servers are tried again */
#define NATSKIT_STATE_CLOSED 4       /* ended; `reason` tells why */

/* What a connection is at this moment. */
typedef struct natskit_conn_info {
    int32_t state;         /* NATSKIT_STATE_* */
    natskit_status reason; /* of the last disconnect or of the close; 0 if there was none */
    uint64_t epoch;      /* number of the transport: one more for each that was opened, whether its handshake
                            succeeded or not */
    uint64_t client_id;  /* the server's number for this client */
    int64_t max_payload; /* bytes of headers and data in one message */
    int32_t headers;     /* 1: the server supports headers */
    int32_t lame_duck;   /* 1: the server announced that it will leave */
    char url[272];       /* of the server, without user and password; NUL-terminated */
    char server_name[128]; /* cut if longer */
    char server_id[64];
    char version[32];
    char reason_text[240];
    int32_t draining; /* 1: natskit_conn_drain was called */
    int32_t reserved;
    char client_ip[64];   /* of this client, as the server sees it */
    int32_t tls;          /* 1: everything goes through TLS */
    int32_t tls_insecure; /* 1: whose certificate it is was not asked (option `tls_insecure`) */
    int32_t tls_resumed;  /* 1: an earlier session was resumed */
    int32_t reserved2;
    char tls_version[16]; /* "TLSv1.3"; empty without TLS */
    char tls_cipher[64];
} natskit_conn_info;

/* Fills `info`. */
NATSKIT_API natskit_status natskit_conn_info_get(natskit_conn conn, natskit_conn_info *info,
                                                 size_t info_size);

/* Counters of a connection, over all its transports. */
typedef struct natskit_conn_stats {
    uint64_t in_msgs;  /* since the connection was opened, through reconnects */
    uint64_t in_bytes; /* on the wire */
    uint64_t out_msgs; /* accepted for sending */
    uint64_t out_bytes;
    uint64_t pending_out_bytes; /* accepted and not yet taken by the socket */
    uint64_t dropped_msgs;      /* by full queues of subscriptions */
    uint64_t orphan_msgs;       /* for a subscription that was gone */
    uint64_t late_replies;      /* for a request that was gone */
    uint64_t unconfirmed;       /* written before a disconnect and never confirmed by a PONG */
    uint64_t unsent;            /* still in the outbox at the close, or too large for the next server */
    uint64_t reconnects;
    uint64_t subs;           /* live subscriptions */
    uint64_t requests;       /* waiting for their reply */
    uint64_t abandoned_msgs; /* received, and not taken when a drain ran into its deadline */
} natskit_conn_stats;

/* Fills `stats`. */
NATSKIT_API natskit_status natskit_conn_stats_get(natskit_conn conn, natskit_conn_stats *stats,
                                                  size_t stats_size);

/* Whether something works (natskit_conn_health, natskit_sub_health). What works, if perhaps not well, is at
 * most NATSKIT_HEALTH_DEGRADED. Numbers may be added above the last. */
#define NATSKIT_HEALTH_OK 1
#define NATSKIT_HEALTH_DEGRADED 2 /* it works, but something is amiss */
#define NATSKIT_HEALTH_STARTING 3 /* nothing is known yet: it is being made, found or connected */
#define NATSKIT_HEALTH_SILENT 4   /* a sign of life is overdue; the library looks after it */
#define NATSKIT_HEALTH_DOWN 5     /* it cannot work at the moment; the library tries again */
#define NATSKIT_HEALTH_ENDED 6    /* and does not come back */

/* What a look at something tells: natskit_conn_health, natskit_sub_health. */
typedef struct natskit_health {
    int32_t state;         /* NATSKIT_HEALTH_... */
    natskit_status reason; /* why it is not NATSKIT_HEALTH_OK; else NATSKIT_OK, or what a connect waits for */
    int64_t since_ms;      /* how long it has been in this state */
    int64_t activity_ms;   /* time since something came of the server; -1: nothing has */
    int64_t beat_ms; /* time since the last heartbeat, of a connection the last PONG; -1: none has come */
    char text[240];  /* the reason in one line, NUL-terminated; may be empty */
} natskit_health;

/* Fills `health` of a connection: STARTING before the first connect, DOWN (by what it was lost by) without a
 * connection later, SILENT with a PING unanswered for half of `ping_interval_ms`, DEGRADED while it is
 * drained, while the server takes no bytes for a second, or is about to leave, ENDED when it was closed. Does
 * not wait. Any thread. */
NATSKIT_API natskit_status natskit_conn_health(natskit_conn conn, natskit_health *health, size_t health_size);

/* Copies the last INFO of the server, as JSON text without a NUL, to `buf`. `*len` is its length even if that
 * exceeds `cap`, then NATSKIT_LIMIT and nothing is copied. NATSKIT_NOT_FOUND before the first INFO. */
NATSKIT_API natskit_status natskit_conn_server_info(natskit_conn conn, char *buf, size_t cap, size_t *len);

/* Copies the last lines of the protocol that went over the connection, in both directions and through all of
 * its transports, to `buf`, without a NUL: a JSON array, the oldest first, of objects {"time_ns" (wall
 * clock), "out" (whether the library sent it), "cut" (whether it was longer than 256 bytes), "line"}. How
 * many are kept is option `trace_lines`; without it the array is empty. Lines hold no payload, no header and,
 * of CONNECT, no secret; what was sent is there once the system has taken it. *len: as in natskit_dump. */
NATSKIT_API natskit_status natskit_conn_trace(natskit_conn conn, char *buf, size_t cap, size_t *len);

/* Writes the pool of servers, without a NUL, to `buf`: a JSON array of objects {"url", "discovered",
 * "failures", "current"}; url without user and password, discovered: the cluster told of it, failures: failed
 * attempts in a row, current: it is used or tried now. `*len` as above. */
NATSKIT_API natskit_status natskit_conn_servers(natskit_conn conn, char *buf, size_t cap, size_t *len);

/* Replaces the servers that the application gave by `urls`, several cut at commas, checked as in
 * natskit_connect. Those that the cluster told of stay (option use_discovered). The present connection stays,
 * too, also if its server is in the pool no more: it is left when it is lost, by natskit_conn_reconnect, or
 * when it is a lame duck, and not tried again. A pause before the next attempt ends. Emits
 * NATSKIT_EVENT_SERVERS. NATSKIT_INVALID, NATSKIT_LIMIT (more than 64), NATSKIT_CLOSED. Does not wait. */
NATSKIT_API natskit_status natskit_conn_servers_set(natskit_conn conn, const char *urls, size_t urls_len,
                                                    natskit_error *err);

/* Whether the server's version is at least this one: `*yes` 1 or 0. What follows the three numbers ("-RC.1")
 * does not count. NATSKIT_NOT_FOUND before the first INFO. */
NATSKIT_API natskit_status natskit_conn_server_at_least(natskit_conn conn, int32_t major, int32_t minor,
                                                        int32_t patch, int32_t *yes);

/* Writes a new unique inbox subject, without a NUL, to `buf`; `*len` as above. */
NATSKIT_API natskit_status natskit_conn_new_inbox(natskit_conn conn, char *buf, size_t cap, size_t *len);

/* Begins a bounded subscription to the connection's events; any number may be open. Its messages are of kind
 * NATSKIT_MSG_EVENT. `options` (scope EVENTS) may be {0}; option `debug` asks for PING events too, and
 * `answers` for the requests to the application (NATSKIT_EVENT_DELAY_NEEDED, NATSKIT_EVENT_AUTH_NEEDED),
 * which go to one subscription only: NATSKIT_BUSY if there is one already. Ends with NATSKIT_END after the
 * event CLOSED. */
NATSKIT_API natskit_status natskit_conn_events(natskit_conn conn, natskit_options options, natskit_sub *out,
                                               natskit_error *err);

/* Sends what was published (waiting for at most `linger_ms` until the server has confirmed it), then ends the
 * connection and releases the handle. Subscriptions and operations end; what is queued in them stays readable
 * until they are closed. NATSKIT_TIMEOUT if the linger was too short: the connection is closed all the same.
 */
NATSKIT_API natskit_status natskit_conn_close(natskit_conn conn, int64_t linger_ms);

/* The same as an operation, for callers that must not wait: the handle is released at once, and the operation
 * finishes when the connection has ended, with NATSKIT_OK, NATSKIT_TIMEOUT or NATSKIT_DISCONNECTED. Closing
 * the operation ends the linger at once. */
NATSKIT_API natskit_status natskit_conn_close_start(natskit_conn conn, int64_t linger_ms, natskit_op *op,
                                                    natskit_error *err);

/* Waits until the connection has ended: NATSKIT_OK if the application closed or drained it, else the reason,
 * with `err`. NATSKIT_PENDING if it lives on at the deadline. */
NATSKIT_API natskit_status natskit_conn_closed(natskit_conn conn, int64_t timeout_ms, natskit_error *err);

/* The same as an operation, which outlives the connection's handle. `options` (scope REQUEST) may be {0}. */
NATSKIT_API natskit_status natskit_conn_closed_start(natskit_conn conn, natskit_options options,
                                                     int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Ends the connection in good order, and waits for it: asks the server for no more messages, lets takers take
 * what has come (natskit_sub_hold), waits for requests in flight, then accepts nothing more, has the server
 * confirm what was published, and closes. From the call on natskit_subscribe gives NATSKIT_DRAINING, once
 * everything was taken natskit_publish and natskit_request do so, too. Works while the connection is lost:
 * then it waits for the reconnect to send what was published. NATSKIT_TIMEOUT: the deadline passed first; the
 * connection is closed all the same, and `err` and stats.abandoned_msgs tell what was left behind.
 * NATSKIT_DRAINING if a drain runs already. The handle stays, to be closed by natskit_conn_close. */
NATSKIT_API natskit_status natskit_conn_drain(natskit_conn conn, int64_t timeout_ms, natskit_error *err);

/* The same as an operation. `options` (scope REQUEST) may be {0}. Does not wait. Closing the operation does
 * not stop the drain. */
NATSKIT_API natskit_status natskit_conn_drain_start(natskit_conn conn, natskit_options options,
                                                    int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Gives up the present transport and connects anew, to another server if there is one, at once; with a pause
 * under way ends the pause. Nothing happens while a server is being tried. Emits
 * NATSKIT_EVENT_FORCED_RECONNECT. NATSKIT_DRAINING, NATSKIT_CLOSED. Does not wait. */
NATSKIT_API natskit_status natskit_conn_reconnect(natskit_conn conn, natskit_error *err);

/* Measures the time of a PING and its PONG in `*rtt_ns` (ns); what was published before goes first. Errors as
 * natskit_flush. As an operation: natskit_flush_start and natskit_op_duration. */
NATSKIT_API natskit_status natskit_conn_rtt(natskit_conn conn, int64_t timeout_ms, int64_t *rtt_ns,
                                            natskit_error *err);

/* Answers the event NATSKIT_EVENT_DELAY_NEEDED with that number of `request`: the next servers are tried
 * `delay_ms` (0 to 86400000) after the event. NATSKIT_NOT_FOUND if it was answered, is too late, or the
 * number is another. */
NATSKIT_API natskit_status natskit_conn_answer_delay(natskit_conn conn, uint64_t request, int64_t delay_ms,
                                                     natskit_error *err);

/* Answers the event NATSKIT_EVENT_AUTH_NEEDED with that number of `request`: `answer` (scope AUTH) holds what
 * the server is to be told, in place of what is configured; what it leaves out stays as configured. It is
 * used once and wiped. NATSKIT_NOT_FOUND if the request was answered, is too late, or the number is another;
 * NATSKIT_CREDENTIALS if a seed or credentials text is malformed: then the request is still open. */
NATSKIT_API natskit_status natskit_conn_answer_auth(natskit_conn conn, uint64_t request,
                                                    natskit_options answer, natskit_error *err);

/* --------------------------------------------------------------------------------------------- publishing */

/* Hands one message over for sending, in call order. `reply` may be empty, `headers` {0}. Returns as soon as
 * the message is in the connection's outbox; natskit_written tells when the system has taken it for sending,
 * natskit_flush when the server has it. If the outbox is full (option `outbox_bytes`, and
 * `reconnect_buffer_bytes` while there is no connection) the call waits for room until its deadline:
 * NATSKIT_TIMEOUT, or NATSKIT_WOULD_BLOCK with timeout 0 or option `outbox_full` "fail". What was accepted
 * while the connection was lost is sent once, in order, after the reconnect; with `reconnect_buffer_bytes` 0
 * nothing is accepted then: NATSKIT_DISCONNECTED. Errors: NATSKIT_INVALID (subject or reply),
 * NATSKIT_TOO_LARGE, NATSKIT_NO_HEADERS, NATSKIT_DRAINING, NATSKIT_NO_MEMORY; then nothing was sent. */
NATSKIT_API natskit_status natskit_publish(natskit_conn conn, const char *subject, size_t subject_len,
                                           const char *reply, size_t reply_len, natskit_headers headers,
                                           const void *data, size_t data_len, int64_t timeout_ms);

/* One message of natskit_publish_batch; its members are the arguments of natskit_publish. */
typedef struct natskit_outgoing {
    const char *subject;
    size_t subject_len;
    const char *reply;
    size_t reply_len;
    natskit_headers headers;
    const void *data;
    size_t data_len;
} natskit_outgoing;

/* As natskit_publish for `count` messages, each `msg_size` = sizeof(natskit_outgoing) bytes apart, with one
 * hand-over. Stops at the first that cannot be accepted; `*published` tells how many were, also on failure.
 */
NATSKIT_API natskit_status natskit_publish_batch(natskit_conn conn, const natskit_outgoing *msgs,
                                                 size_t msg_size, size_t count, int64_t timeout_ms,
                                                 size_t *published);

/* Publishes a received message once more, with its headers (without a status) and data: to `subject`, or to
 * its own if that is empty, with `reply`, which may be empty. Errors as natskit_publish; NATSKIT_INVALID,
 * too, if its headers may not be sent (natskit_headers_add_all). */
NATSKIT_API natskit_status natskit_msg_republish(natskit_conn conn, const natskit_msg *msg,
                                                 const char *subject, size_t subject_len, const char *reply,
                                                 size_t reply_len, int64_t timeout_ms);

/* Waits until the server has processed everything that was published and subscribed before the call, but for
 * what was lost with an earlier transport (`unconfirmed`). NATSKIT_DISCONNECTED if the connection is lost
 * meanwhile. */
NATSKIT_API natskit_status natskit_flush(natskit_conn conn, int64_t timeout_ms);

/* The same as an operation. `options` (scope REQUEST) may be {0}. Does not wait. */
NATSKIT_API natskit_status natskit_flush_start(natskit_conn conn, natskit_options options, int64_t timeout_ms,
                                               natskit_op *op, natskit_error *err);

/* Waits until everything that was published before the call was handed to the system for sending (it may
 * still be lost: `unconfirmed` counts), through reconnects. NATSKIT_CLOSED if the connection ends first. */
NATSKIT_API natskit_status natskit_written(natskit_conn conn, int64_t timeout_ms, natskit_error *err);

/* The same as an operation. `options` (scope REQUEST) may be {0}. Does not wait. */
NATSKIT_API natskit_status natskit_written_start(natskit_conn conn, natskit_options options,
                                                 int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* An operation that finishes when the outbox has room for a message of `bytes` bytes (subject, reply, headers
 * and data), for callers that publish with timeout 0; one that is greater than the whole outbox waits until
 * it is empty. `options` (scope REQUEST) may be {0}. Does not wait. */
NATSKIT_API natskit_status natskit_room_start(natskit_conn conn, natskit_options options, uint64_t bytes,
                                              int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Checks a subject as natskit_publish (`wildcards` 0) and natskit_subscribe (otherwise) do; NATSKIT_INVALID
 * tells in `err` what is wrong with it. */
NATSKIT_API natskit_status natskit_subject_check(const char *subject, size_t subject_len, int32_t wildcards,
                                                 natskit_error *err);

/* ------------------------------------------------------------------------------------------- subscriptions
 */

/* Subscribes. `subject` may hold the wildcards `*` and `>`; `queue` may be empty; `options` (scope SUBSCRIBE)
 * may be {0}. With option `first_msg_timeout_ms` the subscription ends, at the server too, for the reason
 * NATSKIT_TIMEOUT if no message has come by then. The subscription is sent in call order with what is
 * published, and again after every reconnect.
 */
NATSKIT_API natskit_status natskit_subscribe(natskit_conn conn, const char *subject, size_t subject_len,
                                             const char *queue, size_t queue_len, natskit_options options,
                                             natskit_sub *out, natskit_error *err);

/* Takes the next message; the caller owns one reference. NATSKIT_WOULD_BLOCK with timeout 0 and an empty
 * queue, NATSKIT_TIMEOUT, NATSKIT_END once nothing more can come, NATSKIT_CLOSED if the subscription is
 * closed meanwhile. */
NATSKIT_API natskit_status natskit_sub_next(natskit_sub sub, int64_t timeout_ms, natskit_msg **out);

/* Waits for a first message as natskit_sub_next does, then takes up to `cap` that are there, in one step.
 * `*count` is at least 1 on success and 0 otherwise. */
NATSKIT_API natskit_status natskit_sub_next_batch(natskit_sub sub, natskit_msg **out, size_t cap,
                                                  int64_t timeout_ms, size_t *count);

/* As natskit_sub_next_batch, for a binding that hands the messages out one by one: what a subscription of
 * JetStream asks its server for counts all but the first as waiting until somebody takes again, so that no
 * more than its limit is on the way to who handles them. Of such a subscription at most half of what waits is
 * given. */
NATSKIT_API natskit_status natskit_sub_next_ahead(natskit_sub sub, natskit_msg **out, size_t cap,
                                                  int64_t timeout_ms, size_t *count);

/* Ends the subscription at the server: at once with `max` 0, else after `max` messages in all have arrived
 * since it began. A limit that was set before can be lowered, not raised. What is queued can still be taken,
 * then NATSKIT_END. NATSKIT_INVALID for a `max` of a subscription to a consumer, which has options for it. */
NATSKIT_API natskit_status natskit_sub_unsubscribe(natskit_sub sub, uint64_t max);

/* Ends the subscription in good order, and waits for it: asks the server for no more messages, waits until
 * those that are under way have come, and until everything was taken and nobody holds the subscription
 * (natskit_sub_hold). Takers get NATSKIT_END after the last message. NATSKIT_TIMEOUT: the deadline passed
 * first; what is queued can still be taken. */
NATSKIT_API natskit_status natskit_sub_drain(natskit_sub sub, int64_t timeout_ms, natskit_error *err);

/* The same as an operation. `options` (scope REQUEST) may be {0}. Does not wait. Closing the operation does
 * not stop the drain. */
NATSKIT_API natskit_status natskit_sub_drain_start(natskit_sub sub, natskit_options options,
                                                   int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Tells that somebody handles messages of the subscription (`on` 1), so that a drain waits for them although
 * they were taken, or that one of those has done so (`on` 0; NATSKIT_INVALID if there is none). A loop holds
 * the subscription from its begin until it was told NATSKIT_END. Without holds a drain waits only until the
 * last message was taken. */
NATSKIT_API natskit_status natskit_sub_hold(natskit_sub sub, int32_t on);

/* Counters of a subscription, its limits, and why it ended. */
typedef struct natskit_sub_stats {
    uint64_t sid; /* number on the wire; 0 for events */
    uint64_t received;
    uint64_t taken;
    uint64_t pending_msgs;
    uint64_t pending_bytes; /* memory of the queued messages, their bookkeeping included */
    uint64_t high_msgs;     /* greatest value of pending_msgs so far */
    uint64_t high_bytes;
    uint64_t dropped_msgs; /* newest dropped while the queue was full */
    uint64_t dropped_bytes;
    uint64_t limit_msgs;
    uint64_t limit_bytes;
    uint64_t max;          /* of natskit_sub_unsubscribe, or 0 */
    natskit_status reason; /* 0 while it lives; else why it ended */
    int32_t draining;      /* 1: a drain has begun */
    uint64_t holds;        /* of natskit_sub_hold */
} natskit_sub_stats;

/* Fills `stats`; received = taken + pending_msgs + dropped_msgs. */
NATSKIT_API natskit_status natskit_sub_stats_get(natskit_sub sub, natskit_sub_stats *stats,
                                                 size_t stats_size);

/* Fills `health` of a subscription, and of what it is fed by: a consumer (pulled, pushed or ordered), a
 * watch. As its connection is not OK neither is it. Beyond that: DEGRADED while its queue drops messages
 * (from the first until it was emptied to half), while it is drained, and when a consumer's server says that
 * it cannot serve for now; STARTING until a push or ordered consumer is there; SILENT when two heartbeats in
 * a row have not come, or no end of a request in time, until the next sign of life; DOWN while consumer or
 * stream do not exist; ENDED by natskit_sub_reason. Where neither heartbeats nor deadlines are, nothing can
 * be overdue. A queue that nobody takes from is no fault of what fills it: see natskit_sub_stats. Does not
 * wait. Any thread.
 */
NATSKIT_API natskit_status natskit_sub_health(natskit_sub sub, natskit_health *health, size_t health_size);

/* Returns why the subscription has ended (as natskit_sub_stats.reason), NATSKIT_PENDING while it lives; `err`
 * then holds the words of the server that denied it, if it was that. */
NATSKIT_API natskit_status natskit_sub_reason(natskit_sub sub, natskit_error *err);

/* Copies the subject of the subscription, without a NUL, to `buf`; `*len` is its length even if that exceeds
 * `cap`, then NATSKIT_LIMIT and nothing is copied. NATSKIT_NOT_FOUND if there is none: events have no
 * subject, others perhaps no queue group. */
NATSKIT_API natskit_status natskit_sub_subject(natskit_sub sub, char *buf, size_t cap, size_t *len);

/* The same for the queue group. */
NATSKIT_API natskit_status natskit_sub_queue(natskit_sub sub, char *buf, size_t cap, size_t *len);

/* Ends the subscription, drops what is queued, wakes blocked callers with NATSKIT_CLOSED, releases the
 * handle. */
NATSKIT_API natskit_status natskit_sub_close(natskit_sub sub);

/* ------------------------------------------------------------------------------------------ request, reply
 */

/* Publishes with a reply subject of its own and waits for the first reply, of which the caller owns one
 * reference. NATSKIT_NO_RESPONDERS at once if nobody listens; NATSKIT_PERMISSION if the server denies the
 * subject or the inbox, with its words in `err`; NATSKIT_TIMEOUT; NATSKIT_DISCONNECTED if the connection is
 * lost before the reply. Other errors as natskit_publish. */
NATSKIT_API natskit_status natskit_request(natskit_conn conn, const char *subject, size_t subject_len,
                                           natskit_headers headers, const void *data, size_t data_len,
                                           int64_t timeout_ms, natskit_msg **reply, natskit_error *err);

/* The same as an operation; the reply is taken with natskit_op_take_msg. `options` (scope REQUEST) may be
 * {0}; they ask for a subscription of its own, on a new inbox or on a reply subject of the caller's, and say
 * whether it outlives the transport: then a reply that comes after the reconnect counts, but the request is
 * not sent again. Does not wait: NATSKIT_WOULD_BLOCK if the outbox is full. */
NATSKIT_API natskit_status natskit_request_start(natskit_conn conn, const char *subject, size_t subject_len,
                                                 natskit_headers headers, const void *data, size_t data_len,
                                                 natskit_options options, int64_t timeout_ms, natskit_op *op,
                                                 natskit_error *err);

/* Sends a request whose answer is any number of messages, and gives the subscription that gets them. It ends
 * by itself, at the server too, and natskit_sub_stats.reason tells why: NATSKIT_TIMEOUT after `max_wait_ms`
 * in all, NATSKIT_MAX_REACHED after `max_msgs`, NATSKIT_STALLED when no further message came for `stall_ms`,
 * NATSKIT_SENTINEL with a message without data (option `sentinel`), NATSKIT_NO_RESPONDERS,
 * NATSKIT_PERMISSION, NATSKIT_DISCONNECTED (unless option `wait_reconnect`). `options` (scope REQUEST_MANY)
 * may be {0}: then it gathers for 1 s. Does not wait: NATSKIT_WOULD_BLOCK if the outbox is full. */
NATSKIT_API natskit_status natskit_request_many(natskit_conn conn, const char *subject, size_t subject_len,
                                                natskit_headers headers, const void *data, size_t data_len,
                                                natskit_options options, natskit_sub *out,
                                                natskit_error *err);

/* Publishes to the reply subject of `msg`, on the connection that it came from. NATSKIT_NO_REPLY if it has
 * none. */
NATSKIT_API natskit_status natskit_msg_respond(natskit_msg *msg, natskit_headers headers, const void *data,
                                               size_t data_len, int64_t timeout_ms);

/* --------------------------------------------------------------------------------------------- operations */

/* Outcomes: what is known of the effect. */
#define NATSKIT_OUTCOME_PENDING 0
#define NATSKIT_OUTCOME_DONE 1
#define NATSKIT_OUTCOME_NOT_SENT 2 /* it has no effect */
#define NATSKIT_OUTCOME_UNKNOWN 3  /* it was sent and no answer came */
#define NATSKIT_OUTCOME_REJECTED 4 /* the other side said no */

/* Waits until the operation has finished: NATSKIT_OK, or NATSKIT_TIMEOUT / NATSKIT_WOULD_BLOCK if it has not.
 * The operation's own result is told by natskit_op_result. */
NATSKIT_API natskit_status natskit_op_wait(natskit_op op, int64_t timeout_ms);

/* Returns the operation's own status (NATSKIT_PENDING while it runs), its `outcome` (may be NULL) and `err`.
 */
NATSKIT_API natskit_status natskit_op_result(natskit_op op, int32_t *outcome, natskit_error *err);

/* Gives the time from the operation's begin to its end, or until now while it runs (ns, monotonic). */
NATSKIT_API natskit_status natskit_op_duration(natskit_op op, int64_t *ns);

/* Takes the message of a finished operation; the caller owns its reference. NATSKIT_PENDING while it runs,
 * its own status if it failed, NATSKIT_NOT_FOUND if it has none or it was taken. */
NATSKIT_API natskit_status natskit_op_take_msg(natskit_op op, natskit_msg **out);

/* Cancels the operation if it still runs, wakes blocked callers with NATSKIT_CLOSED and releases the handle.
 * A late reply is dropped and counted. */
NATSKIT_API natskit_status natskit_op_close(natskit_op op);

/* ------------------------------------------------------------------------------------------------ messages
 */

/* Kinds of messages. */
#define NATSKIT_MSG_MESSAGE 1
#define NATSKIT_MSG_EVENT 2
#define NATSKIT_MSG_STATUS 3  /* see natskit_msg_status */
#define NATSKIT_MSG_PUB_ACK 4 /* what a published message came to */
#define NATSKIT_MSG_KV 5      /* see natskit_msg_kv */
#define NATSKIT_MSG_STORED 6  /* see natskit_msg_stored */
#define NATSKIT_MSG_SERVICE 7 /* a request of a service: all that a message has; see natskit_msg_service */
#define NATSKIT_MSG_OBJECT 8  /* see natskit_msg_object */

/* A received message: pointers into it, which live as long as it. */
typedef struct natskit_message_view {
    int32_t kind;        /* NATSKIT_MSG_* */
    int32_t status_code; /* of the header block's status line (503, 100, ...), or 0 */
    uint64_t sid;
    const char *subject; /* not NUL-terminated, as all text here */
    size_t subject_len;
    const char *reply;
    size_t reply_len;
    const void *data;
    size_t data_len;
    const void *header_block; /* as it was on the wire, or NULL */
    size_t header_block_len;
    const char *description; /* of the status line */
    size_t description_len;
} natskit_message_view;

/* Fills `view` without copying; an event or status has only its kind. `msg` must be a live reference. */
NATSKIT_API natskit_status natskit_msg_view(const natskit_msg *msg, natskit_message_view *view,
                                            size_t view_size);

/* Finds the index-th value, counting from 0, of header `name`. NATSKIT_NOT_FOUND if there are fewer. */
NATSKIT_API natskit_status natskit_msg_header(const natskit_msg *msg, const char *name, size_t name_len,
                                              int32_t match, size_t index, const char **value,
                                              size_t *value_len);

/* Gives the index-th header of the block in wire order; NATSKIT_NOT_FOUND past the last. */
NATSKIT_API natskit_status natskit_msg_header_at(const natskit_msg *msg, size_t index, const char **name,
                                                 size_t *name_len, const char **value, size_t *value_len);

/* Adds a reference: one more release is needed. */
NATSKIT_API natskit_status natskit_msg_retain(natskit_msg *msg);

/* Gives a reference back; the last one frees the message. NULL is allowed. */
NATSKIT_API natskit_status natskit_msg_release(natskit_msg *msg);

/* Releases `count` messages. */
NATSKIT_API natskit_status natskit_msg_release_batch(natskit_msg *const *msgs, size_t count);

/* -------------------------------------------------------------------------------------------------- acks
 *
 * What a JetStream consumer delivers is an ordinary message, by whatever subscription or request it came: its
 * reply subject begins with "$JS.ACK.", says which delivery it is, and takes the acks. Any other message
 * gives NATSKIT_NOT_JS_MESSAGE.
 *
 * Acks go out on the connection that the message came from, as by natskit_publish with timeout 0: they return
 * once they are in its outbox, from where they are sent after a reconnect, too, and do not wait for room:
 * NATSKIT_WOULD_BLOCK (natskit_room_start tells when there is some). Other errors: NATSKIT_CLOSED,
 * NATSKIT_DISCONNECTED (with `reconnect_buffer_bytes` 0), NATSKIT_DRAINING, NATSKIT_NO_MEMORY.
 *
 * A message takes one final ack (ack, nak, term, a confirmed ack): of several, also of several threads, the
 * first one wins, and the others give NATSKIT_ALREADY_ACKED and send nothing. One that was not accepted does
 * not count: the message can be acked again. */

/* What the reply subject of a message of a consumer tells of its delivery. */
typedef struct natskit_delivery_view {
    const char *stream; /* not NUL-terminated, as all text here */
    size_t stream_len;
    const char *consumer;
    size_t consumer_len;
    const char *domain; /* empty if there is none, or the server does not tell */
    size_t domain_len;
    const char *account; /* hash of the account; empty if the server does not tell */
    size_t account_len;
    uint64_t delivered; /* how often, this time included */
    uint64_t stream_seq;
    uint64_t consumer_seq;
    uint64_t pending;    /* messages that the consumer has still to deliver */
    int64_t time_ns;     /* when the stream stored it */
    int32_t redelivered; /* 1: it was delivered before */
    int32_t acked;       /* 1: a final ack was accepted; a confirmed one: once it is confirmed */
} natskit_delivery_view;

/* Fills `view` with what the reply subject tells. NATSKIT_NOT_JS_MESSAGE also for one that begins so and goes
 * on otherwise. */
NATSKIT_API natskit_status natskit_msg_delivery(const natskit_msg *msg, natskit_delivery_view *view,
                                                size_t view_size);

/* Acks: the message was processed. Costs as much as a natskit_publish. */
NATSKIT_API natskit_status natskit_msg_ack(natskit_msg *msg);

/* Asks for the message to be delivered once more: after `delay_ms`, or at once with 0. Negative values are
 * invalid. */
NATSKIT_API natskit_status natskit_msg_nak(natskit_msg *msg, int64_t delay_ms);

/* Tells that the message is still being processed, so that the server waits for another `ack_wait`. Not
 * final: it may be repeated until the message is acked. */
NATSKIT_API natskit_status natskit_msg_in_progress(natskit_msg *msg);

/* Tells that the message is never to be delivered again, although it was not processed. `reason` may be
 * empty; it goes into the server's advisory (server 2.11). NATSKIT_INVALID if it is not one line of valid
 * UTF-8 without control characters, NATSKIT_TOO_LARGE beyond the server's max_payload. */
NATSKIT_API natskit_status natskit_msg_term(natskit_msg *msg, const char *reason, size_t reason_len);

/* Acks `count` messages with one hand-over for those in a row that came from one connection. Stops at the
 * first that cannot be acked; `*acked` tells how many were, also on failure. */
NATSKIT_API natskit_status natskit_ack_batch(natskit_msg *const *msgs, size_t count, size_t *acked);

/* Acks and waits until the server has confirmed it. NATSKIT_TIMEOUT, NATSKIT_DISCONNECTED and the other
 * errors of natskit_request: whether the server has the ack is not known, and the message can be acked
 * again. Here the call does wait for room. */
NATSKIT_API natskit_status natskit_msg_ack_confirm(natskit_msg *msg, int64_t timeout_ms, natskit_error *err);

/* The same as an operation, with the server's empty message. `options` (scope REQUEST) may be {0}. Does not
 * wait: NATSKIT_WOULD_BLOCK if the outbox is full. While it runs the message takes no other final ack; if it
 * ends without success, or is closed before its end, the message can be acked again. */
NATSKIT_API natskit_status natskit_msg_ack_confirm_start(natskit_msg *msg, natskit_options options,
                                                         int64_t timeout_ms, natskit_op *op,
                                                         natskit_error *err);

/* ------------------------------------------------------------------------------------------------- events */

#define NATSKIT_EVENT_CONNECTED 1     /* first connect */
#define NATSKIT_EVENT_DISCONNECTED 2  /* `status` and `text` tell why */
#define NATSKIT_EVENT_RECONNECTING 3  /* a server is tried */
#define NATSKIT_EVENT_RECONNECTED 4   /* subscriptions were sent again */
#define NATSKIT_EVENT_SERVERS 5       /* the pool has changed; `count` is its size */
#define NATSKIT_EVENT_LAME_DUCK 6     /* the server will leave soon; see option move_on_lame_duck */
#define NATSKIT_EVENT_SLOW_CONSUMER 7 /* begin of an episode; `sid` and `subject` name the subscription */
/* The server sent -ERR and the connection stays. Or (TOO_LARGE, NO_HEADERS) `count` messages that waited are
 * not sent, of which `subject` is the first one's, since the server takes none like them. */
#define NATSKIT_EVENT_ASYNC_ERROR 8
#define NATSKIT_EVENT_STALE 9             /* pings were not answered; the connection is given up */
#define NATSKIT_EVENT_CLOSED 10           /* the last event */
#define NATSKIT_EVENT_PING 11             /* option `debug`: a ping goes out; `count` pings are unanswered */
#define NATSKIT_EVENT_FORCED_RECONNECT 12 /* natskit_conn_reconnect was called */
/* Option `answers`: servers will be tried again after `delay_ms`, unless natskit_conn_answer_delay says
 * otherwise within option `answer_timeout_ms`; `count` rounds of all servers were without success. */
#define NATSKIT_EVENT_DELAY_NEEDED 13
/* Options `answers` and `ask_auth`: a server wants to know who the user is; `text` is the nonce that it wants
 * signed (may be empty). Unless natskit_conn_answer_auth says so within option `answer_timeout_ms`, what is
 * configured counts. */
#define NATSKIT_EVENT_AUTH_NEEDED 14

/* An event of a connection. What a type of event has nothing to tell of is 0 or empty. */
typedef struct natskit_event_view {
    int32_t type;          /* NATSKIT_EVENT_* */
    natskit_status status; /* what went wrong, or 0 */
    uint64_t epoch;
    uint64_t sid;
    uint64_t count;
    int64_t time_ns;    /* wall clock */
    const char *server; /* url without user and password; not NUL-terminated, as all text here */
    size_t server_len;
    const char *subject;
    size_t subject_len;
    const char *text; /* the server's or the library's words */
    size_t text_len;
    uint64_t request; /* to be answered; 0: it asks for nothing */
    int64_t delay_ms; /* DELAY_NEEDED: the pause without an answer */
    uint64_t pending; /* SLOW_CONSUMER: messages in the full queue */
} natskit_event_view;

/* Fills `view` of a message of kind NATSKIT_MSG_EVENT; NATSKIT_INVALID for another kind. */
NATSKIT_API natskit_status natskit_msg_event(const natskit_msg *msg, natskit_event_view *view,
                                             size_t view_size);

/* ------------------------------------------------------------------------------------------------ waitset */

/* One object that became ready: a subscription that has messages or ended, an operation that finished. */
typedef struct natskit_ready {
    uint64_t object; /* the handle's id */
    uint64_t tag;    /* as given by the caller */
    int32_t kind;    /* NATSKIT_KIND_SUB or NATSKIT_KIND_OP */
    int32_t reserved;
} natskit_ready;

/* Opens a set of objects that are waited for together. */
NATSKIT_API natskit_status natskit_waitset_open(natskit_waitset *out);

/* Adds a subscription or operation, by its id, and arms it. It is reported once when ready, to one thread,
 * and is then disarmed; taking from a subscription until it is empty arms it again, and so does
 * natskit_waitset_arm. NATSKIT_BUSY if it is in another waitset; in this one already: the tag is replaced.
 * Closing the object removes it. */
NATSKIT_API natskit_status natskit_waitset_add(natskit_waitset waitset, uint64_t object, uint64_t tag);

/* Arms an object of the set; if it is ready now it is listed at once. NATSKIT_NOT_FOUND if it is not in the
 * set. */
NATSKIT_API natskit_status natskit_waitset_arm(natskit_waitset waitset, uint64_t object);

/* Removes an object. No wait that begins later reports it. */
NATSKIT_API natskit_status natskit_waitset_remove(natskit_waitset waitset, uint64_t object);

/* Collects up to `cap` records, waiting for the first until the deadline; `record_size` =
 * sizeof(natskit_ready). NATSKIT_TIMEOUT or NATSKIT_WOULD_BLOCK with `*count` 0; NATSKIT_CLOSED if the
 * waitset is closed meanwhile. */
NATSKIT_API natskit_status natskit_waitset_wait(natskit_waitset waitset, natskit_ready *records,
                                                size_t record_size, size_t cap, int64_t timeout_ms,
                                                size_t *count);

/* Gives a descriptor that is readable when records wait to be collected. It may be readable when bytes of a
 * connection have come, or requests wait to be sent, too: then natskit_waitset_wait, which is called with
 * time 0, sees to that, and brings what has become ready by it, perhaps nothing (NATSKIT_WOULD_BLOCK). It
 * belongs to the waitset, stays the same until that is closed, and must only be polled. */
NATSKIT_API natskit_status natskit_waitset_fd(natskit_waitset waitset, int32_t *fd);

/* Wakes blocked callers with NATSKIT_CLOSED and releases the handle; the objects live on. The descriptor is
 * closed when the last object that is still in the set is closed, removed, or added to another set. */
NATSKIT_API natskit_status natskit_waitset_close(natskit_waitset waitset);

/* ---------------------------------------------------------------------------------------------- jetstream
 *
 * A context says how the JetStream of the connection's account is spoken to. Names of streams and consumers
 * hold 1 to
 * 255 bytes without blanks, control characters and . * > / \ */

/* Opens a context with options of scope JETSTREAM ({0}: defaults). It sends nothing; call "account.info" asks
 * whether there is a JetStream. Closing the connection closes nothing of it but ends what it does. */
NATSKIT_API natskit_status natskit_js_open(natskit_conn conn, natskit_options options, natskit_js *out,
                                           natskit_error *err);

/* Releases the handle; what was opened with it lives on. */
NATSKIT_API natskit_status natskit_js_close(natskit_js js);

/* One call of the JetStream API, as natskit_js_call takes it by name. */
typedef struct natskit_js_call_info {
    const char *name;  /* "stream.create"; NUL-terminated and static, as the others */
    const char *args;  /* members of its arguments: "stream! config!"; those with a mark have to be given */
    const char *since; /* version that brought it */
    const char *text;  /* what it does and what its answer holds */
} natskit_js_call_info;

/* Fills `info` for the index-th call, counting from 0; NATSKIT_NOT_FOUND past the last. */
NATSKIT_API natskit_status natskit_js_call_at(size_t index, natskit_js_call_info *info, size_t info_size);

/* Types of fields of configurations. */
#define NATSKIT_FIELD_STRING 1
#define NATSKIT_FIELD_STRINGS 2
#define NATSKIT_FIELD_INTEGER 3
#define NATSKIT_FIELD_BOOLEAN 4
#define NATSKIT_FIELD_DURATION 5 /* nanoseconds, an integer */
#define NATSKIT_FIELD_DURATIONS 6
#define NATSKIT_FIELD_TIME 7   /* RFC 3339 */
#define NATSKIT_FIELD_CHOICE 8 /* one of the words in `values`, cut at '|' */
#define NATSKIT_FIELD_OBJECT 9 /* `values` names which */
#define NATSKIT_FIELD_OBJECTS 10
#define NATSKIT_FIELD_MAP 11 /* of strings */

/* A field of the configuration of a stream or consumer, as docs/jetstream.md lists it. */
typedef struct natskit_js_field_info {
    const char
        *object; /* "stream", "consumer", or one within them; NUL-terminated and static, as the others */
    const char *name;
    int32_t type;
    int32_t level; /* of the JetStream API that brought it; 0: any that is supported */
    const char *values;
    const char *text;
} natskit_js_field_info;

/* Fills `info` for the index-th field of the configurations of streams and consumers, counting from 0;
 * NATSKIT_NOT_FOUND past the last. */
NATSKIT_API natskit_status natskit_js_field_at(size_t index, natskit_js_field_info *info, size_t info_size);

/* Makes a call: `args` is an object (or {0} for none), `*answer` a new document with the server's answer, to
 * be closed. What the arguments hold beyond the names that the call itself needs goes to the server as it is,
 * so that fields of newer servers can be used; a server refuses fields that it does not know. Lists that the
 * server gives in pages come whole. Calls that only read are made again when the connection is lost
 * meanwhile. Errors beside those of a request: NATSKIT_UNKNOWN_OPTION (no call of that name; the text
 * suggests one), NATSKIT_INVALID (an argument is missing or no name), and those of JetStream. */
NATSKIT_API natskit_status natskit_js_call(natskit_js js, const char *call, size_t call_len,
                                           natskit_json args, int64_t timeout_ms, natskit_json *answer,
                                           natskit_error *err);

/* The same as an operation; natskit_op_json gives the answer. `options` is {0}. */
NATSKIT_API natskit_status natskit_js_call_start(natskit_js js, const char *call, size_t call_len,
                                                 natskit_json args, natskit_options options,
                                                 int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Opens a new document with the answer of an operation that has finished with NATSKIT_OK, and takes the
 * message out of it. NATSKIT_PENDING, its own status if it failed, NATSKIT_NOT_FOUND if it was taken or there
 * is none. */
NATSKIT_API natskit_status natskit_op_json(natskit_op op, natskit_json *out, natskit_error *err);

/* What became of a message that was published to a stream. Its texts live as long as the message that holds
 * it. */
typedef struct natskit_pub_ack {
    uint64_t id;           /* of the publisher's message; 0: of natskit_js_publish */
    uint64_t seq;          /* in the stream; 0 if it is not known to be there */
    natskit_status status; /* NATSKIT_OK, or why it is not known to be in the stream */
    int32_t outcome; /* NATSKIT_OUTCOME_*: rejected and not sent: it is in no stream; unknown: it may be */
    int32_t server_code; /* code that the server gave, or 0 */
    int32_t err_code;    /* JetStream error code, or 0 */
    int32_t duplicate;   /* 1: the stream had a message with this id before, which has that `seq` */
    int32_t reserved;
    const char *stream; /* empty if none has answered; not NUL-terminated, as the others */
    size_t stream_len;
    const char *domain; /* of the stream, if it was told */
    size_t domain_len;
    const char *text; /* what the server or the library says of an error; may be empty */
    size_t text_len;
    uint64_t count;    /* messages of the batch that was stored; 0: it was none */
    const char *batch; /* id of the batch */
    size_t batch_len;
    const char *value; /* of a counter, after the message: digits, perhaps behind a '-'; empty: no counter,
                          or more than 4,096 digits */
    size_t value_len;
} natskit_pub_ack;

/* Fills `view` of a message of kind NATSKIT_MSG_PUB_ACK; NATSKIT_INVALID for another kind. */
NATSKIT_API natskit_status natskit_msg_pub_ack(const natskit_msg *msg, natskit_pub_ack *view,
                                               size_t view_size);

/* Publishes a message to a stream and waits for its ack: `*ack` (may be NULL) gets a message of kind
 * NATSKIT_MSG_PUB_ACK, of which the caller owns one reference. `*outcome` (may be NULL) is set on failure,
 * too: whether the message may be in the stream all the same. What the headers Nats-Msg-Id,
 * Nats-Expected-..., Nats-TTL ask for is the stream's business. If no stream answers, as while a leader is
 * elected, the message is sent again, as the options publish_retries and publish_retry_wait_ms of the context
 * say: NATSKIT_NO_STREAM after that. After a lost connection it is sent again only with a header Nats-Msg-Id,
 * by which a stream knows what it has; otherwise NATSKIT_DISCONNECTED, with outcome unknown. Errors beside
 * those of natskit_publish: NATSKIT_TIMEOUT, NATSKIT_PERMISSION, NATSKIT_WRONG_LAST, NATSKIT_JS_LIMIT,
 * NATSKIT_SEALED, NATSKIT_JS_NOT_ENABLED, NATSKIT_JS_REFUSED
 * (`err` has the server's words and numbers), NATSKIT_INVALID_ACK. */
NATSKIT_API natskit_status natskit_js_publish(natskit_js js, const char *subject, size_t subject_len,
                                              natskit_headers headers, const void *data, size_t data_len,
                                              int64_t timeout_ms, natskit_msg **ack, int32_t *outcome,
                                              natskit_error *err);

/* The same as an operation; natskit_op_take_msg gives the ack, natskit_op_result error and outcome. `options`
 * (scope REQUEST) may be {0}. Does not wait: NATSKIT_WOULD_BLOCK if the outbox is full. */
NATSKIT_API natskit_status natskit_js_publish_start(natskit_js js, const char *subject, size_t subject_len,
                                                    natskit_headers headers, const void *data,
                                                    size_t data_len, natskit_options options,
                                                    int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Opens a publisher, which has many messages under way to streams at once, with options of scope PUBLISHER
 * ({0}: defaults), and the subscription of what becomes of them: messages of kind NATSKIT_MSG_PUB_ACK,
 * exactly one for each that was accepted, in the order in which that is known; with option acks "failures"
 * only those that are not known to be in the stream. Nothing of it is dropped: untaken ones are bounded
 * (option max_untaken), and a publish waits for them to be taken. Once the publisher has ended the
 * subscription gives what is left, then NATSKIT_END. Closing the subscription ends the publisher. Among the
 * connection's counters it stands as a request. A drain of the connection refuses new messages and waits for
 * the acks of the others. */
NATSKIT_API natskit_status natskit_publisher_open(natskit_js js, natskit_options options,
                                                  natskit_publisher *out, natskit_sub *acks,
                                                  natskit_error *err);

/* Publishes a message; `*id` (may be NULL) gets its number, 1 for the first of the publisher. Returns as soon
 * as it is in the connection's outbox. If the window is full (options max_pending, max_pending_bytes,
 * max_untaken), or the outbox, it waits for room: NATSKIT_TIMEOUT, or NATSKIT_WOULD_BLOCK with timeout 0.
 * Each message has ack_wait_ms for its ack: NATSKIT_TIMEOUT is its outcome's status then. It is sent again as
 * natskit_js_publish does (options retries and retry_wait_ms), after a reconnect if it has a header
 * Nats-Msg-Id; then it may come behind others that were published after it. One without that ends with
 * NATSKIT_DISCONNECTED if it was written to the connection that was lost; one that was not is sent by the
 * next, or ends with NATSKIT_TOO_LARGE if the server there takes none of its size. Errors as natskit_publish;
 * NATSKIT_CLOSED and NATSKIT_DRAINING once it has ended: then there is no id and no outcome. */
NATSKIT_API natskit_status natskit_publisher_publish(natskit_publisher publisher, const char *subject,
                                                     size_t subject_len, natskit_headers headers,
                                                     const void *data, size_t data_len, int64_t timeout_ms,
                                                     uint64_t *id);

/* The same for `count` messages, each `msg_size` = sizeof(natskit_outgoing) bytes apart, with an empty reply.
 * Stops at the first that cannot be accepted; `*published` tells how many were, also on failure, and `ids`
 * (room for `count` numbers; may be NULL) gets theirs. */
NATSKIT_API natskit_status natskit_publisher_publish_batch(natskit_publisher publisher,
                                                           const natskit_outgoing *msgs, size_t msg_size,
                                                           size_t count, int64_t timeout_ms, uint64_t *ids,
                                                           size_t *published);

/* Waits until all that was published before has its outcome, and it is in the queue. NATSKIT_OK says nothing
 * of what the outcomes are. */
NATSKIT_API natskit_status natskit_publisher_done(natskit_publisher publisher, int64_t timeout_ms,
                                                  natskit_error *err);

/* The same as an operation. `options` (scope REQUEST) may be {0}. Does not wait. */
NATSKIT_API natskit_status natskit_publisher_done_start(natskit_publisher publisher, natskit_options options,
                                                        int64_t timeout_ms, natskit_op *op,
                                                        natskit_error *err);

/* An operation that finishes when the window has room for a message of `bytes` bytes (subject, headers and
 * data), for callers that publish with timeout 0; natskit_room_start tells of the outbox. `options` (scope
 * REQUEST) may be {0}. Does not wait. */
NATSKIT_API natskit_status natskit_publisher_room_start(natskit_publisher publisher, natskit_options options,
                                                        uint64_t bytes, int64_t timeout_ms, natskit_op *op,
                                                        natskit_error *err);

/* Counters of a publisher, and what limits it. */
typedef struct natskit_publisher_info {
    uint64_t published;     /* messages accepted so far */
    uint64_t pending;       /* of those, without an outcome yet */
    uint64_t pending_bytes; /* subject, headers and data of those */
    uint64_t acked;         /* known to be in the stream */
    uint64_t duplicates;    /* of those, which were there before */
    uint64_t failed;        /* with another outcome; published = pending + acked + failed */
    uint64_t retried;       /* sends because no stream had answered, or one had the id under way */
    uint64_t resent;        /* sends after a reconnect */
    uint64_t late;          /* answers that came after the outcome, or for no message */
    uint64_t untaken;       /* outcomes in the queue */
    natskit_status
        reason; /* what publishing gives since it has ended, or is being drained; 0 while it lives */
    int32_t reserved;
} natskit_publisher_info;

/* Fills `info`. */
NATSKIT_API natskit_status natskit_publisher_info_get(natskit_publisher publisher,
                                                      natskit_publisher_info *info, size_t info_size);

/* Ends the publisher and releases the handle: messages without an outcome get NATSKIT_CLOSED, outcome
 * unknown, or not sent if that is certain. natskit_publisher_done before it waits for their acks. */
NATSKIT_API natskit_status natskit_publisher_close(natskit_publisher publisher);

/* What a message asks of its stream, as headers. A whole number is added to the counter of the subject
 * ("+5", "-3"; allow_msg_counter); the data are empty, and natskit_pub_ack.value is the sum. */
#define NATSKIT_HEADER_INCREMENT "Nats-Incr"
/* Seconds ("30"), a duration of at least 1 s ("1h30m", "1500ms") or "never" (allow_msg_ttl). */
#define NATSKIT_HEADER_TTL "Nats-TTL"
/* When messages are made of this one (allow_msg_schedules): "@at 2030-01-01T00:00:00Z", "@every 5m", six
 * fields of seconds to days of the week, or "@hourly", "@daily", ...; the subject they get; and, all
 * optional, the subject whose last message gives their data, their time to live, the time zone of the fields,
 * and "sub" if each replaces the one before. */
#define NATSKIT_HEADER_SCHEDULE "Nats-Schedule"
#define NATSKIT_HEADER_SCHEDULE_TARGET "Nats-Schedule-Target"
#define NATSKIT_HEADER_SCHEDULE_SOURCE "Nats-Schedule-Source"
#define NATSKIT_HEADER_SCHEDULE_TTL "Nats-Schedule-TTL"
#define NATSKIT_HEADER_SCHEDULE_TIME_ZONE "Nats-Schedule-Time-Zone"
#define NATSKIT_HEADER_SCHEDULE_ROLLUP "Nats-Schedule-Rollup"
/* Both end a schedule: its subject, and "purge"; on a message to another subject of the stream. */
#define NATSKIT_HEADER_SCHEDULER "Nats-Scheduler"
#define NATSKIT_HEADER_SCHEDULE_NEXT "Nats-Schedule-Next"

/* Where a message comes from, by headers that servers write. Texts are not NUL-terminated, live as long as
 * the message, and are empty where nothing is told, as numbers are 0. */
typedef struct natskit_origin {
    const char *stream; /* that published it again (republish), or a direct get's */
    size_t stream_len;
    const char *subject; /* it has there */
    size_t subject_len;
    uint64_t seq;              /* there */
    uint64_t last_seq;         /* of the message of that subject before it */
    int64_t time_ns;           /* when it was stored there: since 1970 UTC */
    uint64_t size;             /* bytes of data that were left out (headers_only) */
    const char *source_stream; /* that the stream has taken it from (sources); of another account or domain
                                  with a ':' and a hash behind it */
    size_t source_stream_len;
    uint64_t source_seq; /* there */
    const char *source_filter;
    size_t source_filter_len;
    const char *source_transform; /* ">" for none */
    size_t source_transform_len;
    const char *source_subject; /* it had there */
    size_t source_subject_len;
    const char *marker; /* "MaxAge", "Purge" or "Remove": it stands for messages that went so */
    size_t marker_len;
    const char *scheduler; /* subject of the schedule that has made it */
    size_t scheduler_len;
    const char *schedule_next; /* when the next one is made (RFC 3339), or "purge": it was the last */
    size_t schedule_next_len;
    const char *increment; /* of a counter */
    size_t increment_len;
    const char *counter_sources; /* JSON: {"STREAM":{"subject":"digits"}} */
    size_t counter_sources_len;
} natskit_origin;

/* Fills `view`. NATSKIT_NOT_FOUND if no header tells of it; NATSKIT_INVALID for a message of another kind
 * than NATSKIT_MSG_MESSAGE. Who may publish to the subject may write such headers, too. */
NATSKIT_API natskit_status natskit_msg_origin(const natskit_msg *msg, natskit_origin *view, size_t view_size);

/* Gives the digits, perhaps behind a '-', of the value of a counter, which live as long as the message: one
 * of a stream, delivered or stored (NATSKIT_MSG_STORED). NATSKIT_NOT_FOUND if the data are something else. */
NATSKIT_API natskit_status natskit_msg_counter(const natskit_msg *msg, const char **value, size_t *value_len);

/* Adds a whole number, digits that may stand behind a sign ("5", "-3", up to 4,096 of them), to the counter
 * of a subject, of a stream with allow_msg_counter. `headers` may be {0}; `*ack` (may be NULL) gets a message
 * of kind NATSKIT_MSG_PUB_ACK, whose `value` is the sum. With a Nats-Msg-Id it is sent again when the
 * connection is lost meanwhile, and counted once (of one that was counted before it is the sum as it is by
 * now); without one the outcome is unknown then. Otherwise as natskit_js_publish: NATSKIT_COUNTER_REFUSED
 * (the stream is no counter); NATSKIT_INVALID_ACK, outcome unknown: the stream has stored it, but tells no
 * sum (servers before 2.12; sums of more than 4,096 digits). */
NATSKIT_API natskit_status natskit_js_increment(natskit_js js, const char *subject, size_t subject_len,
                                                const char *by, size_t by_len, natskit_headers headers,
                                                int64_t timeout_ms, natskit_msg **ack, int32_t *outcome,
                                                natskit_error *err);

/* The same as an operation; natskit_op_take_msg gives the ack. `options` (scope REQUEST) may be {0}. */
NATSKIT_API natskit_status natskit_js_increment_start(natskit_js js, const char *subject, size_t subject_len,
                                                      const char *by, size_t by_len, natskit_headers headers,
                                                      natskit_options options, int64_t timeout_ms,
                                                      natskit_op *op, natskit_error *err);

/* Gives what was added up of other streams (sources), by the header of a stored counter: a document
 * {"STREAM":{"subject":"digits"}}. NATSKIT_NOT_FOUND if it has no sources. */
NATSKIT_API natskit_status natskit_msg_counter_sources(const natskit_msg *msg, natskit_json *out,
                                                       natskit_error *err);

/* Reads digits behind an optional sign, as values of counters are. NATSKIT_LIMIT if they do not fit int64_t,
 * NATSKIT_INVALID if they are none. */
NATSKIT_API natskit_status natskit_counter_int(const char *digits, size_t digits_len, int64_t *out);

/* ------------------------------------------------------------------------------------------------ batches
 *
 * An atomic batch (server 2.12, streams with allow_atomic) holds messages for one stream that are stored
 * together, one behind the other, or not at all. It is gathered in memory; nothing is sent before the commit,
 * so it may take any time and outlives lost connections. */

/* Opens an empty batch, with options of scope BATCH ({0}: defaults). */
NATSKIT_API natskit_status natskit_batch_open(natskit_js js, natskit_options options, natskit_batch *out,
                                              natskit_error *err);

/* Adds a message; sends nothing and does not wait. NATSKIT_INVALID for headers that the server would refuse,
 * some only with the commit: Nats-Batch-..., Nats-Expected-Last-Msg-Id, Nats-Expected-Last-Sequence after
 * the first message, Nats-Expected-Last-Subject-Sequence for a subject that the batch writes before, a
 * Nats-Msg-Id that it has already. NATSKIT_LIMIT beyond 1,000 messages or option max_bytes;
 * NATSKIT_TOO_LARGE; NATSKIT_CLOSED once a commit was begun. After an error the batch is as before. */
NATSKIT_API natskit_status natskit_batch_add(natskit_batch batch, const char *subject, size_t subject_len,
                                             natskit_headers headers, const void *data, size_t data_len,
                                             natskit_error *err);

/* Sends the batch and waits until it is stored: `*ack` (may be NULL) gets a message of kind
 * NATSKIT_MSG_PUB_ACK with the sequence of its last message, `count` and `batch`; the caller owns one
 * reference. `*outcome` (may be NULL) is set on failure, too: NATSKIT_OUTCOME_UNKNOWN only if the last frame
 * was sent and not answered; otherwise nothing of the batch is stored. As long as that frame was not sent,
 * the batch is sent anew, under another id, when the connection is lost, or (publish_retries of the context)
 * when the stream has forgotten it or has no leader. A batch is committed once; only if the first message
 * could not be sent at all it may be committed again. Asks for the account's info once per context, since an
 * older server would store each message for itself: NATSKIT_API_LEVEL. Errors beside those of
 * natskit_js_publish: NATSKIT_INVALID (no message), NATSKIT_BATCH_NOT_ALLOWED, NATSKIT_BATCH_INCOMPLETE,
 * NATSKIT_BATCH_REFUSED, NATSKIT_BATCH_LIMIT, NATSKIT_CLOSED. */
NATSKIT_API natskit_status natskit_batch_commit(natskit_batch batch, int64_t timeout_ms, natskit_msg **ack,
                                                int32_t *outcome, natskit_error *err);

/* The same as an operation; natskit_op_take_msg gives the ack, natskit_op_result error and outcome. `options`
 * (scope REQUEST) may be {0}. Does not wait: NATSKIT_WOULD_BLOCK if the outbox is full. */
NATSKIT_API natskit_status natskit_batch_commit_start(natskit_batch batch, natskit_options options,
                                                      int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* What a batch holds, and what has become of it. */
typedef struct natskit_batch_info {
    uint64_t msgs;
    uint64_t bytes;    /* of subjects, headers (with those of the batch) and data */
    int32_t committed; /* 1: a commit was begun */
    int32_t reserved;
} natskit_batch_info;

/* Fills `info`. */
NATSKIT_API natskit_status natskit_batch_info_get(natskit_batch batch, natskit_batch_info *info,
                                                  size_t info_size);

/* Releases the handle. What was not committed is discarded; a commit that was begun goes on. */
NATSKIT_API natskit_status natskit_batch_close(natskit_batch batch);

/* Fast ingest (server 2.14, streams with allow_batched): many messages to one stream, which keeps their order
 * and acks them by and by. It is faster than a publisher, and stores what came of it also if it is never
 * committed. Each message has a number, by which the stream sees what does not come. A lost connection loses
 * at most what was under way, and that shows as a gap; nothing is sent twice. */

/* Opens one, with options of scope INGEST ({0}: defaults), and the subscription of what is not stored:
 * messages of kind NATSKIT_MSG_PUB_ACK, for a message that the stream refuses its number as `id` and why; for
 * messages that did not come the number of the first, NATSKIT_BATCH_INCOMPLETE, and `count`. With option
 * on_gap "fail" the stream ends the batch before the first of them. Closing the subscription ends the ingest;
 * it ends by itself with the ingest, and its reason has the words. A drain of the connection commits. */
NATSKIT_API natskit_status natskit_ingest_open(natskit_js js, natskit_options options, natskit_ingest *out,
                                               natskit_sub *failures, natskit_error *err);

/* Publishes a message; `*seq` (may be NULL) gets its number, 1 for the first. Returns as soon as it is in the
 * connection's outbox. The first one goes alone, until the stream has answered; then as many may be under way
 * as the stream says. Beyond that, or if the outbox is full, it waits for room: NATSKIT_TIMEOUT, or
 * NATSKIT_WOULD_BLOCK with timeout 0. All have to be of one stream. Errors as natskit_publish; NATSKIT_CLOSED
 * once a commit was begun; and what the ingest has ended with: NATSKIT_BATCH_NOT_ALLOWED, NATSKIT_BATCH_LIMIT
 * (1,000 are open), NATSKIT_BATCH_INCOMPLETE (a gap, or the stream has forgotten it: another leader, or 10 s
 * without a connection), NATSKIT_NO_STREAM, NATSKIT_TIMEOUT (no answer within ack_wait_ms), or with on_gap
 * "fail" what a message was refused for. */
NATSKIT_API natskit_status natskit_ingest_publish(natskit_ingest ingest, const char *subject,
                                                  size_t subject_len, natskit_headers headers,
                                                  const void *data, size_t data_len, int64_t timeout_ms,
                                                  uint64_t *seq);

/* An operation that finishes when one more message may be under way, for callers that publish with timeout 0;
 * natskit_room_start tells of the outbox. `options` (scope REQUEST) may be {0}. Does not wait. */
NATSKIT_API natskit_status natskit_ingest_room_start(natskit_ingest ingest, natskit_options options,
                                                     int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Ends it and waits until all is stored: `*ack` (may be NULL) gets a message of kind NATSKIT_MSG_PUB_ACK with
 * the last sequence in the stream, and as `count` the number of the last message that the stream has looked
 * at, gaps and refused ones with it; the caller owns one reference. With on_gap "fail" it succeeds only if
 * each message is stored; else it fails with the first failure, and `acked` of the info tells how many are.
 * `*outcome` (may be NULL): NATSKIT_OUTCOME_UNKNOWN if nobody knows of the messages behind `acked`, else
 * NATSKIT_OUTCOME_REJECTED. May be called again, and then tells the same. NATSKIT_INVALID if nothing was
 * published. */
NATSKIT_API natskit_status natskit_ingest_commit(natskit_ingest ingest, int64_t timeout_ms, natskit_msg **ack,
                                                 int32_t *outcome, natskit_error *err);

/* The same as an operation; natskit_op_take_msg gives the ack, natskit_op_result error and outcome. `options`
 * (scope REQUEST) may be {0}. Does not wait. */
NATSKIT_API natskit_status natskit_ingest_commit_start(natskit_ingest ingest, natskit_options options,
                                                       int64_t timeout_ms, natskit_op *op,
                                                       natskit_error *err);

/* What an ingest tells of itself. */
typedef struct natskit_ingest_info {
    uint64_t published;    /* messages accepted so far: the number of the last one */
    uint64_t acked;        /* all up to this number are in the stream, but those of gaps and refused ones */
    uint64_t refused;      /* messages that the stream has refused */
    uint64_t lost;         /* messages of gaps */
    uint64_t window;       /* messages that may be under way at present */
    uint64_t pings;        /* how often the stream was asked where it is */
    uint64_t untaken;      /* failures in the subscription */
    natskit_status reason; /* what it has ended with; 0 while it lives, and after a commit that succeeded */
    int32_t committed;     /* 1: a commit was begun */
} natskit_ingest_info;

/* Fills `info`. */
NATSKIT_API natskit_status natskit_ingest_info_get(natskit_ingest ingest, natskit_ingest_info *info,
                                                   size_t info_size);

/* Releases the handle; without a commit before it what is under way may be stored or not. */
NATSKIT_API natskit_status natskit_ingest_close(natskit_ingest ingest);

/* ---------------------------------------------------------------------------------------------- consuming
 *
 * Messages of a pull consumer come through a subscription, to be taken, waited for, drained and closed like
 * any other. They have the subject of the stream, and a reply subject that acks go to. Its queue drops
 * nothing, since only what fits is asked for. What was not taken when it is closed, the server gives out
 * again after `ack_wait`; draining it first asks for no more and leaves nothing. Connections that are lost,
 * servers that restart and consumers whose leader moves are its own business. */

/* Asks once, and gives a subscription that ends with the answer (options of scope FETCH; {0}: up to 100
 * messages in 30 s). Nothing there is no error; natskit_sub_reason tells why it has ended:
 * NATSKIT_MAX_REACHED all that was asked for has come; NATSKIT_TIMEOUT the time was over; NATSKIT_NOT_FOUND
 * there was no more (option `no_wait`); NATSKIT_CONSUMER_NOT_FOUND, NATSKIT_STREAM_NOT_FOUND,
 * NATSKIT_CONSUMER_DELETED, NATSKIT_JS_NOT_ENABLED; NATSKIT_PULL_REFUSED with the server's words and code (a
 * push consumer, more than the consumer allows, too many requests); NATSKIT_API_LEVEL; NATSKIT_PERMISSION;
 * NATSKIT_HEARTBEATS_MISSED; NATSKIT_NO_RESPONDERS the consumer has no leader; NATSKIT_DISCONNECTED its time
 * ended without a connection; NATSKIT_CLOSED. What came until then can be taken first. Does not wait. */
NATSKIT_API natskit_status natskit_js_fetch(natskit_js js, const char *stream, size_t stream_len,
                                            const char *consumer, size_t consumer_len,
                                            natskit_options options, natskit_sub *out, natskit_error *err);

/* Waits for one message, of which the caller owns one reference; with timeout 0 it takes what the server has
 * now. NATSKIT_TIMEOUT if there was none, otherwise as a fetch ends. No message gets lost: it ends only when
 * none can come any more, which a server may say up to a second after the deadline (two, if it says nothing).
 * With timeout 0 and no connection NATSKIT_DISCONNECTED at once. */
NATSKIT_API natskit_status natskit_js_next(natskit_js js, const char *stream, size_t stream_len,
                                           const char *consumer, size_t consumer_len, int64_t timeout_ms,
                                           natskit_msg **msg, natskit_error *err);

/* The same with options of scope FETCH: `group`, `priority`, `min_pending`, `min_ack_pending`, `pin_id`
 * (priority groups) and `bind` are as there; the others are not used. {0} is natskit_js_next. While another
 * client of a group of policy pinned_client has the messages it waits. */
NATSKIT_API natskit_status natskit_js_next_with(natskit_js js, const char *stream, size_t stream_len,
                                                const char *consumer, size_t consumer_len,
                                                natskit_options options, int64_t timeout_ms,
                                                natskit_msg **msg, natskit_error *err);

/* Gives a subscription that asks again and again (options of scope CONSUME; {0}: up to 100 messages ahead).
 * What is outstanding and what waits in the queue never exceed the limit together; more is asked for when
 * they have fallen to a threshold. It ends by itself only for what will not change: NATSKIT_PULL_REFUSED,
 * NATSKIT_API_LEVEL, NATSKIT_PERMISSION, NATSKIT_CLOSED, and with option `abort_on_missing`
 * NATSKIT_CONSUMER_DELETED, NATSKIT_CONSUMER_NOT_FOUND or NATSKIT_STREAM_NOT_FOUND, which it otherwise waits
 * out. Does not wait. */
NATSKIT_API natskit_status natskit_js_consume(natskit_js js, const char *stream, size_t stream_len,
                                              const char *consumer, size_t consumer_len,
                                              natskit_options options, natskit_sub *out, natskit_error *err);

/* Counters of a subscription of natskit_js_fetch, natskit_js_next and natskit_js_consume. */
typedef struct natskit_pull_info {
    uint64_t open_pulls;  /* requests that wait at the server */
    uint64_t ahead_msgs;  /* asked for and still to come */
    uint64_t ahead_bytes; /* the same if there is a limit of bytes */
    uint64_t pulls;       /* requests made, as the other counters since the begin */
    uint64_t msgs;        /* that came */
    uint64_t bytes;       /* of those: subject, reply, headers and data */
    uint64_t heartbeats;
    uint64_t statuses; /* without heartbeats */
    uint64_t unknown;  /* of those, or what else came to the inbox */
    uint64_t missed;   /* how often two heartbeats in a row did not come */
    uint64_t given_up; /* requests that the server did not end in time */
    uint64_t infos;    /* how often the consumer's info was asked for */
    int32_t missing;   /* 1: there is no such consumer at the moment */
    int32_t paused;    /* 1: it waits before it asks again */
    int32_t last_code; /* of the last status, and its text; NUL-terminated */
    char last_text[128];
} natskit_pull_info;

/* Fills `info`. NATSKIT_NOT_FOUND if the subscription has ended, or is not to a consumer. */
NATSKIT_API natskit_status natskit_sub_pull_info(natskit_sub sub, natskit_pull_info *info, size_t info_size);

/* Reads a stream in its order (options of scope ORDERED; {0}: all of it, and what comes from then on). The
 * messages are those of natskit_js_fetch, but need no ack. None comes twice, and none is left out that the
 * stream still holds when it is sent, whatever happens to connection, server and consumer meanwhile; slow
 * taking holds the server up and loses nothing. With option `marker` a message of kind NATSKIT_MSG_STATUS and
 * type NATSKIT_STATUS_INITIAL_DONE comes once, when all that there was at the begin has come, at once if
 * there was nothing. It ends, beside as every subscription, with NATSKIT_STREAM_NOT_FOUND, also when the
 * stream is deleted; NATSKIT_JS_REFUSED for what the server does not accept; NATSKIT_PERMISSION; or with
 * option `ends` NATSKIT_MAX_REACHED when what there was has come. NATSKIT_INVALID names an option that does
 * not fit the others, and nothing is sent. Does not wait. */
NATSKIT_API natskit_status natskit_js_ordered(natskit_js js, const char *stream, size_t stream_len,
                                              natskit_options options, natskit_sub *out, natskit_error *err);

/* Counters of a watch, and of a stream that is read in order. A consumer that is made only to look for what
 * was replaced meanwhile, or to read from where it began, is no reset. */
typedef struct natskit_watch_info {
    uint64_t resets;      /* consumers that were made after the first */
    uint64_t last_seq;    /* sequence in the stream (of a watch: revision) up to which all has come */
    uint64_t passed;      /* messages of consumers before, or that came again: passed over */
    uint64_t rewinds;     /* the stream was found to end before that: another of its name, or after a loss */
    int32_t live;         /* 1: its consumer is there, as far as is known */
    int32_t initial_done; /* 1: what there was at the begin has come (without `marker` and `ends`: as many) */
} natskit_watch_info;

/* Fills `info` of a subscription of natskit_js_ordered or natskit_kv_watch. NATSKIT_NOT_FOUND if it has
 * ended, or is another one. */
NATSKIT_API natskit_status natskit_sub_watch_info(natskit_sub sub, natskit_watch_info *info,
                                                  size_t info_size);

/* Of natskit_js_get_msg. */
#define NATSKIT_GET_NEXT 1u      /* the first message of the subject at or behind `seq`, or `start_time_ns` */
#define NATSKIT_GET_BY_LEADER 2u /* not directly: what the stream's leader holds at this moment */

/* Gives one message of a stream, as a message of kind NATSKIT_MSG_STORED. Without a subject (length 0) that
 * of sequence `seq`, or the first that was stored at `start_time_ns` (since 1970 UTC) or later; with one,
 * wildcards allowed, its last, or with NATSKIT_GET_NEXT the first of it from a sequence or time on (0: the
 * begin). Each server with the stream's messages, a mirror too, may answer, and may be a little behind; where
 * the stream does not allow that, the leader is asked. NATSKIT_MSG_NOT_FOUND, NATSKIT_STREAM_NOT_FOUND,
 * NATSKIT_INVALID (what does not fit together), or as natskit_request. It is asked again when the connection
 * is lost meanwhile. */
NATSKIT_API natskit_status natskit_js_get_msg(natskit_js js, const char *stream, size_t stream_len,
                                              uint64_t seq, const char *subject, size_t subject_len,
                                              int64_t start_time_ns, uint32_t flags, int64_t timeout_ms,
                                              natskit_msg **msg, natskit_error *err);

/* The same as an operation, which natskit_op_take_msg gives the message of. `options` is {0}. */
NATSKIT_API natskit_status natskit_js_get_msg_start(natskit_js js, const char *stream, size_t stream_len,
                                                    uint64_t seq, const char *subject, size_t subject_len,
                                                    int64_t start_time_ns, uint32_t flags,
                                                    natskit_options options, int64_t timeout_ms,
                                                    natskit_op *op, natskit_error *err);

/* Reads messages of a stream without a consumer (options of scope GET_BATCH; {0}: all that there are). The
 * subscription yields messages of kind NATSKIT_MSG_STORED in the stream's order, none twice and none left out
 * that the stream still holds when it is asked for, whatever happens to the connection meanwhile; they are
 * asked for as they are taken. It ends, beside as every subscription, with NATSKIT_MAX_REACHED when all that
 * was asked for, or all that there is, has come; at once with NATSKIT_NO_DIRECT (allow_direct is off, or
 * there is no such stream) or NATSKIT_NO_BATCH (a server before 2.11); NATSKIT_TIMEOUT if the server has not
 * answered several times in a row; NATSKIT_JS_REFUSED; NATSKIT_PERMISSION. NATSKIT_INVALID names an option
 * that does not fit the others, and nothing is sent. Does not wait. */
NATSKIT_API natskit_status natskit_js_get_batch(natskit_js js, const char *stream, size_t stream_len,
                                                natskit_options options, natskit_sub *out,
                                                natskit_error *err);

/* The same for the last message of each subject (options of scope GET_LAST; {0}: of all subjects): a snapshot
 * of what the stream holds at one sequence, its present end unless asked for otherwise, however many pages it
 * takes. NATSKIT_JS_LIMIT ends it if one of the subjects asked for matches more than 1,024 (an ordered
 * consumer with last_per_subject reads those); of a longer list the parts come one after the other.
 * NATSKIT_SNAPSHOT_CHANGED, behind all that could be read: messages of the snapshot were replaced, where the
 * stream does not keep them, or removed before they were read. */
NATSKIT_API natskit_status natskit_js_get_last(natskit_js js, const char *stream, size_t stream_len,
                                               natskit_options options, natskit_sub *out, natskit_error *err);

/* A message as a stream keeps it. */
typedef struct natskit_stored_view {
    const char *stream; /* that answered, perhaps a mirror; not NUL-terminated, as all text here */
    size_t stream_len;
    const char *subject; /* that it was published to */
    size_t subject_len;
    const void *data;
    size_t data_len;
    const void *header_block; /* the publisher's, without its last, empty line; NULL: none */
    size_t header_block_len;
    uint64_t seq;
    int64_t time_ns;  /* when it was stored: since 1970 UTC */
    uint64_t pending; /* of several: messages that were known to be behind it, limits aside; else 0 */
} natskit_stored_view;

/* Fills `view` of a message of kind NATSKIT_MSG_STORED; NATSKIT_INVALID for another. Its headers, as all
 * functions give them, are the publisher's: what the server adds of its own is in the view. */
NATSKIT_API natskit_status natskit_msg_stored(const natskit_msg *msg, natskit_stored_view *view,
                                              size_t view_size);
/* Subscribes to a push consumer, which delivers by itself (options of scope PUSH; {0}: a new one for all
 * messages of the subject). `subject` may be empty if option `stream` or the consumer says enough. A consumer
 * that option `durable` or `name` names is used if it exists and is configured as asked for, and made if it
 * does not exist; without a name a new one is made. Messages are those of natskit_js_fetch, and want acks but
 * with ack policy none. With flow control (the default without a queue group) slow taking holds the server
 * up, and nothing is dropped; else the queue has the limits of the options.
 *
 * It lives through lost connections, servers that restart and leaders that change. A consumer without a
 * durable name that has vanished meanwhile is made again (option `bind`: not), and a status says so: messages
 * that came within the last ack_wait come again then, so that none is left out. It ends, beside as every
 * subscription, with NATSKIT_CONSUMER_DELETED; NATSKIT_CONSUMER_NOT_FOUND, NATSKIT_STREAM_NOT_FOUND;
 * NATSKIT_PERMISSION; NATSKIT_MAX_REACHED (option `max_msgs`). Closing it deletes the consumer if it has made
 * it, without a durable name; draining it leaves that to the server, since acks are still to come.
 *
 * Waits until the consumer is there. NATSKIT_ALREADY_EXISTS: it is configured otherwise, and the text names
 * the member; NATSKIT_BUSY: another subscription is bound to it, and it has no queue group;
 * NATSKIT_STREAM_NOT_FOUND, NATSKIT_CONSUMER_NOT_FOUND; NATSKIT_JS_REFUSED; NATSKIT_JS_NOT_ENABLED;
 * NATSKIT_INVALID names an option that does not fit the others, and nothing is sent; NATSKIT_TIMEOUT. */
NATSKIT_API natskit_status natskit_js_subscribe(natskit_js js, const char *subject, size_t subject_len,
                                                natskit_options options, int64_t timeout_ms, natskit_sub *out,
                                                natskit_error *err);

/* The same without waiting: the subscription is there at once; `op` finishes when its consumer is, with the
 * consumer's info (JSON) as message, or with what natskit_js_subscribe gives, which is also why the
 * subscription ends then. Closing `op` changes nothing about the subscription. */
NATSKIT_API natskit_status natskit_js_subscribe_start(natskit_js js, const char *subject, size_t subject_len,
                                                      natskit_options options, int64_t timeout_ms,
                                                      natskit_sub *out, natskit_op *op, natskit_error *err);

/* What a subscription of natskit_js_subscribe does at this moment. */
typedef struct natskit_push_info {
    char stream[256];   /* NUL-terminated; empty before they are known */
    char consumer[256]; /* another one each time that it is made again without a name */
    uint64_t msgs;      /* that came */
    uint64_t heartbeats;
    uint64_t flow_requests; /* of the server, each answered when what came before it was taken */
    uint64_t missed;        /* how often two heartbeats in a row did not come */
    uint64_t recreated;     /* consumers that were made after the first */
    uint64_t lost;          /* messages that the server has sent, by its heartbeats, and that have not come */
    uint64_t unknown;       /* what came and was neither a message of a consumer nor a known status */
    int32_t live;           /* 1: the consumer is there, as far as is known */
    int32_t made;           /* 1: by this subscription */
} natskit_push_info;

/* Fills `info` of a subscription of natskit_js_subscribe. NATSKIT_NOT_FOUND if it has ended, or is another
 * one. */
NATSKIT_API natskit_status natskit_sub_push_info(natskit_sub sub, natskit_push_info *info, size_t info_size);

/* Asks for a snapshot of a stream, with the arguments of call stream.snapshot (`stream`; `no_consumers`,
 * `chunk_size`, ...; not deliver_subject). `out` yields its chunks in order as messages, whose data together
 * are the snapshot (a compressed archive); it ends with NATSKIT_SENTINEL behind the last one, else with
 * NATSKIT_JS_REFUSED (the server has given it up), NATSKIT_DISCONNECTED or NATSKIT_HEARTBEATS_MISSED, and
 * then is not whole. `answer` has the stream's `config` and `state`, which go with it: call stream.restore
 * takes both, and its answer has a `deliver_subject`, to which each chunk is published as a request (its
 * reply is empty), and at last an empty one, whose reply is the stream's info. Waits for the answer, as
 * natskit_js_call. */
NATSKIT_API natskit_status natskit_js_snapshot(natskit_js js, natskit_json args, int64_t timeout_ms,
                                               natskit_sub *out, natskit_json *answer, natskit_error *err);

/* The same without waiting; `op` finishes as that of natskit_js_call_start. If it fails, nothing comes: close
 * the subscription. */
NATSKIT_API natskit_status natskit_js_snapshot_start(natskit_js js, natskit_json args, int64_t timeout_ms,
                                                     natskit_sub *out, natskit_op *op, natskit_error *err);

/* Gives a chunk of a snapshot back to the server, which makes the stream of it: call "stream.restore" (with
 * the stream, and `config` and `state` of the snapshot's answer) tells the subject, `deliver_subject`. Chunks
 * go one after the other, in their order; an empty one, of length 0, ends it, and `*info` (may be NULL) gets
 * what the stream is then, and {0} before. If the server refuses one, as natskit_js_call, or
 * NATSKIT_NO_RESPONDERS, or an answer does not come, it has given the restore up, or soon will.
 * NATSKIT_TOO_LARGE: a chunk is more than the server takes as a message; it may be cut in pieces. */
NATSKIT_API natskit_status natskit_js_restore_chunk(natskit_js js, const char *subject, size_t subject_len,
                                                    const void *data, size_t data_len, int64_t timeout_ms,
                                                    natskit_json *info, natskit_error *err);

/* The same as an operation; of an empty chunk natskit_op_json gives the info. `options` (scope REQUEST) may
 * be {0}. The chunk is copied. */
NATSKIT_API natskit_status natskit_js_restore_chunk_start(natskit_js js, const char *subject,
                                                          size_t subject_len, const void *data,
                                                          size_t data_len, natskit_options options,
                                                          int64_t timeout_ms, natskit_op *op,
                                                          natskit_error *err);

/* Subjects on which servers tell what happens to streams and consumers, to be subscribed to as any other:
 * each message is a JSON object, the last token of whose `type` is its kind ("stream_action", "max_deliver",
 * ...). */
#define NATSKIT_ADVISORIES "$JS.EVENT.ADVISORY.>"
#define NATSKIT_METRICS "$JS.EVENT.METRIC.>" /* the same of acks that are sampled */

/* Puts together what servers tell of a message's way. A message that is published with header Nats-Trace-Dest
 * (and Nats-Trace-Only: true, if it is not to be delivered) has each server on its way send an event to that
 * subject; `events` is an array of their data, in any order. `tree` is {"missing": n, "trace": event}: the
 * event of the first server, in which each egress to another one has its event as `link`; n events are still
 * to come. */
NATSKIT_API natskit_status natskit_trace_tree(natskit_json events, natskit_json *tree, natskit_error *err);

/* Types of status. From the first of those that are marked on, up to RESUMED, no messages may be coming. */
#define NATSKIT_STATUS_HEARTBEATS_MISSED 1  /* marked; `count` in a row: it is asked again */
#define NATSKIT_STATUS_CONSUMER_NOT_FOUND 2 /* marked; it is looked for again and again */
#define NATSKIT_STATUS_STREAM_NOT_FOUND 3   /* marked; the same */
#define NATSKIT_STATUS_CONSUMER_DELETED 4   /* marked; the same */
#define NATSKIT_STATUS_LEADERSHIP 5         /* marked; the leader has changed, or its server stops */
#define NATSKIT_STATUS_NO_RESPONDERS                                                                         \
    6                                  /* marked; the consumer has no leader, or JetStream does not answer   \
                                        */
#define NATSKIT_STATUS_EXCEEDED 7      /* marked; too many requests wait for the consumer */
#define NATSKIT_STATUS_PINNED 8        /* this one is pinned; `text` is the id */
#define NATSKIT_STATUS_UNPINNED 9      /* it is not any more */
#define NATSKIT_STATUS_UNKNOWN 10      /* the server says something that the library does not know */
#define NATSKIT_STATUS_RESUMED 11      /* after trouble, or a lost connection, it works again */
#define NATSKIT_STATUS_INITIAL_DONE 12 /* what there was at the begin has come */
#define NATSKIT_STATUS_RECREATED 13    /* a push consumer was made again; `text` is its name */

/* Something that happened to the consumer behind a subscription. */
typedef struct natskit_status_view {
    int32_t type; /* NATSKIT_STATUS_* */
    int32_t code; /* that the server gave, or 0 */
    uint64_t count;
    const char *text; /* the server's; not NUL-terminated */
    size_t text_len;
} natskit_status_view;

/* Fills `view` of a message of kind NATSKIT_MSG_STATUS; NATSKIT_INVALID for another kind. */
NATSKIT_API natskit_status natskit_msg_status(const natskit_msg *msg, natskit_status_view *view,
                                              size_t view_size);

/* ----------------------------------------------------------------------------------------------- key-value
 *
 * A bucket is a stream that keeps the last values of keys. Names of buckets hold letters, digits, _ and -;
 * keys hold letters, digits and - / _ = in tokens between single dots, at most 1,024 bytes, and do not begin
 * with _kv. */

/* Opens a bucket. It sends nothing: what is wrong with it shows with the first use. */
NATSKIT_API natskit_status natskit_kv_open(natskit_js js, const char *bucket, size_t bucket_len,
                                           natskit_kv *out, natskit_error *err);

/* The same with options of scope KV. */
NATSKIT_API natskit_status natskit_kv_open_with(natskit_js js, const char *bucket, size_t bucket_len,
                                                natskit_options options, natskit_kv *out, natskit_error *err);

/* Asks for configuration and state of the bucket, as call kv.status does; docs/kv.md has the members. From
 * the first answer on the handle keeps to what it says: gets go to the leader where the stream allows no
 * direct ones, and of a mirror the keys are those of its origin, where they are written, too.
 * NATSKIT_STREAM_NOT_FOUND, NATSKIT_NOT_A_BUCKET, or as natskit_js_call. */
NATSKIT_API natskit_status natskit_kv_status(natskit_kv kv, int64_t timeout_ms, natskit_json *answer,
                                             natskit_error *err);

/* The same as an operation, which natskit_op_json gives the answer of. `options` is {0}. */
NATSKIT_API natskit_status natskit_kv_status_start(natskit_kv kv, natskit_options options, int64_t timeout_ms,
                                                   natskit_op *op, natskit_error *err);

/* Releases the handle; watches live on. */
NATSKIT_API natskit_status natskit_kv_close(natskit_kv kv);

/* Gives the last value of a key, or the one of a `revision` other than 0, as a message of kind
 * NATSKIT_MSG_KV. NATSKIT_KEY_NOT_FOUND, NATSKIT_KEY_DELETED, NATSKIT_STREAM_NOT_FOUND (there is no such
 * bucket), or as natskit_request. It is asked again when the connection is lost meanwhile. */
NATSKIT_API natskit_status natskit_kv_get(natskit_kv kv, const char *key, size_t key_len, uint64_t revision,
                                          int64_t timeout_ms, natskit_msg **entry, natskit_error *err);

/* The same as an operation, which natskit_op_take_msg gives the message of. `options` is {0}. */
NATSKIT_API natskit_status natskit_kv_get_start(natskit_kv kv, const char *key, size_t key_len,
                                                uint64_t revision, natskit_options options,
                                                int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Actions. */
#define NATSKIT_KV_CREATE 4 /* if it has no value: NATSKIT_KEY_EXISTS */
#define NATSKIT_KV_UPDATE 5 /* if its last entry has the revision that is given: NATSKIT_WRONG_LAST */

/* Gets the last entries of the keys that option `keys` of scope KV_MANY lists, 1 to 65,536, all of one
 * moment: what the bucket held at one revision. The subscription yields messages of kind NATSKIT_MSG_KV in
 * the order of their revisions, also of deleted keys (`operation`), none for a key that has no entry, and
 * ends with NATSKIT_MAX_REACHED. Up to 1,024 keys come by direct gets, nothing before the first answer is
 * whole; any server that keeps the bucket may answer, as of natskit_kv_get. More, and where the server gives
 * no such answer, come by an ordered consumer, nothing before all is there, which takes so much memory. Other
 * ends, besides those of every subscription: NATSKIT_SNAPSHOT_CHANGED (with more than 16 MiB a value was
 * replaced before its turn came; with more than 1,024 keys they are written all the time: getting them again
 * may help), NATSKIT_STREAM_NOT_FOUND, NATSKIT_TIMEOUT (no answer, six times). */
NATSKIT_API natskit_status natskit_kv_get_many(natskit_kv kv, natskit_options options, natskit_sub *out,
                                               natskit_error *err);

/* Changes a key: NATSKIT_KV_PUT, NATSKIT_KV_CREATE, NATSKIT_KV_UPDATE, or NATSKIT_KV_DELETE and
 * NATSKIT_KV_PURGE, which take no value. With a `revision` other than 0 it is done if the last entry of the
 * key has it. `ttl_ms` other than 0, at least 1000, lets what is created or purged go after that time, where
 * the bucket allows it (limit_marker_ttl).
 * `*new_revision` (may be NULL) is the entry's. Errors and retries as natskit_js_publish. */
NATSKIT_API natskit_status natskit_kv_write(natskit_kv kv, int32_t action, const char *key, size_t key_len,
                                            const void *value, size_t value_len, uint64_t revision,
                                            int64_t ttl_ms, int64_t timeout_ms, uint64_t *new_revision,
                                            natskit_error *err);

/* The same as an operation, with a message that natskit_msg_pub_ack reads: its sequence is the revision.
 * `options` is {0}. */
NATSKIT_API natskit_status natskit_kv_write_start(natskit_kv kv, int32_t action, const char *key,
                                                  size_t key_len, const void *value, size_t value_len,
                                                  uint64_t revision, int64_t ttl_ms, natskit_options options,
                                                  int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Adds a change, with arguments as of natskit_kv_write, to a batch of the same connection, which
 * natskit_batch_commit then makes together with all others, or none: several keys of one bucket that was made
 * with allow_atomic. Sends nothing and does not wait. In a batch NATSKIT_KV_CREATE is for keys that have no
 * entry at all; over one that was deleted NATSKIT_KV_UPDATE writes, with the revision of that (which
 * natskit_kv_get_many tells). What does not hold at the commit is NATSKIT_WRONG_LAST, for CREATE, too. The
 * revisions are consecutive: the last one is the sequence of the ack, the first that - `count` + 1.
 * NATSKIT_INVALID, NATSKIT_READ_ONLY, and as natskit_batch_add: a `revision` is not for a key that the batch
 * changes before. */
NATSKIT_API natskit_status natskit_kv_batch_add(natskit_kv kv, natskit_batch batch, int32_t action,
                                                const char *key, size_t key_len, const void *value,
                                                size_t value_len, uint64_t revision, int64_t ttl_ms,
                                                natskit_error *err);

/* Makes the configuration of the stream behind a bucket, for call "stream.create", of an object with bucket
 * and, all but that optional, description, history (1 to 64; 1), ttl and limit_marker_ttl (ns; 0: none),
 * max_bytes, max_value_size, storage, num_replicas, placement, republish, compression (a boolean), metadata,
 * allow_atomic (a boolean: for natskit_kv_batch_add), mirror, sources (docs/kv.md). Call "kv.create" does
 * both. NATSKIT_INVALID names what is wrong; members that it does not know are refused. The stream is
 * KV_<bucket>.
 */
NATSKIT_API natskit_status natskit_kv_config(natskit_json bucket, natskit_json *out, natskit_error *err);

/* Watches keys, with options of scope KV_WATCH ({0}: all keys, beginning with the last entry of each). The
 * subscription yields messages of kind NATSKIT_MSG_KV in the order of their revisions, none twice and none
 * left out, whatever happens to connection, server and consumer meanwhile; and once, when all that there was
 * at the begin has come (of a key that was written meanwhile what replaced it), a message of kind
 * NATSKIT_MSG_STATUS and type NATSKIT_STATUS_INITIAL_DONE, at once if there was nothing. It ends, beside as
 * every subscription, with NATSKIT_STREAM_NOT_FOUND when the bucket is deleted, NATSKIT_PERMISSION, or with
 * option `ends` NATSKIT_MAX_REACHED. Slow taking holds the server up and loses nothing. */
NATSKIT_API natskit_status natskit_kv_watch(natskit_kv kv, natskit_options options, natskit_sub *out,
                                            natskit_error *err);

/* Action of a sweep: takes away what deletes and purges have left behind, the history of their keys and,
 * where they are older than option older_than_ms, themselves. */
#define NATSKIT_KV_PURGE_DELETES 6

/* Changes all keys that match, with options of scope KV_SWEEP: NATSKIT_KV_DELETE or NATSKIT_KV_PURGE of those
 * that have a value (option `keys` has to be set; ">" are all), or NATSKIT_KV_PURGE_DELETES. The answer is an
 * object with `keys`, their number. A key that is written meanwhile is left as it is. If it fails or its time
 * ends, some may have been changed; doing it again does the rest. Errors as natskit_kv_watch and
 * natskit_js_publish. */
NATSKIT_API natskit_status natskit_kv_sweep(natskit_kv kv, int32_t action, natskit_options options,
                                            int64_t timeout_ms, natskit_json *answer, natskit_error *err);

/* The same as an operation, which natskit_op_json gives the answer of. */
NATSKIT_API natskit_status natskit_kv_sweep_start(natskit_kv kv, int32_t action, natskit_options options,
                                                  int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Begins to keep the last entries of keys at hand, with options keys and headers_only of scope KV_WATCH. A
 * handle has one cache at a time: NATSKIT_BUSY. The subscription yields no entries but, once all that there
 * was has come, a message of kind NATSKIT_MSG_STATUS and type NATSKIT_STATUS_INITIAL_DONE (again after the
 * bucket was made anew), and ends as a watch does, and the cache with it; closing it ends both. While the
 * connection is lost the cache stands still, and catches up behind. */
NATSKIT_API natskit_status natskit_kv_cache(natskit_kv kv, natskit_options options, natskit_sub *out,
                                            natskit_error *err);

/* The entry of a key out of the cache, without a round trip, as a message that the caller releases.
 * NATSKIT_KEY_NOT_FOUND (also for a key that was deleted, or that the cache does not keep), NATSKIT_PENDING
 * before it is complete, NATSKIT_NOT_FOUND if there is none, NATSKIT_INVALID (the key); once it has ended,
 * always the reason for that. Never waits. */
NATSKIT_API natskit_status natskit_kv_cached(natskit_kv kv, const char *key, size_t key_len,
                                             natskit_msg **entry);

/* Up to `cap` entries of one moment, in no order, to be released by the caller (`entries` may be NULL for 0).
 * `*count` is how many the cache has, which may be more. Status as above. */
NATSKIT_API natskit_status natskit_kv_cached_all(natskit_kv kv, natskit_msg **entries, size_t cap,
                                                 size_t *count);

/* What the cache of a bucket holds, and whether it follows the bucket. */
typedef struct natskit_kv_cache_info {
    uint64_t entries;
    uint64_t bytes;         /* of memory that they take */
    uint64_t last_revision; /* the highest that has come */
    int32_t complete;
    int32_t reason; /* why it has ended; NATSKIT_PENDING: it has not */
} natskit_kv_cache_info;

/* NATSKIT_NOT_FOUND if the bucket has no cache. */
NATSKIT_API natskit_status natskit_kv_cache_stats(natskit_kv kv, natskit_kv_cache_info *info,
                                                  size_t info_size);

/* What was done to a key. */
#define NATSKIT_KV_PUT 1
#define NATSKIT_KV_DELETE 2
#define NATSKIT_KV_PURGE                                                                                     \
    3 /* all that was kept of it has gone, too; also by the server, when its time was over */

/* A key of a bucket as one revision left it. */
typedef struct natskit_kv_view {
    const char *bucket; /* not NUL-terminated, as all text here */
    size_t bucket_len;
    const char *key;
    size_t key_len;
    const void *value;
    size_t value_len;
    uint64_t revision;
    uint64_t delta;       /* entries that a watch has still to deliver */
    int64_t time_ns;      /* when it was stored */
    uint64_t value_bytes; /* of the value, also where it was left out */
    int32_t operation;    /* NATSKIT_KV_* */
    int32_t reserved;
} natskit_kv_view;

/* Fills `view` of a message of kind NATSKIT_MSG_KV; NATSKIT_INVALID for another. */
NATSKIT_API natskit_status natskit_msg_kv(const natskit_msg *msg, natskit_kv_view *view, size_t view_size);

/* -------------------------------------------------------------------------------------------- object store
 *
 * A store is a stream that keeps objects of any size as chunks, and what each object is. Names of stores hold
 * letters, digits, _ and -; names of objects are any UTF-8 text of 1 to 1,024 bytes without NUL.
 *
 * `meta` is what is said of an object besides its content: {0}, or a JSON object with any of description (a
 * text), headers (an object of texts or arrays of texts) and metadata (an object of texts).
 *
 * What an object is comes as a message of kind NATSKIT_MSG_OBJECT (natskit_msg_object); its data is the JSON
 * that is stored. It is asked of the stream's leader, and asked again when the connection is lost meanwhile.
 * Where an `info` may be NULL it is not wanted. Each call can give NATSKIT_STREAM_NOT_FOUND (there is no such
 * store), and what natskit_js_publish gives. A store is configured, sealed, looked at and deleted by its
 * stream, OBJ_<store>: see natskit_object_store_config and natskit_js_call. */

/* Opens a store. It sends nothing: what is wrong with it shows with the first use. */
NATSKIT_API natskit_status natskit_object_store_open(natskit_js js, const char *bucket, size_t bucket_len,
                                                     natskit_object_store *out, natskit_error *err);

/* Releases the handle; readers, writers and watches live on. */
NATSKIT_API natskit_status natskit_object_store_close(natskit_object_store store);

/* Makes the configuration of the stream behind a store, for call "stream.create", of an object with bucket
 * and, all but that optional, description, ttl (ns; 0: none), max_bytes, storage, num_replicas, placement,
 * compression (a boolean), metadata. NATSKIT_INVALID names what is wrong; members that it does not know are
 * refused. */
NATSKIT_API natskit_status natskit_object_store_config(natskit_json bucket, natskit_json *out,
                                                       natskit_error *err);

/* Flags of natskit_object_info. */
#define NATSKIT_OBJECT_DELETED_TOO 1u /* a deleted object, too, instead of NATSKIT_OBJECT_DELETED */
#define NATSKIT_OBJECT_FOLLOW 2u      /* of a link the object that it leads to */

/* What an object is. NATSKIT_OBJECT_NOT_FOUND, NATSKIT_OBJECT_DELETED, NATSKIT_LINK_TO_STORE,
 * NATSKIT_LINK_TO_LINK. */
NATSKIT_API natskit_status natskit_object_info(natskit_object_store store, const char *name, size_t name_len,
                                               uint32_t flags, int64_t timeout_ms, natskit_msg **info,
                                               natskit_error *err);
/* The same as an operation, which natskit_op_take_msg gives the message of. `options` is {0} here and in the
 * following functions that begin an operation. */
NATSKIT_API natskit_status natskit_object_info_start(natskit_object_store store, const char *name,
                                                     size_t name_len, uint32_t flags, natskit_options options,
                                                     int64_t timeout_ms, natskit_op *op, natskit_error *err);

/* Deletes an object: marks it as deleted, and purges its chunks. */
NATSKIT_API natskit_status natskit_object_delete(natskit_object_store store, const char *name,
                                                 size_t name_len, int64_t timeout_ms, natskit_msg **info,
                                                 natskit_error *err);
/* The same as an operation. */
NATSKIT_API natskit_status natskit_object_delete_start(natskit_object_store store, const char *name,
                                                       size_t name_len, natskit_options options,
                                                       int64_t timeout_ms, natskit_op *op,
                                                       natskit_error *err);

/* Changes what is said of an object: the members of `meta`, which may also be name, its new one; null removes
 * what there is. NATSKIT_OBJECT_EXISTS: something else has the new name. */
NATSKIT_API natskit_status natskit_object_update(natskit_object_store store, const char *name,
                                                 size_t name_len, natskit_json meta, int64_t timeout_ms,
                                                 natskit_msg **info, natskit_error *err);
/* The same as an operation. */
NATSKIT_API natskit_status natskit_object_update_start(natskit_object_store store, const char *name,
                                                       size_t name_len, natskit_json meta,
                                                       natskit_options options, int64_t timeout_ms,
                                                       natskit_op *op, natskit_error *err);

/* Makes `name` a link to an object `target` of a store `bucket`, or with an empty target to that store. It
 * may take the place of another link or of a deleted object: NATSKIT_OBJECT_EXISTS. The target has to be
 * there (NATSKIT_OBJECT_NOT_FOUND, NATSKIT_OBJECT_DELETED), and not to be a link (NATSKIT_LINK_TO_LINK). */
NATSKIT_API natskit_status natskit_object_link(natskit_object_store store, const char *name, size_t name_len,
                                               const char *bucket, size_t bucket_len, const char *target,
                                               size_t target_len, int64_t timeout_ms, natskit_msg **info,
                                               natskit_error *err);
/* The same as an operation. */
NATSKIT_API natskit_status natskit_object_link_start(natskit_object_store store, const char *name,
                                                     size_t name_len, const char *bucket, size_t bucket_len,
                                                     const char *target, size_t target_len,
                                                     natskit_options options, int64_t timeout_ms,
                                                     natskit_op *op, natskit_error *err);

/* Puts an object from memory, with options of scope OBJECT_PUT: a writer's whole life in one call, which is
 * tried again after NATSKIT_CHUNKS_DISORDERED. If it fails its chunks are gone again, and what had the name
 * is as it was; see natskit_object_writer_close. */
NATSKIT_API natskit_status natskit_object_put(natskit_object_store store, const char *name, size_t name_len,
                                              natskit_json meta, const void *data, size_t data_len,
                                              natskit_options options, int64_t timeout_ms, natskit_msg **info,
                                              natskit_error *err);

/* Begins to put an object piece by piece, with options of scope OBJECT_PUT. It sends nothing that is waited
 * for. One thread at a time uses a writer (NATSKIT_BUSY); any thread may ask for its progress and close it,
 * which wakes who waits in it. */
NATSKIT_API natskit_status natskit_object_writer_open(natskit_object_store store, const char *name,
                                                      size_t name_len, natskit_json meta,
                                                      natskit_options options, natskit_object_writer *out,
                                                      natskit_error *err);

/* Takes bytes, hashes and publishes them as chunks, and waits while too many are under way. `*written` (may
 * be NULL) of them were taken: less than `len` only with NATSKIT_WOULD_BLOCK (timeout_ms 0), NATSKIT_TIMEOUT,
 * or an error. Once a chunk was refused, each further call gives why. NATSKIT_CHUNKS_DISORDERED: chunks that
 * were sent again were stored behind later ones; the object has to be put anew. */
NATSKIT_API natskit_status natskit_object_writer_write(natskit_object_writer writer, const void *data,
                                                       size_t len, int64_t timeout_ms, size_t *written,
                                                       natskit_error *err);
/* An operation that finishes when there is room for another chunk: after NATSKIT_WOULD_BLOCK. */
NATSKIT_API natskit_status natskit_object_writer_room_start(natskit_object_writer writer,
                                                            natskit_options options, int64_t timeout_ms,
                                                            natskit_op *op, natskit_error *err);

/* All bytes were given: waits for the acks of the chunks, stores what the object is, in the place of what had
 * its name, and purges the chunks of that. With option previous_revision NATSKIT_WRONG_LAST if it has another
 * revision. It can be done again, unless nobody knows whether the object was stored (NATSKIT_BUSY). */
NATSKIT_API natskit_status natskit_object_writer_finish(natskit_object_writer writer, int64_t timeout_ms,
                                                        natskit_msg **info, natskit_error *err);
/* The same in two operations: the first finishes when each chunk has its ack or error (NATSKIT_WOULD_BLOCK:
 * there is no room for the last chunk yet), the second, which may be begun then (NATSKIT_BUSY), with the
 * object's info. */
NATSKIT_API natskit_status natskit_object_writer_done_start(natskit_object_writer writer,
                                                            natskit_options options, int64_t timeout_ms,
                                                            natskit_op *op, natskit_error *err);
/* The second of them. */
NATSKIT_API natskit_status natskit_object_writer_finish_start(natskit_object_writer writer,
                                                              natskit_options options, int64_t timeout_ms,
                                                              natskit_op *op, natskit_error *err);

/* Gives the object up, and waits until its chunks are purged. NATSKIT_OK also if there are none, or it was
 * finished; NATSKIT_BUSY if it is being stored, or nobody knows whether it was. It can be done again if it
 * did not succeed. */
NATSKIT_API natskit_status natskit_object_writer_abort(natskit_object_writer writer, int64_t timeout_ms,
                                                       natskit_error *err);
/* The same as an operation. */
NATSKIT_API natskit_status natskit_object_writer_abort_start(natskit_object_writer writer,
                                                             natskit_options options, int64_t timeout_ms,
                                                             natskit_op *op, natskit_error *err);

/* Releases the handle. An object that was not finished is given up: its chunks are purged in the background,
 * for up to 30 s, if the connection lives so long. Only of one of which nobody knows whether it was stored
 * (outcome unknown) they stay. */
NATSKIT_API natskit_status natskit_object_writer_close(natskit_object_writer writer);

/* How far the writing or reading of an object has come. */
typedef struct natskit_object_progress {
    uint64_t bytes;  /* a writer was given; a reader has given */
    uint64_t stored; /* of a writer's, those whose chunks are acked, and all before */
    uint64_t total;  /* size of the object that is read; of a writer 0 */
    uint64_t chunks; /* that a writer has sent */
} natskit_object_progress;

/* How far it is; any thread. */
NATSKIT_API natskit_status natskit_object_writer_progress(natskit_object_writer writer,
                                                          natskit_object_progress *progress,
                                                          size_t progress_size);

/* Begins to read an object, of which natskit_object_info has given what it is (a link has to be followed). It
 * sends nothing that is waited for. One thread at a time reads (NATSKIT_BUSY); any thread may ask for its
 * progress and close it, which wakes who waits in it. */
NATSKIT_API natskit_status natskit_object_reader_open(natskit_object_store store, const natskit_msg *info,
                                                      natskit_object_reader *out, natskit_error *err);

/* Gives up to `cap` bytes of what has come, at least one, waiting for that. NATSKIT_END: all was given, and
 * has the size and digest of the object; only that says so. The last chunk is given when that is known.
 * NATSKIT_OBJECT_CORRUPT, NATSKIT_OBJECT_INCOMPLETE, or why the stream cannot be read; each further call
 * gives the same. NATSKIT_WOULD_BLOCK, NATSKIT_TIMEOUT. */
NATSKIT_API natskit_status natskit_object_reader_read(natskit_object_reader reader, void *out, size_t cap,
                                                      int64_t timeout_ms, size_t *len, natskit_error *err);
/* An operation that finishes when there is something to read, or an end to tell. */
NATSKIT_API natskit_status natskit_object_reader_ready_start(natskit_object_reader reader,
                                                             natskit_options options, int64_t timeout_ms,
                                                             natskit_op *op, natskit_error *err);
/* How far it is; any thread. */
NATSKIT_API natskit_status natskit_object_reader_progress(natskit_object_reader reader,
                                                          natskit_object_progress *progress,
                                                          size_t progress_size);

/* Releases the handle; what was not read is left. */
NATSKIT_API natskit_status natskit_object_reader_close(natskit_object_reader reader);

/* Watches a store, with options of scope OBJECT_WATCH ({0}: all objects, beginning with what there is). The
 * subscription yields messages of kind NATSKIT_MSG_OBJECT as natskit_kv_watch yields entries, and ends like
 * it. What is stored where objects are and is none comes as the message that it is. */
NATSKIT_API natskit_status natskit_object_watch(natskit_object_store store, natskit_options options,
                                                natskit_sub *out, natskit_error *err);

/* What a store knows of an object. */
typedef struct natskit_object_view {
    const char *bucket; /* not NUL-terminated, as all text here */
    size_t bucket_len;
    const char *name;
    size_t name_len;
    const char *description;
    size_t description_len;
    const char *headers; /* a JSON object of arrays of texts; empty: none */
    size_t headers_len;
    const char *metadata; /* a JSON object of texts; empty: none */
    size_t metadata_len;
    const char *nuid; /* of its chunks */
    size_t nuid_len;
    const char *digest; /* "SHA-256=" and base64 */
    size_t digest_len;
    const char *link_bucket; /* empty: it is no link */
    size_t link_bucket_len;
    const char *link_name; /* empty: a link to a store */
    size_t link_name_len;
    uint64_t size; /* bytes */
    uint64_t chunks;
    uint64_t max_chunk_size; /* bytes; 0: not told */
    uint64_t revision;
    int64_t time_ns; /* when it was stored; of what was just stored by this computer's clock */
    int32_t deleted;
    int32_t reserved;
} natskit_object_view;

/* Fills `view` of a message of kind NATSKIT_MSG_OBJECT; NATSKIT_INVALID for another. */
NATSKIT_API natskit_status natskit_msg_object(const natskit_msg *msg, natskit_object_view *view,
                                              size_t view_size);

/* ----------------------------------------------------------------------------------------------- services
 *
 * A service has a name, a version and endpoints, which are subjects that it answers requests on. The library
 * answers by itself, without a thread of the application, whoever asks for PING, INFO and STATS on the
 * subjects $SRV.PING, $SRV.PING.<name> and $SRV.PING.<name>.<id>. Requests of all endpoints come through one
 * subscription, as messages of kind NATSKIT_MSG_SERVICE, to be taken, waited for, held and drained like
 * others; natskit_sub_stats counts them together. The service lives through reconnects and ends with that
 * subscription, whose reason tells why: NATSKIT_UNSUBSCRIBED (stopped, drained, unsubscribed, closed),
 * NATSKIT_CLOSED (the connection has ended), NATSKIT_PERMISSION (the server denies the subject of an
 * endpoint). A server that denies the subjects of discovery leaves the rest as it is.
 *
 * Draining the subscription, or the connection, drains the service: no request that was sent before is lost.
 *
 * Statistics count a request once it was answered, or said to be handled, or its last reference was given up,
 * whichever comes first, with the time since it was taken as its processing time; and an error once for each
 * request that was answered with one. They are counted before the answer is sent: who has it finds it in
 * them. A request that was dropped untaken (see natskit_sub_stats.dropped_msgs) is not counted. */

/* Starts a service. `config` is an object with name (letters, digits, - and _, at most 128), version
 * (semver.org: 1.2.3) and, optional, description (at most 4,096 bytes), metadata (an object of strings, at
 * most 65,536 bytes of JSON), queue_group (null: none; without it "q"). `options` (scope SERVICE) may be {0}.
 * `*requests` is the subscription of its requests, which outlives the handle `*out` and is the caller's to
 * close. NATSKIT_INVALID names what is wrong, with members that it does not know. */
NATSKIT_API natskit_status natskit_service_open(natskit_conn conn, natskit_json config,
                                                natskit_options options, natskit_service *out,
                                                natskit_sub *requests, natskit_error *err);

/* Ends the service at once, if it has not ended. What was received can still be taken from its requests. */
NATSKIT_API natskit_status natskit_service_close(natskit_service service);

/* Adds a group: a prefix and a queue group for endpoints. `config` is an object with, all optional, prefix (a
 * subject in front of those of its endpoints and groups; it may hold * but not >) and queue_group. What is
 * not given is that of the group `parent`; 0 is the service itself. `*group` is its number. NATSKIT_LIMIT: a
 * service has at most 256 groups and endpoints each. */
NATSKIT_API natskit_status natskit_service_group_add(natskit_service service, uint32_t parent,
                                                     natskit_json config, uint32_t *group,
                                                     natskit_error *err);

/* Adds an endpoint to a group (0: the service itself), also while requests come: an object with name and,
 * optional, subject (without it the name; behind the prefixes of its groups), queue_group, metadata.
 * `*endpoint` is its number, counting from 0. NATSKIT_CLOSED if the service was stopped or has ended. */
NATSKIT_API natskit_status natskit_service_endpoint_add(natskit_service service, uint32_t group,
                                                        natskit_json config, uint32_t *endpoint,
                                                        natskit_error *err);

/* Sets `data` of an endpoint in the statistics, from now on; {0} takes it away. At most 256 KiB of JSON for
 * all endpoints together (NATSKIT_LIMIT). */
NATSKIT_API natskit_status natskit_service_endpoint_data(natskit_service service, uint32_t endpoint,
                                                         natskit_json data, natskit_error *err);

/* What services can be asked. */
#define NATSKIT_SERVICE_PING 1 /* type, name, id, version, metadata */
#define NATSKIT_SERVICE_INFO 2 /* and description, endpoints with name, subject, queue_group, metadata */
#define NATSKIT_SERVICE_STATS                                                                                \
    3 /* and started, endpoints with name, subject, queue_group, num_requests,                               \
         num_errors, last_error, processing_time and average_processing_time (ns),                           \
         data */

/* Gives what the service answers to `verb` now; also when it has ended. */
NATSKIT_API natskit_status natskit_service_report(natskit_service service, int32_t verb, natskit_json *out,
                                                  natskit_error *err);

/* Sets the statistics to 0 and the time of their begin to now; data stays. */
NATSKIT_API natskit_status natskit_service_reset(natskit_service service);

/* Begins to drain the service, without waiting: it asks for no more requests, and its subscription ends once
 * those that were sent before have come. Harmless if it has ended or drains already. Who wants to wait drains
 * the subscription. */
NATSKIT_API natskit_status natskit_service_stop(natskit_service service, natskit_error *err);

/* A request to a service. */
typedef struct natskit_service_view {
    const char *endpoint; /* its name; not NUL-terminated, as all text here */
    size_t endpoint_len;
    const char *group; /* the prefixes of its groups, or empty */
    size_t group_len;
    const char *pattern; /* the subject that it was added with, prefixes and wildcards included */
    size_t pattern_len;
    uint32_t index; /* of the endpoint, as natskit_service_endpoint_add gave it */
    uint32_t reserved;
} natskit_service_view;

/* Fills `view` of a message of kind NATSKIT_MSG_SERVICE; NATSKIT_INVALID for another. It is valid as long as
 * the message. */
NATSKIT_API natskit_status natskit_msg_service(const natskit_msg *msg, natskit_service_view *view,
                                               size_t view_size);

/* Answers a request of a service with an error: natskit_msg_respond with headers Nats-Service-Error-Code and
 * Nats-Service-Error. `code` is at least 1; `description` is not empty, is sent as one line, and cut to 1,024
 * bytes. It is counted also if nobody waits for the answer (NATSKIT_NO_REPLY). */
NATSKIT_API natskit_status natskit_msg_respond_error(natskit_msg *msg, int32_t code, const char *description,
                                                     size_t description_len, natskit_headers headers,
                                                     const void *data, size_t data_len, int64_t timeout_ms);

/* The request is done with, for the statistics; answers may still follow. */
NATSKIT_API natskit_status natskit_msg_handled(natskit_msg *msg);

/* What a reply says of an error of the service: NATSKIT_OK if nothing, else NATSKIT_SERVICE_ERROR with its
 * code and description in `err`. Any message. */
NATSKIT_API natskit_status natskit_msg_service_error(const natskit_msg *msg, natskit_error *err);

/* Asks services for `verb`: all of them, those with a `name`, or the one with an `id`, too (both may be NULL
 * with length 0). The subscription yields their answers, messages with JSON, and ends as that of
 * natskit_request_many. `prefix` with length 0 is "$SRV". `options` (scope REQUEST_MANY) may be {0}: then it
 * gathers until none has come for 300 ms, at most 2 s. */
NATSKIT_API natskit_status natskit_service_discover(natskit_conn conn, int32_t verb, const char *prefix,
                                                    size_t prefix_len, const char *name, size_t name_len,
                                                    const char *id, size_t id_len, natskit_options options,
                                                    natskit_sub *out, natskit_error *err);

/* --------------------------------------------------------------------------------------------------- json
 *
 * Documents that are read, built and written. Integers are exact, from INT64_MIN to UINT64_MAX; other numbers
 * keep their text until they are set anew. A document has at most 64 levels, 1,048,576 values and 64 MiB of
 * text.
 *
 * A path is a JSON pointer (RFC 6901): "/streams/0/config/max_age"; "" is the whole document, "~1" stands for
 * a slash and "~0" for a tilde in a name. At most 64 parts and 4,096 bytes. Functions that take one give
 * NATSKIT_NOT_FOUND if there is nothing, NATSKIT_INVALID if it is no path, leads through a value that has no
 * members, or finds a value of another type, and NATSKIT_LIMIT beyond the bounds. */

/* Types of values. */
#define NATSKIT_JSON_NULL 1
#define NATSKIT_JSON_BOOL 2
#define NATSKIT_JSON_INT 3    /* an integer that fits int64_t */
#define NATSKIT_JSON_UINT 4   /* an integer that does not, but fits uint64_t */
#define NATSKIT_JSON_DOUBLE 5 /* any other number, also 1.0 and 1e3 */
#define NATSKIT_JSON_STRING 6
#define NATSKIT_JSON_ARRAY 7
#define NATSKIT_JSON_OBJECT 8
#define NATSKIT_JSON_END 9 /* in a walk: the innermost array or object ends */

/* Opens a document from its text: strict grammar (RFC 8259), valid UTF-8, numbers within the range of a
 * double. Of members with the same name the last one counts. NATSKIT_INVALID tells the byte. */
NATSKIT_API natskit_status natskit_json_parse(const char *text, size_t text_len, natskit_json *out,
                                              natskit_error *err);

/* Opens an empty object or array, by its type. */
NATSKIT_API natskit_status natskit_json_open(int32_t type, natskit_json *out);

/* Releases the handle. */
NATSKIT_API natskit_status natskit_json_close(natskit_json json);

/* Gives the type of a value. */
NATSKIT_API natskit_status natskit_json_type(natskit_json json, const char *path, size_t path_len,
                                             int32_t *type, natskit_error *err);

/* Gives the number of members of an array or object. */
NATSKIT_API natskit_status natskit_json_size(natskit_json json, const char *path, size_t path_len,
                                             size_t *size, natskit_error *err);

/* Copies the name of the index-th member of an object, counting from 0, without a NUL, to `buf`. `*len` is
 * its length even if that exceeds `cap`, then NATSKIT_LIMIT and nothing is copied. NATSKIT_NOT_FOUND past the
 * last. */
NATSKIT_API natskit_status natskit_json_key_at(natskit_json json, const char *path, size_t path_len,
                                               size_t index, char *buf, size_t cap, size_t *len,
                                               natskit_error *err);

/* Copies a string in the same way. It may hold NULs. */
NATSKIT_API natskit_status natskit_json_get_string(natskit_json json, const char *path, size_t path_len,
                                                   char *buf, size_t cap, size_t *len, natskit_error *err);

/* Gives an integer; NATSKIT_LIMIT if it does not fit int64_t. 1.0 is none. */
NATSKIT_API natskit_status natskit_json_get_int(natskit_json json, const char *path, size_t path_len,
                                                int64_t *value, natskit_error *err);

/* The same for uint64_t. */
NATSKIT_API natskit_status natskit_json_get_uint(natskit_json json, const char *path, size_t path_len,
                                                 uint64_t *value, natskit_error *err);

/* Gives any number, integers rounded to the nearest double. */
NATSKIT_API natskit_status natskit_json_get_double(natskit_json json, const char *path, size_t path_len,
                                                   double *value, natskit_error *err);

/* Gives 0 or 1. */
NATSKIT_API natskit_status natskit_json_get_bool(natskit_json json, const char *path, size_t path_len,
                                                 int32_t *value, natskit_error *err);

/* Sets the value at a path, in place of what is there. Objects on the way that do not exist are made; behind
 * an array "-" appends ("/streams/-"). On failure the document stays as it was. The string has to be valid
 * UTF-8; NULs are allowed. */
NATSKIT_API natskit_status natskit_json_set_string(natskit_json json, const char *path, size_t path_len,
                                                   const char *value, size_t value_len, natskit_error *err);

/* The same with an integer. */
NATSKIT_API natskit_status natskit_json_set_int(natskit_json json, const char *path, size_t path_len,
                                                int64_t value, natskit_error *err);

/* The same with an integer that is not negative. */
NATSKIT_API natskit_status natskit_json_set_uint(natskit_json json, const char *path, size_t path_len,
                                                 uint64_t value, natskit_error *err);

/* The same with a finite number. It is written with the fewest digits that read as the same double; a whole
 * one below 1e21 without a fraction, so it is an integer from then on. */
NATSKIT_API natskit_status natskit_json_set_double(natskit_json json, const char *path, size_t path_len,
                                                   double value, natskit_error *err);

/* The same with true, or false for 0. */
NATSKIT_API natskit_status natskit_json_set_bool(natskit_json json, const char *path, size_t path_len,
                                                 int32_t value, natskit_error *err);

/* The same with null. */
NATSKIT_API natskit_status natskit_json_set_null(natskit_json json, const char *path, size_t path_len,
                                                 natskit_error *err);

/* The same with a text that is parsed: "[]", "{}", or what a server sent. */
NATSKIT_API natskit_status natskit_json_set_text(natskit_json json, const char *path, size_t path_len,
                                                 const char *text, size_t text_len, natskit_error *err);

/* The same with a copy of what is at a path of `from`, which may be the same document. */
NATSKIT_API natskit_status natskit_json_set_json(natskit_json json, const char *path, size_t path_len,
                                                 natskit_json from, const char *from_path,
                                                 size_t from_path_len, natskit_error *err);

/* Removes a member; those behind it in an array move up. Not the whole document: NATSKIT_INVALID. */
NATSKIT_API natskit_status natskit_json_remove(natskit_json json, const char *path, size_t path_len,
                                               natskit_error *err);

/* Writes a value as compact text, without a NUL, to `buf`; members in their order. `*len` is its length even
 * if that exceeds `cap`, then NATSKIT_LIMIT, and what `buf` holds is of no use. Independent of the locale. */
NATSKIT_API natskit_status natskit_json_text(natskit_json json, const char *path, size_t path_len, char *buf,
                                             size_t cap, size_t *len, natskit_error *err);

/* One step of a walk in document order. An array or object is followed by its members and an END. */
typedef struct natskit_json_item {
    int32_t type;    /* NATSKIT_JSON_* */
    int32_t boolean; /* BOOL */
    const char *key; /* name of a member of an object; not NUL-terminated, as all text here */
    size_t key_len;
    const char *text; /* STRING; out of a walk also DOUBLE: the number as it is written */
    size_t text_len;
    int64_t integer;  /* INT */
    uint64_t natural; /* UINT; out of a walk also an INT that is not negative */
    double real;      /* DOUBLE; out of a walk every number */
    uint64_t size;    /* out of a walk: number of members of an ARRAY or OBJECT */
} natskit_json_item;

/* Where a walk stands. Zeroed before the first call; its layout is final, its content the library's. */
typedef struct natskit_json_cursor {
    uint64_t version;
    uint32_t depth;
    uint32_t stage;
    uint32_t at[64];
} natskit_json_cursor;

/* Fills up to `cap` items of `item_size` = sizeof(natskit_json_item) with what comes next; NATSKIT_END, with
 * `*count` 0, after the last. Pointers in them are valid while the handle is open and the document unchanged.
 * NATSKIT_INVALID if the document has changed since the walk began. */
NATSKIT_API natskit_status natskit_json_walk(natskit_json json, natskit_json_cursor *cursor,
                                             natskit_json_item *items, size_t item_size, size_t cap,
                                             size_t *count);

/* The reverse: makes a new document of items in document order, in as many calls as the caller likes. Once it
 * is complete it takes the place of the old one, which is read until then. An item that does not fit gives
 * NATSKIT_INVALID, and what was fed is forgotten; so it is by `count` 0. */
NATSKIT_API natskit_status natskit_json_feed(natskit_json json, const natskit_json_item *items,
                                             size_t item_size, size_t count, natskit_error *err);

#ifdef __cplusplus
}
#endif

#endif
