/* Services: see service.h.
 *
 * The subscription of the requests has no subject; its feed, the hub, knows those of the endpoints and of
 * PING, INFO and STATS, each with a feed of its own, a member. They end with the hub. All of that runs under
 * the engine lock, in whatever thread reads. */
#include "service/service.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "client/feed.h"
#include "service/request.h"
#include "wire/emit.h"

#define VERBS 3
#define LEVELS 3
#define MEMBERS_MAX (VERBS * LEVELS + NKI_SERVICE_ENDPOINTS_MAX)

struct hub {
    struct nki_feed feed;
    struct nki_ledger *ledger; /* a reference */
    struct nki_list members;
    struct nki_sub *subs[MEMBERS_MAX]; /* theirs, and of those that have ended: a reference each */
    uint32_t sub_count;
    struct nki_error denied; /* what the server said when it denied an endpoint */
};

struct member {
    struct nki_feed feed;
    struct hub *hub; /* NULL: it ends with it, or was never begun */
    struct nki_list node;
    uint32_t verb; /* 0: of an endpoint */
    uint32_t endpoint;
};

static struct hub *hub_of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct hub, feed);
}

static struct member *member_of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct member, feed);
}

static void nothing(struct nki_feed *feed, int64_t now_ns)
{
    (void)feed;
    (void)now_ns; /* subscriptions are carried to the next transport by the engine */
}

/* -- members --------------------------------------------------------------------------------------------- */

static void got_request(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    struct member *member = member_of(feed);
    struct nki_feed *hub = &member->hub->feed;
    (void)now_ns;
    nki_request_begin(msg, member->hub->ledger, member->endpoint);
    hub->sub->arrived++;
    nki_feed_stage(hub, msg);
}

/* An answer that finds the outbox full, or is larger than the server takes, is dropped and counted: whoever
 * asks and does not read gets no more memory. */
static bool has_room(const struct nki_engine *engine, size_t len)
{
    uint64_t msgs;
    uint64_t bytes;
    uint64_t pending;
    nki_outbox_counts_get((struct nki_outbox *)(uintptr_t)&engine->outbox, &msgs, &bytes, &pending);
    return pending + len <= engine->outbox.limits.live &&
           (int64_t)len <= atomic_load_explicit(&engine->max_payload, memory_order_relaxed);
}

static void got_question(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    struct member *member = member_of(feed);
    struct nki_buf json = {0};
    (void)now_ns;
    if (msg->reply_len > 0) {
        bool ok = nki_ledger_write(member->hub->ledger, (enum nki_service_verb)member->verb, &json) &&
                  has_room(feed->engine, json.len);
        struct nki_outgoing_msg answer = {
            .subject = nki_msg_reply(msg),
            .reply = NKI_STR(""),
            .header_block = NKI_STR(""),
            .data = nki_service_text(&json),
        };
        if (!ok || !nki_feed_send(feed, &answer)) {
            feed->engine->counts.dropped_msgs++;
        }
    }
    nki_buf_free(&json);
    nki_msg_release(msg);
}

/* One that ends by itself: the server denies it, or the connection ends. Without an endpoint the service is
 * no more what it says it is, and ends; without discovery it goes on. */
static void member_end(struct nki_feed *feed, int32_t reason)
{
    struct member *member = member_of(feed);
    struct hub *hub = member->hub;
    nki_list_remove(&member->node);
    if (hub != NULL && member->verb == 0 && reason == NKI_PERMISSION) {
        nki_error_set(&hub->denied, reason, NULL);
        hub->denied = feed->sub->end_error != NULL ? *feed->sub->end_error : hub->denied;
        nki_feed_settle(&hub->feed); /* not here: this subscription is just being removed */
    }
    nki_free(member);
}

static const struct nki_feed_ops endpoint_ops = {
    .up = nothing,
    .down = nothing,
    .message = got_request,
    .tick = nothing,
    .taken = nothing,
    .end = member_end,
};

static const struct nki_feed_ops question_ops = {
    .up = nothing,
    .down = nothing,
    .message = got_question,
    .tick = nothing,
    .taken = nothing,
    .end = member_end,
};

/* -- the hub --------------------------------------------------------------------------------------------- */

static void hub_settle(struct nki_feed *feed)
{
    struct nki_error denied = hub_of(feed)->denied;
    nki_feed_finish(feed, denied.status, &denied);
}

static bool hub_leave(struct nki_feed *feed, struct nki_buf *lines)
{
    const struct hub *hub = hub_of(feed);
    for (uint32_t i = 0; i < hub->sub_count; i++) {
        if (!nki_buf_reserve(lines, NKI_EMIT_UNSUB_MAX)) {
            return false;
        }
        if (hub->subs[i]->live) {
            lines->len =
                (size_t)(nki_emit_unsub(lines->data + lines->len, hub->subs[i]->sid, 0) - lines->data);
        }
    }
    return true;
}

static void hub_end(struct nki_feed *feed, int32_t reason)
{
    struct hub *hub = hub_of(feed);
    while (!nki_list_empty(&hub->members)) {
        struct member *member = NKI_CONTAINER_OF(hub->members.next, struct member, node);
        nki_list_remove(&member->node);
        member->hub = NULL;
    }
    /* The server was told of them by the drain, or there is none to be told. */
    bool told = reason == NKI_CLOSED || (hub->sub_count > 0 && feed->sub->drain != NKI_DRAIN_NONE);
    int64_t now_ns = hub->sub_count > 0 ? nki_clock_now_ns() : 0;
    for (uint32_t i = 0; i < hub->sub_count; i++) {
        if (told) {
            nki_subs_remove(&feed->engine->subs, hub->subs[i], reason);
        }
        nki_engine_close_sub(feed->engine, hub->subs[i], now_ns);
        nki_sub_release(hub->subs[i]);
    }
    if (hub->ledger != NULL) {
        nki_ledger_release(hub->ledger);
    }
    nki_free(hub);
}

static const struct nki_feed_ops hub_ops = {
    .up = nothing,
    .down = nothing,
    .tick = nothing,
    .taken = nothing,
    .settle = hub_settle,
    .leave = hub_leave,
    .end = hub_end,
};

/* With the engine lock. */
static int32_t add_member(struct hub *hub, struct nki_str subject, struct nki_str queue, uint32_t verb,
                          uint32_t endpoint)
{
    struct member *member = nki_calloc(1, sizeof *member);
    if (member == NULL) {
        return NKI_NO_MEMORY;
    }
    member->feed.ops = verb == 0 ? &endpoint_ops : &question_ops;
    member->verb = verb;
    member->endpoint = endpoint;
    nki_list_init(&member->node);
    /* Its own queue stays empty. */
    struct nki_sub_params params = {
        .subject = subject, .queue = queue, .limits = {1, NKI_KIB}, .tails = verb == 0};
    struct nki_sub *sub;
    int32_t status = nki_feed_subscribe(&hub->feed, &params, &member->feed, &sub);
    if (status == NKI_OK) {
        member->hub = hub;
        nki_list_append(&hub->members, &member->node);
        hub->subs[hub->sub_count++] = sub;
    }
    return status;
}

/* -- opening --------------------------------------------------------------------------------------------- */

/* With the engine lock: subscribes to all that is asked of it. */
static int32_t add_questions(struct hub *hub, struct nki_str prefix)
{
    int32_t status = NKI_OK;
    for (uint32_t i = 0; i < VERBS * LEVELS && status == NKI_OK; i++) {
        uint32_t level = i % LEVELS;
        struct nki_discover_params params = {
            .verb = (enum nki_service_verb)(NKI_SERVICE_PING + i / LEVELS),
            .prefix = prefix,
            .name = level > 0 ? nki_service_text(&hub->ledger->name) : NKI_STR(""),
            .id = level > 1 ? nki_str_make(hub->ledger->id, NKI_NUID_LEN) : NKI_STR(""),
        };
        struct nki_buf subject = {0};
        bool ok = nki_service_subject(&subject, &params);
        status =
            ok ? add_member(hub, nki_service_text(&subject), NKI_STR(""), params.verb, 0) : NKI_NO_MEMORY;
        nki_buf_free(&subject);
    }
    return status;
}

/* The subscription of the requests, which is there before who it belongs to. */
static int32_t open_hub(struct nki_conn *conn, const struct nki_service_params *params,
                        const struct nki_service_config *config, struct nki_service *service,
                        struct nki_error *err)
{
    struct hub *hub = nki_calloc(1, sizeof *hub);
    if (hub == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    hub->feed.ops = &hub_ops;
    nki_list_init(&hub->members);
    struct nki_sub_params requests = {
        .subject = NKI_STR(""), .queue = NKI_STR(""), .limits = params->limits, .tails = true};
    int32_t status = nki_conn_subscribe_feed(conn, &requests, &hub->feed, &service->sub, err);
    if (status != NKI_OK) {
        return status;
    }
    if (nki_sub_feed_lock(service->sub) == NULL) { /* closed in between */
        return nki_error_set(err, NKI_CLOSED, NULL);
    }
    char id[NKI_NUID_LEN];
    nki_nuid_next(&hub->feed.engine->nuid, id);
    hub->ledger = nki_ledger_new(config, id);
    status = hub->ledger == NULL ? NKI_NO_MEMORY : add_questions(hub, params->prefix);
    if (status == NKI_OK) {
        service->ledger = hub->ledger;
        nki_ledger_retain(service->ledger);
    }
    nki_sub_feed_unlock(service->sub);
    return status == NKI_OK ? NKI_OK : nki_error_set(err, status, NULL);
}

int32_t nki_service_open(struct nki_conn *conn, const struct nki_service_params *params,
                         struct nki_service **out, struct nki_error *err)
{
    struct nki_service_config config;
    int32_t status = nki_service_config_read(params->config, NKI_SERVICE_PART_SERVICE, &config, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_service *service = nki_calloc(1, sizeof *service);
    if (service == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    atomic_init(&service->refs, 1);
    status = open_hub(conn, params, &config, service, err);
    if (status != NKI_OK) {
        if (service->sub != NULL) {
            nki_sub_close(service->sub);
        }
        nki_service_release(service);
        return status;
    }
    *out = service;
    return NKI_OK;
}

void nki_service_retain(struct nki_service *service)
{
    atomic_fetch_add_explicit(&service->refs, 1, memory_order_relaxed);
}

void nki_service_release(struct nki_service *service)
{
    if (atomic_fetch_sub_explicit(&service->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (service->ledger != NULL) {
        nki_ledger_release(service->ledger);
    }
    if (service->sub != NULL) {
        nki_sub_release(service->sub);
    }
    nki_free(service);
}

/* -- groups, endpoints, end ------------------------------------------------------------------------------ */

int32_t nki_service_add_group(struct nki_service *service, uint32_t parent, struct nki_doc *doc,
                              uint32_t *out, struct nki_error *err)
{
    struct nki_service_config config;
    int32_t status = nki_service_config_read(doc, NKI_SERVICE_PART_GROUP, &config, err);
    return status == NKI_OK ? nki_ledger_add_group(service->ledger, parent, &config, out, err) : status;
}

/* With the engine lock, so that no other is added meanwhile. */
static int32_t add_endpoint(struct hub *hub, uint32_t group, const struct nki_service_config *config,
                            uint32_t *out, struct nki_error *err)
{
    if (hub->feed.sub->drain != NKI_DRAIN_NONE) {
        return nki_error_set(err, NKI_CLOSED, "the service was stopped");
    }
    uint32_t index;
    int32_t status = nki_ledger_add_endpoint(hub->ledger, group, config, &index, err);
    if (status != NKI_OK) {
        return status;
    }
    const struct nki_endpoint *endpoint = nki_ledger_endpoint(hub->ledger, index);
    status =
        add_member(hub, nki_service_text(&endpoint->subject), nki_service_text(&endpoint->queue), 0, index);
    if (status != NKI_OK) {
        nki_ledger_drop_endpoint(hub->ledger);
        return nki_error_set(err, status, NULL);
    }
    *out = index;
    return NKI_OK;
}

int32_t nki_service_add_endpoint(struct nki_service *service, uint32_t group, struct nki_doc *doc,
                                 uint32_t *out, struct nki_error *err)
{
    struct nki_service_config config;
    int32_t status = nki_service_config_read(doc, NKI_SERVICE_PART_ENDPOINT, &config, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_feed *feed = nki_sub_feed_lock(service->sub);
    if (feed == NULL) {
        return nki_error_set(err, NKI_CLOSED, "the service has ended");
    }
    status = add_endpoint(hub_of(feed), group, &config, out, err);
    nki_sub_feed_unlock(service->sub);
    return status;
}

int32_t nki_service_stop(struct nki_service *service, struct nki_error *err)
{
    struct nki_op *op;
    int32_t status = nki_sub_drain(service->sub, NKI_NEVER, &op, err);
    if (status == NKI_OK) {
        nki_conn_cancel(nki_sub_conn(service->sub), op); /* the wait, not the drain */
        nki_op_release(op);
    }
    return status == NKI_DRAINING || status == NKI_CLOSED ? NKI_OK : status;
}
