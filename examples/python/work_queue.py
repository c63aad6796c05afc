# SPDX-License-Identifier: Apache-2.0
"""A work queue: a stream that keeps each job until a worker has acked it. Workers share one consumer; they ack what is
done, put off what has to wait, and give up what cannot be done. Needs a server with JetStream."""

import asyncio  # [async]
import os
# [sync] from concurrent.futures import ThreadPoolExecutor

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
JOBS = 20
finished: list[str] = []


async def handle(job: natskit.Msg) -> None:
    """A message takes one of ack, nak and term. Without any of them it is delivered again after ack_wait."""
    if job.text == "later" and job.metadata.num_delivered == 1:
        await job.nak(delay=0.1)  # not now: again in 0.1 s, by whoever asks then
        return
    if job.text == "nonsense":
        await job.term("not a job")  # never again
        print("given up: nonsense")
    else:
        await job.ack()  # done: the stream forgets it
        if job.metadata.num_delivered > 1:
            print(f"done: {job.text}, at delivery {job.metadata.num_delivered}")
    finished.append(job.text)


async def one_by_one(consumer: natskit.Consumer) -> None:
    while len(finished) < JOBS:  # a real worker goes on for ever
        try:
            job = await consumer.next(timeout=0.5)
        except errors.TimeoutError:
            continue
        await handle(job)


async def in_batches(consumer: natskit.Consumer) -> None:
    while len(finished) < JOBS:
        for job in await consumer.fetch(5, timeout=0.5):  # empty if there was nothing
            await handle(job)


async def main() -> None:
    async with natskit.connect(URL, name="example work queue") as nc:
        js = nc.jetstream()
        await js.add_stream(name="WORK", subjects=["work"], retention="workqueue", storage="memory")
        await js.add_consumer("WORK", durable_name="workers", ack_wait=30, max_deliver=5)
        for number in range(JOBS):
            await js.publish("work", {3: "later", 7: "nonsense"}.get(number, "job"))

        workers = await js.consumer("WORK", "workers")
        # [async]
        await asyncio.gather(one_by_one(workers), in_batches(workers))
        # [end]
        # [sync] with ThreadPoolExecutor() as pool:  # a connection may be used by any number of threads
        # [sync]     for worker in [pool.submit(one_by_one, workers), pool.submit(in_batches, workers)]:
        # [sync]         worker.result()
        print(f"work queue: {finished.count('job') + finished.count('later')} of {JOBS} jobs done")
        print(f"deleted: {await js.delete_stream('WORK')}")


if __name__ == "__main__":
    asyncio.run(main())
