# SPDX-License-Identifier: Apache-2.0
"""A stream read in its order: all that there is, from a place on, and what follows. Needs JetStream."""

import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
STREAM = f"REPLAY_{os.getpid()}"
READINGS = [("hall", "20.5"), ("attic", "31.0"), ("hall", "20.7"), ("hall", "21.0")]


async def main() -> None:
    async with natskit.connect(URL, name="example replay") as nc:
        js = nc.jetstream()
        await js.add_stream(name=STREAM, subjects=[f"{STREAM}.*"], storage="memory")
        for room, reading in READINGS:
            await js.publish(f"{STREAM}.{room}", reading)

        # snippet: replay
        # What there is: the loop ends by itself.
        async for msg in js.ordered(STREAM, ends=True):
            print(f"all: {msg.metadata.sequence.stream}, {msg.subject.split('.')[1]} {msg.text}")

        # The last message of each subject: the state that they make up.
        async for msg in js.ordered(STREAM, deliver_policy="last_per_subject", ends=True):
            print(f"now: {msg.subject.split('.')[1]} {msg.text}")
        # snippet end

        # From a place on, of one subject, and what follows: none is lost or comes twice, whatever happens.
        hall = js.ordered(
            STREAM, subjects=f"{STREAM}.hall", deliver_policy="by_start_sequence", opt_start_seq=3, marker=True
        )
        async for msg in hall:
            if isinstance(msg, natskit.Status):
                print("hall: that was all there is")
                await js.publish(f"{STREAM}.hall", "21.4")
                continue
            print(f"hall: {msg.metadata.sequence.stream}, {msg.text}")
            if msg.text == "21.4":
                break
        await hall.unsubscribe()
        await js.delete_stream(STREAM)


if __name__ == "__main__":
    asyncio.run(main())
