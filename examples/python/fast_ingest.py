# SPDX-License-Identifier: Apache-2.0
"""Fast ingest (server 2.14): many messages to one stream, which it acks by and by; what is refused ends it, and the
program knows up to where all is stored. Needs a server with JetStream."""

import asyncio  # [async]
import os

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def main() -> None:
    async with natskit.connect(URL, name="example fast ingest") as nc:
        js = nc.jetstream()
        await js.add_stream(name="FAST", subjects=["fast.>"], storage="memory", allow_batched=True)
        # snippet: ingest
        async with js.ingest() as fast:
            for i in range(1, 10001):
                await fast.publish("fast.log", f"line {i}")
        assert fast.ack is not None
        print(f"stored: {fast.ack.batch_size} messages, the last as {fast.ack.seq}")

        # snippet end
        # snippet: ingest
        try:
            async with js.ingest() as fast:
                await fast.publish("fast.log", "line 1")
                await fast.publish("fast.log", "line 2", expected_last_seq=7)  # which the stream refuses
        except errors.WrongLastSequenceError as error:
            stats = fast.stats()
            print(f"ended: {error}; stored up to {stats['acked']} of {stats['published']}")
        # snippet end
        await js.delete_stream("FAST")


if __name__ == "__main__":
    asyncio.run(main())
