# SPDX-License-Identifier: Apache-2.0
"""Queue groups: of the members of a group, one gets each message, so work is shared between them."""

import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
JOBS = 30


async def main() -> None:
    async with natskit.connect(URL, name="example queue group") as nc:
        # snippet: group
        workers = [await nc.subscribe("jobs.>", queue="workers") for _ in range(3)]
        for number in range(JOBS):
            await nc.publish(f"jobs.{number}", f"job {number}")
        await nc.flush()  # the server has handed all of them out
        # snippet end

        done = 0
        for number, worker in enumerate(workers, 1):
            await worker.unsubscribe()
            mine = [msg.data.decode() async for msg in worker]
            print(f"worker {number}: {len(mine)} jobs")
            done += len(mine)
        print(f"queue group: {JOBS} jobs, {done} done once")
        assert done == JOBS


if __name__ == "__main__":
    asyncio.run(main())
