# SPDX-License-Identifier: Apache-2.0
"""Stored messages without a consumer: one, a page of a stream, the last of each subject. Needs JetStream, 2.11."""

import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
STREAM = f"DIRECT_{os.getpid()}"
READINGS = [("hall", "20.5"), ("attic", "31.0"), ("hall", "20.7"), ("hall", "21.0")]


def show(what: str, msg: natskit.StoredMsg) -> None:
    print(f"{what}: {msg.seq}, {msg.subject.split('.')[1]} {msg.data.decode()}")


async def main() -> None:
    async with natskit.connect(URL, name="example direct get") as nc:
        js = nc.jetstream()
        await js.add_stream(
            name=STREAM, subjects=[f"{STREAM}.*"], storage="memory", allow_direct=True
        )
        for room, reading in READINGS:
            await js.publish(f"{STREAM}.{room}", reading)

        # snippet: one
        # One, by its sequence, and the last one of a subject.
        show("second", await js.get_msg(STREAM, 2, direct=True))
        show("hall", await js.get_last_msg(STREAM, f"{STREAM}.hall", direct=True))
        # snippet end

        # snippet: page
        # Two messages from the second on; the loop raises if they cannot be read.
        async for msg in js.get_batch(STREAM, 2, seq=2):
            show("page", msg)
        # snippet end

        # snippet: last
        # The last message of each subject: the state that they make up.
        async for msg in js.get_last_msgs_for(STREAM):
            show("now", msg)
        # snippet end
        await js.delete_stream(STREAM)


if __name__ == "__main__":
    asyncio.run(main())
