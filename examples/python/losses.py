# SPDX-License-Identifier: Apache-2.0
"""What tells of lost messages: a subscriber that is too slow, and the counters of its connection."""

import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def wait_for(events: natskit.Events, kind: str) -> natskit.Event:
    """Waits for an event, and passes over others."""
    while True:
        event = await events.next_msg(timeout=5)
        if event.type == kind:
            return event


async def main() -> None:
    async with natskit.connect(URL, name="example losses") as nc:
        events = nc.events()
        sub = await nc.subscribe("losses.py", pending_msgs_limit=10)
        for _ in range(100):
            await nc.publish("losses.py", b"data")
        await nc.flush()  # what came back before the PONG is in the queue

        # snippet: told
        event = await wait_for(events, "slow_consumer")
        print(f"slow consumer: {event.subject}")
        print(f"received {sub.received}, waiting {sub.pending_msgs}, dropped {sub.dropped}")
        counters = nc.stats()
        dropped, unconfirmed, unsent = (counters[n] for n in ("dropped_msgs", "unconfirmed", "unsent"))
        print(f"connection: dropped {dropped}, unconfirmed {unconfirmed}, unsent {unsent}")
        # snippet end
        await sub.close()
        await events.close()


if __name__ == "__main__":
    asyncio.run(main())
