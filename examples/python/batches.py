# SPDX-License-Identifier: Apache-2.0
"""What servers since 2.12 add to publishing: messages that are stored together or not at all, counters, and messages
that the server makes by a schedule. Needs a server with JetStream."""

import asyncio  # [async]
import os

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


# snippet: batch
async def order(js: natskit.JetStreamContext, stock: str, seen: int) -> None:
    """Both messages are stored, or none: the second only if nobody has changed the stock."""
    async with js.batch() as batch:
        batch.add("batch.order", "7 of them")
        batch.add("batch.stock", stock, expected_last_subject_seq=seen)
    assert batch.ack is not None
    print(f"batch: {batch.ack.batch_size} messages, the last as {batch.ack.seq}")
# snippet end


# snippet: schedule
async def schedule(js: natskit.JetStreamContext) -> None:
    """One message each second, until another message ends it."""
    ticks = await js.pull_subscribe("batch.tick", stream="BATCH")
    await js.publish("batch.plan", b"tick", schedule="@every 1s", schedule_target="batch.tick")
    for _ in range(2):
        for msg in await ticks.fetch(1, timeout=10):
            origin = msg.origin or {}
            print(f"schedule: {msg.text}, made by {origin['scheduler']}")
            await msg.ack()
    await js.publish("batch.stop", unschedule="batch.plan")
    print("schedule: ended")
# snippet end


async def main() -> None:
    async with natskit.connect(URL, name="example batches") as nc:
        js = nc.jetstream()
        await js.add_stream(
            name="BATCH", subjects=["batch.>"], storage="memory", allow_atomic=True, allow_msg_schedules=True
        )
        await js.add_stream(
            name="COUNT", subjects=["count.>"], storage="memory", allow_msg_counter=True, allow_direct=True
        )
        await order(js, "93 left", 0)
        # snippet: batch
        try:
            await order(js, "86 left", 1)
        except errors.WrongLastSequenceError as error:  # outcome "unknown": it may be stored all the same
            print(f"batch: {error}; {'nobody knows' if error.outcome == 'unknown' else 'nothing of it is stored'}")
        # snippet end
        # snippet: counter
        for by in (5, -2, 10**20):
            print(f"counter: {await js.increment('count.visits', by)}")
        # snippet end
        # snippet: last
        last = await js.get_last_msg("COUNT", "count.visits")
        print(f"read: {last.counter}, of other streams {last.counter_sources}")
        # snippet end
        await schedule(js)
        await js.delete_stream("BATCH")
        await js.delete_stream("COUNT")


if __name__ == "__main__":
    asyncio.run(main())
