/* The counters of the library as a metrics exporter gives them out: the text format of Prometheus, of a
 * connection, its subscriptions and the process. A program serves this text by whatever HTTP server it has,
 * or writes it to a file for a collector. */
#include "example.h"

#include <inttypes.h>

struct metric {
    const char *name;
    const char *type;
    uint64_t value;
};

/* A label's value: \ " and line feeds are escaped. */
static void write_label(FILE *out, const char *name, const char *value, size_t len)
{
    fprintf(out, "{%s=\"", name);
    for (size_t i = 0; i < len; i++) {
        if (value[i] == '\n') {
            fputs("\\n", out);
        } else {
            fprintf(out, value[i] == '\\' || value[i] == '"' ? "\\%c" : "%c", value[i]);
        }
    }
    fputs("\"}", out);
}

static void write_all(FILE *out, const struct metric *metrics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "# TYPE %s %s\n%s %" PRIu64 "\n", metrics[i].name, metrics[i].type, metrics[i].name,
                metrics[i].value);
    }
}

static void write_conn(FILE *out, natskit_conn conn)
{
    natskit_conn_stats now;
    natskit_health health;
    natskit_counters process;
    check(natskit_conn_stats_get(conn, &now, sizeof now), "stats");
    check(natskit_conn_health(conn, &health, sizeof health), "health");
    check(natskit_counters_get(&process, sizeof process), "counters");
    const struct metric metrics[] = {
        {"nats_client_up", "gauge", health.state <= NATSKIT_HEALTH_DEGRADED},
        {"nats_client_in_messages_total", "counter", now.in_msgs},
        {"nats_client_in_bytes_total", "counter", now.in_bytes},
        {"nats_client_out_messages_total", "counter", now.out_msgs},
        {"nats_client_out_bytes_total", "counter", now.out_bytes},
        {"nats_client_outbox_bytes", "gauge", now.pending_out_bytes},
        {"nats_client_dropped_messages_total", "counter", now.dropped_msgs},
        {"nats_client_orphan_messages_total", "counter", now.orphan_msgs},
        {"nats_client_late_replies_total", "counter", now.late_replies},
        {"nats_client_unconfirmed_messages_total", "counter", now.unconfirmed},
        {"nats_client_reconnects_total", "counter", now.reconnects},
        {"nats_client_subscriptions", "gauge", now.subs},
        {"nats_client_requests", "gauge", now.requests},
        {"nats_client_allocated_bytes", "gauge", process.allocated_bytes},
        {"nats_client_held_messages", "gauge", process.msgs},
        {"nats_client_threads", "gauge", process.threads},
    };
    write_all(out, metrics, sizeof metrics / sizeof metrics[0]);
}

/* All samples of a metric stand together, so the subscriptions are the inner loop. */
static void write_subs(FILE *out, const natskit_sub *subs, size_t count)
{
    static const struct {
        const char *name;
        const char *type;
    } metrics[] = {{"nats_client_sub_up", "gauge"},
                   {"nats_client_sub_received_messages_total", "counter"},
                   {"nats_client_sub_taken_messages_total", "counter"},
                   {"nats_client_sub_dropped_messages_total", "counter"},
                   {"nats_client_sub_pending_messages", "gauge"},
                   {"nats_client_sub_pending_bytes", "gauge"}};
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        fprintf(out, "# TYPE %s %s\n", metrics[i].name, metrics[i].type);
        for (size_t k = 0; k < count; k++) {
            char subject[256];
            size_t len;
            natskit_sub_stats now;
            natskit_health health;
            check(natskit_sub_subject(subs[k], subject, sizeof subject, &len), "subject");
            check(natskit_sub_stats_get(subs[k], &now, sizeof now), "stats");
            check(natskit_sub_health(subs[k], &health, sizeof health), "health");
            const uint64_t values[] = {health.state <= NATSKIT_HEALTH_DEGRADED,
                                       now.received,
                                       now.taken,
                                       now.dropped_msgs,
                                       now.pending_msgs,
                                       now.pending_bytes};
            fputs(metrics[i].name, out);
            write_label(out, "subject", subject, len);
            fprintf(out, " %" PRIu64 "\n", values[i]);
        }
    }
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_sub subs[] = {subscribe_or_exit(conn, "metrics.c.>", NULL),
                          subscribe_or_exit(conn, "metrics.c.\"quoted\"", NULL)};
    natskit_msg *msg;
    publish_text(conn, "metrics.c.one", "12345");
    publish_text(conn, "metrics.c.two", "12345");
    check(natskit_flush(conn, 5000), "flush");
    check(natskit_sub_next(subs[0], 5000, &msg), "next");
    natskit_msg_release(msg);

    write_conn(stdout, conn);
    write_subs(stdout, subs, 2);

    natskit_sub_close(subs[0]);
    natskit_sub_close(subs[1]);
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
