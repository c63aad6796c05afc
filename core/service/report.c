/* What a service answers to PING, INFO and STATS (ADR-32), as JSON. Texts were checked to be UTF-8 before;
 * all but the numbers is written once. Any thread. */
#include "service/ledger.h"

#include "base/rfc3339.h"

static bool append(struct nki_buf *out, const char *text)
{
    return nki_buf_append(out, text, strlen(text));
}

static bool append_string(struct nki_buf *out, const char *member, const struct nki_buf *value)
{
    return append(out, member) && nki_buf_append_json(out, nki_service_text(value));
}

static bool append_metadata(struct nki_buf *out, const struct nki_doc_node *metadata)
{
    if (metadata == NULL) {
        return append(out, ",\"metadata\":{}");
    }
    size_t len = nki_doc_write(metadata, NULL, 0);
    if (!append(out, ",\"metadata\":") || !nki_buf_reserve(out, len)) {
        return false;
    }
    nki_doc_write(metadata, (char *)out->data + out->len, len);
    out->len += len;
    return true;
}

bool nki_report_identity(struct nki_ledger *ledger, const struct nki_service_config *config)
{
    struct nki_buf *common = &ledger->common;
    return append_string(common, ",\"name\":", &ledger->name) && append(common, ",\"id\":") &&
           nki_buf_append_json(common, nki_str_make(ledger->id, sizeof ledger->id)) &&
           append(common, ",\"version\":") && nki_buf_append_json(common, config->version) &&
           append_metadata(common, config->metadata) &&
           nki_buf_append_json(&ledger->about, config->description);
}

bool nki_report_endpoint(struct nki_endpoint *endpoint, const struct nki_doc_node *metadata)
{
    struct nki_buf *head = &endpoint->head;
    bool ok = append_string(head, "{\"name\":", &endpoint->name) &&
              append_string(head, ",\"subject\":", &endpoint->subject) &&
              append_string(head, ",\"queue_group\":", &endpoint->queue);
    return ok && nki_buf_append_str(&endpoint->info, nki_service_text(head)) &&
           append_metadata(&endpoint->info, metadata) && append(&endpoint->info, "}");
}

static bool begin(const struct nki_ledger *ledger, const char *type, struct nki_buf *out)
{
    return append(out, "{\"type\":\"io.nats.micro.v1.") && append(out, type) && append(out, "_response\"") &&
           nki_buf_append_str(out, nki_service_text(&ledger->common));
}

bool nki_report_info(struct nki_ledger *ledger)
{
    struct nki_buf *info = &ledger->info;
    return begin(ledger, "info", info) && append(info, ",\"description\":") &&
           nki_buf_append_str(info, nki_service_text(&ledger->about)) && append(info, ",\"endpoints\":[]}");
}

bool nki_report_add(struct nki_ledger *ledger, const struct nki_endpoint *endpoint)
{
    struct nki_buf *info = &ledger->info;
    if (!nki_buf_reserve(info, endpoint->info.len + 1)) {
        return false;
    }
    info->len -= 2; /* the brackets, which come again */
    bool ok = (ledger->endpoint_count == 0 || append(info, ",")) &&
              nki_buf_append_str(info, nki_service_text(&endpoint->info)) && append(info, "]}");
    assert(ok);
    return ok;
}

void nki_report_drop(struct nki_ledger *ledger, const struct nki_endpoint *endpoint)
{
    struct nki_buf *info = &ledger->info;
    info->len -= endpoint->info.len + 2 + (ledger->endpoint_count > 0);
    bool ok = append(info, "]}");
    assert(ok); /* there was room for more before */
    (void)ok;
}

static bool append_number(struct nki_buf *out, const char *member, uint64_t value)
{
    return append(out, member) && nki_buf_append_u64(out, value);
}

static bool write_counts(const struct nki_endpoint *endpoint, struct nki_buf *out)
{
    const struct nki_service_counts *counts = &endpoint->counts;
    uint64_t average = counts->requests > 0 ? counts->processing_ns / counts->requests : 0;
    bool ok = nki_buf_append_str(out, nki_service_text(&endpoint->head)) &&
              append_number(out, ",\"num_requests\":", counts->requests) &&
              append_number(out, ",\"num_errors\":", counts->errors) && append(out, ",\"last_error\":") &&
              nki_buf_append_json(out, nki_str_z(counts->last_error)) &&
              append_number(out, ",\"processing_time\":", counts->processing_ns) &&
              append_number(out, ",\"average_processing_time\":", average);
    if (ok && endpoint->data.len > 0) {
        ok = append(out, ",\"data\":") && nki_buf_append_str(out, nki_service_text(&endpoint->data));
    }
    return ok && append(out, "}");
}

static bool write_stats(const struct nki_ledger *ledger, struct nki_buf *out)
{
    char started[NKI_RFC3339_CAP];
    nki_rfc3339_write(ledger->started_ns, started);
    bool ok = begin(ledger, "stats", out) && append(out, ",\"started\":") &&
              nki_buf_append_json(out, nki_str_z(started)) && append(out, ",\"endpoints\":[");
    for (uint32_t i = 0; i < ledger->endpoint_count && ok; i++) {
        ok = (i == 0 || append(out, ",")) && write_counts(ledger->endpoints[i], out);
    }
    return ok && append(out, "]}");
}

bool nki_ledger_write(struct nki_ledger *ledger, enum nki_service_verb verb, struct nki_buf *out)
{
    bool ok;
    pthread_mutex_lock(&ledger->mu);
    if (verb == NKI_SERVICE_PING) {
        ok = begin(ledger, "ping", out) && append(out, "}");
    } else if (verb == NKI_SERVICE_INFO) {
        ok = nki_buf_append_str(out, nki_service_text(&ledger->info));
    } else {
        ok = write_stats(ledger, out);
    }
    pthread_mutex_unlock(&ledger->mu);
    return ok;
}
