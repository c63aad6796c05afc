# SPDX-License-Identifier: Apache-2.0
"""Messages of a pull consumer: fetched in batches, one by one, by a loop that goes on through
whatever happens, and by a handler. Needs a server with JetStream."""

import asyncio  # [async]
import os

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


# snippet: open
async def store(js: natskit.JetStreamContext, numbers: range) -> None:
    for number in numbers:
        await js.publish("jobs.new", f"job {number}")  # returns once the stream has the message


# snippet end
async def main() -> None:
    async with natskit.connect(URL, name="example consume") as nc:
        # snippet: open
        js = nc.jetstream()
        await js.add_stream(name="JOBS", subjects=["jobs.*"], retention="workqueue")
        await js.add_consumer("JOBS", durable_name="worker", ack_wait=30)

        # snippet end
        # snippet: consume
        worker = await js.consumer("JOBS", "worker")

        await store(js, range(10))
        for msg in await worker.fetch(4):
            print(f"fetched: {msg.text}, number {msg.metadata.sequence.stream} of the stream")
            await msg.ack()  # or nak(delay), term(reason), in_progress(), ack_sync()

        msg = await worker.next(timeout=1)
        await msg.ack_sync()  # waits until the server has the ack
        print(f"one: {msg.text}")

        done = 5
        async for msg in worker.consume(max_msgs=100):
            done += 1
            await msg.ack()
            if done == 10:
                break
        print(f"consumed: {done}")
        # snippet end

        # Somebody deletes the consumer: consuming waits until it is there again, and goes on.
        # snippet: watching
        sub = worker.consume(status_events=True, heartbeat=0.5)
        await worker.delete()
        async for item in sub:
            if isinstance(item, natskit.Msg):
                await item.ack()
                if item.text == "job 10":
                    break
                continue  # the server had not read its ack when the consumer was deleted
            print(f"status: {item.type}")
            if item.type in ("consumer_deleted", "consumer_not_found"):
                await js.add_consumer("JOBS", durable_name="worker", ack_wait=30)
                await store(js, range(10, 11))
        # snippet end
        await sub.drain()  # asks for no more; what has come has to be taken, but nothing is left here

        try:
            await worker.next(timeout=0)
        except errors.TimeoutError:
            print("nothing is left")

        handled: list[str] = []

        async def handle(msg: natskit.Msg) -> None:
            handled.append(msg.text)
            await msg.ack()

        sub = worker.consume(handle, concurrency=4)
        await store(js, range(11, 21))
        # [sync] while len(handled) < 10:
        # [sync]     nc.dispatch(timeout=5)
        # [async]
        while len(handled) < 10:
            await asyncio.sleep(0.01)
        # [end]
        await sub.drain()  # asks for no more, and waits for the handlers  # [async]
        # [sync] sub.close()
        print(f"handled: {len(handled)}")

        await js.delete_stream("JOBS")


if __name__ == "__main__":
    asyncio.run(main())
