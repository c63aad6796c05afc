# SPDX-License-Identifier: Apache-2.0
"""Handlers: functions that are called with each message, one after another or several at once."""

import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


def log(msg: natskit.Msg) -> None:
    print(f"log: {msg.subject} {msg.text!r}")


async def square(msg: natskit.Msg) -> None:
    number = msg.json()
    await msg.respond(json=number * number)


async def main() -> None:
    async with natskit.connect(URL, name="example handlers") as nc:
        await nc.subscribe("log.>", cb=log)
        await nc.subscribe("square", "workers", square, concurrency=4)

        answers = await nc.subscribe("answers")
        await nc.publish("log.info", "started")
        for number in range(5):
            await nc.publish("square", reply="answers", json=number)
        # [sync] handled = 0
        # [sync] while handled < 6:  # handlers run in here, and nowhere else
        # [sync]     handled += nc.dispatch(timeout=5)
        got = sorted([(await answers.next_msg(timeout=5)).json() for _ in range(5)])
        print(f"squares: {got}")

        await answers.unsubscribe()
        # [async]
        await nc.drain()  # waits for handlers that still run
        # [end]


if __name__ == "__main__":
    asyncio.run(main())
