# SPDX-License-Identifier: Apache-2.0
"""A push consumer whose messages two workers share; then its stream is saved and restored, a message is traced, and the
server tells of the stream's end. Needs JetStream."""

import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
STREAM = f"PUSH_{os.getpid()}"
BACK = f"{STREAM}_BACK"
JOBS = 20


async def main() -> None:
    async with natskit.connect(URL, name="example push") as nc:
        js = nc.jetstream()
        await js.add_stream(name=STREAM, subjects=[f"{STREAM}.*"], storage="file")

        # snippet: share
        # The members of a queue find their consumer by its name; a message is acked when its handler has returned.
        done: list[str] = []
        workers = [
            await js.subscribe(f"{STREAM}.*", queue="workers", cb=lambda msg: done.append(msg.text)) for _ in range(2)
        ]
        for number in range(JOBS):
            await js.publish(f"{STREAM}.job", str(number))
        while len(done) < JOBS:
            # [sync] nc.dispatch(1)
            await asyncio.sleep(0.01)  # [async]
        print(f"shared: {len(set(done))} jobs done once")
        print(f"consumer: {workers[1].consumer[1] if workers[1].consumer else None}")
        # snippet end
        for worker in workers:
            await worker.unsubscribe()

        # snippet: snapshot
        # A snapshot is an iterator over bytes, which go to a file, say.
        async with await js.admin.snapshot(STREAM) as snapshot:
            chunks = [chunk async for chunk in snapshot]
        await js.delete_stream(STREAM)
        # Under another name: the server may still be busy with what it has deleted.
        info = await js.admin.restore({**snapshot.config, "name": BACK}, snapshot.state, chunks)
        print(f"restored: {info.state.messages} messages")
        # snippet end

        # snippet: trace
        # What servers say about a message's way, without delivering it.
        tree = await js.admin.trace(f"{STREAM}.job")
        print(f"trace: {tree['trace']['events'][0]['type']}, {tree['missing']} missing")
        # snippet end

        # snippet: advisories
        # What servers tell of streams and consumers.
        advisories = await js.advisories()
        await js.delete_stream(BACK)
        async for advisory in advisories:
            if advisory.kind == "stream_action" and advisory.data["stream"] == BACK:
                print(f"advisory: {advisory.data['action']}")
                break
        # snippet end


if __name__ == "__main__":
    asyncio.run(main())
