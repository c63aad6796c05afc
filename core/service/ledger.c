/* Ledgers of services: see ledger.h. */
#include "service/ledger.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "wire/subject.h"

#include <stdio.h>

static void free_endpoint(struct nki_endpoint *endpoint)
{
    nki_buf_free(&endpoint->name);
    nki_buf_free(&endpoint->prefix);
    nki_buf_free(&endpoint->subject);
    nki_buf_free(&endpoint->queue);
    nki_buf_free(&endpoint->info);
    nki_buf_free(&endpoint->head);
    nki_buf_free(&endpoint->data);
    nki_free(endpoint);
}

void nki_ledger_retain(struct nki_ledger *ledger)
{
    atomic_fetch_add_explicit(&ledger->refs, 1, memory_order_relaxed);
}

void nki_ledger_release(struct nki_ledger *ledger)
{
    if (atomic_fetch_sub_explicit(&ledger->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; i < ledger->endpoint_count; i++) {
        free_endpoint(ledger->endpoints[i]);
    }
    for (uint32_t i = 0; i < ledger->group_count; i++) {
        nki_buf_free(&ledger->groups[i].prefix);
        nki_buf_free(&ledger->groups[i].queue);
    }
    nki_buf_free(&ledger->name);
    nki_buf_free(&ledger->common);
    nki_buf_free(&ledger->about);
    nki_buf_free(&ledger->info);
    pthread_mutex_destroy(&ledger->mu);
    nki_free(ledger);
}

struct nki_ledger *nki_ledger_new(const struct nki_service_config *config, const char id[NKI_NUID_LEN])
{
    struct nki_ledger *ledger = nki_calloc(1, sizeof *ledger);
    if (ledger == NULL) {
        return NULL;
    }
    atomic_init(&ledger->refs, 1);
    pthread_mutex_init(&ledger->mu, NULL);
    memcpy(ledger->id, id, NKI_NUID_LEN);
    ledger->started_ns = nki_clock_wall_ns();
    ledger->group_count = 1;
    struct nki_str queue = config->queue_given ? config->queue : NKI_STR("q");
    if (!nki_buf_append_str(&ledger->groups[0].queue, queue) ||
        !nki_buf_append_str(&ledger->name, config->name) || !nki_report_identity(ledger, config) ||
        !nki_report_info(ledger)) {
        nki_ledger_release(ledger);
        return NULL;
    }
    return ledger;
}

/* "prefix.name", or what there is of them. */
static bool join(struct nki_buf *out, struct nki_str prefix, struct nki_str name)
{
    bool dot = prefix.len > 0 && name.len > 0;
    return nki_buf_append_str(out, prefix) && (!dot || nki_buf_append(out, ".", 1)) &&
           nki_buf_append_str(out, name);
}

static int32_t no_group(uint32_t group, struct nki_error *err)
{
    return nki_error_set(err, NKI_INVALID, "group %u: the service has none of that number", group);
}

static int32_t too_long(const char *what, struct nki_error *err)
{
    return nki_error_set(err, NKI_INVALID, "%s is longer than %d bytes with its groups' prefixes", what,
                         NKI_SUBJECT_MAX);
}

/* With the mutex. */
static int32_t add_group(struct nki_ledger *ledger, uint32_t parent, const struct nki_service_config *config,
                         uint32_t *out, struct nki_error *err)
{
    if (parent >= ledger->group_count) {
        return no_group(parent, err);
    }
    if (ledger->group_count == NKI_SERVICE_GROUPS_MAX) {
        return nki_error_set(err, NKI_LIMIT, "a service has at most %d groups", NKI_SERVICE_GROUPS_MAX);
    }
    const struct nki_service_group *above = &ledger->groups[parent];
    struct nki_service_group *group = &ledger->groups[ledger->group_count];
    struct nki_str queue = config->queue_given ? config->queue : nki_service_text(&above->queue);
    bool ok = join(&group->prefix, nki_service_text(&above->prefix), config->prefix) &&
              nki_buf_append_str(&group->queue, queue);
    if (!ok || group->prefix.len > NKI_SUBJECT_MAX) {
        nki_buf_free(&group->prefix);
        nki_buf_free(&group->queue);
        return ok ? too_long("prefix", err) : nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    *out = ledger->group_count++;
    return NKI_OK;
}

int32_t nki_ledger_add_group(struct nki_ledger *ledger, uint32_t parent,
                             const struct nki_service_config *config, uint32_t *out, struct nki_error *err)
{
    pthread_mutex_lock(&ledger->mu);
    int32_t status = add_group(ledger, parent, config, out, err);
    pthread_mutex_unlock(&ledger->mu);
    return status;
}

static struct nki_endpoint *new_endpoint(const struct nki_service_group *group,
                                         const struct nki_service_config *config)
{
    struct nki_endpoint *endpoint = nki_calloc(1, sizeof *endpoint);
    if (endpoint == NULL) {
        return NULL;
    }
    struct nki_str prefix = nki_service_text(&group->prefix);
    struct nki_str subject = config->subject.len > 0 ? config->subject : config->name;
    struct nki_str queue = config->queue_given ? config->queue : nki_service_text(&group->queue);
    if (!nki_buf_append_str(&endpoint->name, config->name) ||
        !nki_buf_append_str(&endpoint->prefix, prefix) || !join(&endpoint->subject, prefix, subject) ||
        !nki_buf_append_str(&endpoint->queue, queue) || !nki_report_endpoint(endpoint, config->metadata)) {
        free_endpoint(endpoint);
        return NULL;
    }
    return endpoint;
}

/* With the mutex. */
static int32_t add_endpoint(struct nki_ledger *ledger, uint32_t group,
                            const struct nki_service_config *config, uint32_t *out, struct nki_error *err)
{
    if (group >= ledger->group_count) {
        return no_group(group, err);
    }
    if (ledger->endpoint_count == NKI_SERVICE_ENDPOINTS_MAX) {
        return nki_error_set(err, NKI_LIMIT, "a service has at most %d endpoints", NKI_SERVICE_ENDPOINTS_MAX);
    }
    struct nki_endpoint *endpoint = new_endpoint(&ledger->groups[group], config);
    if (endpoint == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    if (endpoint->subject.len > NKI_SUBJECT_MAX) {
        free_endpoint(endpoint);
        return too_long("subject", err);
    }
    if (ledger->info.len + endpoint->info.len > NKI_SERVICE_INFO_MAX) {
        free_endpoint(endpoint);
        return nki_error_set(err, NKI_LIMIT, "the answer to INFO would take more than %zu bytes",
                             NKI_SERVICE_INFO_MAX);
    }
    if (!nki_report_add(ledger, endpoint)) {
        free_endpoint(endpoint);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    *out = ledger->endpoint_count;
    ledger->endpoints[ledger->endpoint_count++] = endpoint;
    return NKI_OK;
}

int32_t nki_ledger_add_endpoint(struct nki_ledger *ledger, uint32_t group,
                                const struct nki_service_config *config, uint32_t *out, struct nki_error *err)
{
    pthread_mutex_lock(&ledger->mu);
    int32_t status = add_endpoint(ledger, group, config, out, err);
    pthread_mutex_unlock(&ledger->mu);
    return status;
}

void nki_ledger_drop_endpoint(struct nki_ledger *ledger)
{
    pthread_mutex_lock(&ledger->mu);
    struct nki_endpoint *endpoint = ledger->endpoints[--ledger->endpoint_count];
    nki_report_drop(ledger, endpoint);
    free_endpoint(endpoint);
    pthread_mutex_unlock(&ledger->mu);
}

const struct nki_endpoint *nki_ledger_endpoint(struct nki_ledger *ledger, uint32_t index)
{
    pthread_mutex_lock(&ledger->mu);
    const struct nki_endpoint *endpoint = index < ledger->endpoint_count ? ledger->endpoints[index] : NULL;
    pthread_mutex_unlock(&ledger->mu);
    return endpoint;
}

/* -- statistics ------------------------------------------------------------------------------------------ */

/* With the mutex. Takes over the text. */
static int32_t set_data(struct nki_ledger *ledger, uint32_t index, struct nki_buf *text,
                        struct nki_error *err)
{
    if (index >= ledger->endpoint_count) {
        return nki_error_set(err, NKI_NOT_FOUND, "endpoint %u: the service has none of that number", index);
    }
    struct nki_buf *data = &ledger->endpoints[index]->data;
    if (ledger->data_bytes - data->len + text->len > NKI_SERVICE_DATA_MAX) {
        return nki_error_set(err, NKI_LIMIT, "the data of a service's endpoints take more than %zu bytes",
                             NKI_SERVICE_DATA_MAX);
    }
    ledger->data_bytes += text->len - data->len;
    struct nki_buf old = *data;
    *data = *text;
    *text = old;
    return NKI_OK;
}

int32_t nki_ledger_set_data(struct nki_ledger *ledger, uint32_t endpoint, const struct nki_doc_node *data,
                            struct nki_error *err)
{
    struct nki_buf text = {0};
    if (data != NULL) {
        size_t len = nki_doc_write(data, NULL, 0);
        if (len > NKI_SERVICE_DATA_MAX) {
            return nki_error_set(err, NKI_LIMIT, "the data of a service's endpoints take more than %zu bytes",
                                 NKI_SERVICE_DATA_MAX);
        }
        if (!nki_buf_reserve(&text, len)) {
            return nki_error_set(err, NKI_NO_MEMORY, NULL);
        }
        text.len = nki_doc_write(data, (char *)text.data, len);
    }
    pthread_mutex_lock(&ledger->mu);
    int32_t status = set_data(ledger, endpoint, &text, err);
    pthread_mutex_unlock(&ledger->mu);
    nki_buf_free(&text); /* the one that it had */
    return status;
}

void nki_ledger_reset(struct nki_ledger *ledger)
{
    pthread_mutex_lock(&ledger->mu);
    for (uint32_t i = 0; i < ledger->endpoint_count; i++) {
        memset(&ledger->endpoints[i]->counts, 0, sizeof ledger->endpoints[i]->counts);
    }
    ledger->started_ns = nki_clock_wall_ns();
    pthread_mutex_unlock(&ledger->mu);
}

void nki_ledger_count(struct nki_ledger *ledger, uint32_t endpoint, int64_t processing_ns)
{
    pthread_mutex_lock(&ledger->mu);
    struct nki_service_counts *counts = &ledger->endpoints[endpoint]->counts;
    counts->requests++;
    counts->processing_ns += processing_ns > 0 ? (uint64_t)processing_ns : 0;
    pthread_mutex_unlock(&ledger->mu);
}

void nki_ledger_count_error(struct nki_ledger *ledger, uint32_t endpoint, int32_t code,
                            struct nki_str description)
{
    pthread_mutex_lock(&ledger->mu);
    struct nki_service_counts *counts = &ledger->endpoints[endpoint]->counts;
    counts->errors++;
    (void)snprintf(counts->last_error, sizeof counts->last_error, "%d:%.*s", (int)code, (int)description.len,
                   description.ptr);
    pthread_mutex_unlock(&ledger->mu);
}
