/* A chain of requests about objects: finding what one is, storing that, purging. What follows what is said by
 * whoever makes it (find.c, change.c, put_finish.c). Beginning one: any thread; the rest runs under the
 * engine lock.
 *
 * What an object is, is asked of the stream's leader, so that who has stored it finds it. What is stored
 * names the revision that it replaces: it never takes the place of something that was not looked at, whose
 * chunks would stay for ever. */
#ifndef NKI_OBJECT_TASK_H
#define NKI_OBJECT_TASK_H

#include "client/chain.h"
#include "object/info.h"
#include "object/store.h"

enum nki_object_step { NKI_OBJECT_FIND, NKI_OBJECT_STORE, NKI_OBJECT_FENCE, NKI_OBJECT_PURGE };

/* What a step came to. */
struct nki_object_told {
    enum nki_object_step step;
    int32_t status;       /* of STORE: NKI_OK, why it was refused, or NKI_DISCONNECTED: nobody knows */
    struct nki_msg *info; /* of FIND: a reference that goes over; NULL: there is none */
    uint64_t number;      /* of STORE: the revision; of PURGE: messages */
};

struct nki_object_task {
    struct nki_chain chain;
    struct nki_object_store *store; /* a reference */
    enum nki_object_step step;
    int64_t retries; /* of what nobody answers for the moment; -1: without end */
    int64_t retry_wait_ms;
    /* Decides what follows. With status NKI_DISCONNECTED or a refusal `end` is filled already. */
    enum nki_chain_next (*next)(struct nki_object_task *task, const struct nki_object_told *told,
                                struct nki_chain_end *end);
    void (*free)(struct nki_object_task *task); /* what is behind it, and itself */
    struct nki_buf find_bucket;                 /* FIND: where it is looked for */
    struct nki_buf find_name;
    struct nki_buf subject;
    struct nki_buf block;
    struct nki_buf body;
};

/* Takes a reference of the store. */
void nki_object_task_init(struct nki_object_task *task, struct nki_object_store *store);
/* Frees what the task itself holds. */
void nki_object_task_clear(struct nki_object_task *task);
/* With its first step shown: takes it over in any case. As nki_conn_chain. */
int32_t nki_object_task_begin(struct nki_object_task *task, const struct nki_js_begin *begin,
                              struct nki_op **op, struct nki_error *err);

#define NKI_OBJECT_ANY UINT64_MAX

/* The next step: false if there is no memory. `expected`: the revision that it replaces, 0 for none. */
bool nki_object_task_find(struct nki_object_task *task, struct nki_str bucket, struct nki_str name)
    __attribute__((warn_unused_result));
bool nki_object_task_store(struct nki_object_task *task, const struct nki_object_info *info,
                           uint64_t expected) __attribute__((warn_unused_result));
/* An empty chunk of a nuid: the stream takes messages in their order, so once it is answered, whatever that
 * says, the chunks that were sent before it are stored or refused. */
bool nki_object_task_fence(struct nki_object_task *task, struct nki_str nuid)
    __attribute__((warn_unused_result));
/* Purges the chunks of a nuid of this store, or with nki_object_task_purge_meta what an object was up to a
 * revision: what somebody put meanwhile stays. */
bool nki_object_task_purge_chunks(struct nki_object_task *task, struct nki_str nuid)
    __attribute__((warn_unused_result));
bool nki_object_task_purge_meta(struct nki_object_task *task, struct nki_str name, uint64_t revision)
    __attribute__((warn_unused_result));

/* Ends it with a status of its own words, or with an object's name in them. */
enum nki_chain_next nki_object_task_fail(struct nki_chain_end *end, int32_t status);
enum nki_chain_next nki_object_task_fail_at(struct nki_chain_end *end, int32_t status, struct nki_str name);
/* It was stored, and that cannot be told. */
enum nki_chain_next nki_object_task_mute(struct nki_chain_end *end, int32_t status);
/* ASKS, or ends for want of memory. */
enum nki_chain_next nki_object_task_ask(bool shown, struct nki_chain_end *end);
/* Ends well, with the message. */
enum nki_chain_next nki_object_task_done(struct nki_object_task *task, struct nki_msg *msg,
                                         struct nki_chain_end *end);

#endif
