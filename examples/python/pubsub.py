# SPDX-License-Identifier: Apache-2.0
"""Publish and subscribe: every subscriber of a matching subject gets each message."""

import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def main() -> None:
    async with natskit.connect(URL, name="example pubsub") as nc:
        # snippet: pubsub
        # `*` stands for one token of a subject, `>` for one or more at its end.
        greetings = await nc.subscribe("greet.*")
        everything = await nc.subscribe("greet.>")

        await nc.publish("greet.joe", b"hello")
        await nc.publish("greet.pam", "good morning", headers={"Language": "en"})
        await nc.publish("greet.pam.again", b"only one of the two matches this")
        await nc.flush()
        # What arrived can still be taken; then the loops below end.
        await greetings.unsubscribe()
        await everything.unsubscribe()

        got = 0
        async for msg in greetings:
            language = msg.headers["Language"] if msg.headers else "-"
            print(f"greet.*: {msg.subject} '{msg.data.decode()}' {language}")
            got += 1
        async for msg in everything:
            print(f"greet.>: {msg.subject} '{msg.data.decode()}'")
            got += 1
        # snippet end
        assert got == 5, "5 messages were expected"


if __name__ == "__main__":
    asyncio.run(main())
