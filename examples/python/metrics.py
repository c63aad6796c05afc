# SPDX-License-Identifier: Apache-2.0
"""The counters of the library as a metrics exporter gives them out: the text format of Prometheus, of a connection, its
subscriptions and the process. A program serves this text by whatever HTTP server it has, or writes it to a file for a
collector."""

import asyncio  # [async]
import os
from collections.abc import Iterator

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")

# Name without "nats_client_", type, field of nc.stats().
CONN = (
    ("in_messages_total", "counter", "in_msgs"),
    ("in_bytes_total", "counter", "in_bytes"),
    ("out_messages_total", "counter", "out_msgs"),
    ("out_bytes_total", "counter", "out_bytes"),
    ("outbox_bytes", "gauge", "pending_out_bytes"),
    ("dropped_messages_total", "counter", "dropped_msgs"),
    ("orphan_messages_total", "counter", "orphan_msgs"),
    ("late_replies_total", "counter", "late_replies"),
    ("unconfirmed_messages_total", "counter", "unconfirmed"),
    ("reconnects_total", "counter", "reconnects"),
    ("subscriptions", "gauge", "subs"),
    ("requests", "gauge", "requests"),
)
# Of sub.stats().
SUB = (
    ("sub_received_messages_total", "counter", "received"),
    ("sub_taken_messages_total", "counter", "delivered"),
    ("sub_dropped_messages_total", "counter", "dropped_msgs"),
    ("sub_pending_messages", "gauge", "pending_msgs"),
    ("sub_pending_bytes", "gauge", "pending_bytes"),
)
# Of natskit.counters().
PROCESS = (
    ("allocated_bytes", "gauge", "allocated_bytes"),
    ("held_messages", "gauge", "msgs"),
    ("threads", "gauge", "threads"),
)


def subject_label(sub: natskit.Subscription) -> str:
    escaped = sub.subject.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{subject="{escaped}"}}'


def lines(nc: natskit.Client, subs: list[natskit.Subscription]) -> Iterator[str]:
    yield "# TYPE nats_client_up gauge"
    yield f"nats_client_up {int(nc.health().works)}"
    for metrics, now in ((CONN, nc.stats()), (PROCESS, natskit.counters())):
        for name, kind, field in metrics:
            yield f"# TYPE nats_client_{name} {kind}"
            yield f"nats_client_{name} {now[field]}"
    yield "# TYPE nats_client_sub_up gauge"
    for sub in subs:
        yield f"nats_client_sub_up{subject_label(sub)} {int(sub.health().works)}"
    for name, kind, field in SUB:  # all samples of a metric stand together
        yield f"# TYPE nats_client_{name} {kind}"
        for sub in subs:
            yield f"nats_client_{name}{subject_label(sub)} {sub.stats()[field]}"


async def main() -> None:
    async with natskit.connect(URL) as nc:
        subs = [await nc.subscribe("metrics.py.>"), await nc.subscribe('metrics.py."quoted"')]
        await nc.publish("metrics.py.one", b"12345")
        await nc.publish("metrics.py.two", b"12345")
        await nc.flush()
        await subs[0].next_msg(5)
        print("\n".join(lines(nc, subs)))


if __name__ == "__main__":
    asyncio.run(main())
