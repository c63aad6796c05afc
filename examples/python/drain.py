# SPDX-License-Identifier: Apache-2.0
"""Ends a service in good order: it asks for no more, handles what has come, and sends its last replies."""

import asyncio  # [async]
# [sync] import threading
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def work(jobs: natskit.Subscription) -> None:
    async for msg in jobs:  # ends after the last one that has come
        await msg.respond(f"{msg.text} is done")


async def main() -> None:
    nc = await natskit.connect(URL, name="example drain")
    async with natskit.connect(URL, name="example drain observer") as observer:
        results = await observer.subscribe("jobs.done.py")
        await observer.flush()
        jobs = await nc.subscribe("jobs.drain.py")
        for number in range(20):
            await nc.publish("jobs.drain.py", f"job {number}", reply="jobs.done.py")
        await nc.flush()

        worker = asyncio.create_task(work(jobs))  # [async]
        # [sync] worker = threading.Thread(target=work, args=(jobs,))
        # [sync] worker.start()
        # snippet: drain
        await nc.drain(timeout=10)  # returns when all was handled, and all replies are at the server
        # snippet end
        await worker  # [async]
        # [sync] worker.join()
        done = [(await results.next_msg(timeout=5)).text for _ in range(20)]
        print(f"drain: {len(done)} jobs done, the last things sent before the end")


if __name__ == "__main__":
    asyncio.run(main())
