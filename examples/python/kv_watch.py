# SPDX-License-Identifier: Apache-2.0
"""A key-value bucket: put, get, create, update, and a watch that goes on. Needs a server with JetStream."""

import asyncio  # [async]
import os

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def main() -> None:
    async with natskit.connect(URL, name="example kv_watch") as nc:
        js = nc.jetstream()
        # snippet: short
        kv = await js.create_key_value(bucket="SETTINGS", history=5, storage="memory")

        revision = await kv.put("lamp.kitchen", b"off")
        await kv.put("lamp.hall", b"on")
        await kv.put("door.front", b"shut")
        entry = await kv.get("lamp.kitchen")
        print(f"get: {entry.key} = {entry.value.decode()}, revision {entry.revision}")

        await kv.update("lamp.kitchen", b"on", revision)
        try:
            await kv.update("lamp.kitchen", b"dim", revision)
        except errors.KeyWrongLastSequenceError:
            print("update: somebody was faster")
        try:
            await kv.create("lamp.hall", b"on")
        except errors.KeyExistsError:
            print("create: the key has a value")

        # What there is, then what comes; it goes on through lost connections and restarts.
        async for entry in kv.watch("lamp.*", marker=True):
            if entry is None:
                print("watch: that was all there is")
                await kv.delete("lamp.hall")
            elif entry.operation:
                print(f"watch: {entry.key} {entry.operation}")
                break
            else:
                print(f"watch: {entry.key} = {entry.value.decode()}")
        # snippet end

        try:
            await kv.get("lamp.hall")
        except errors.KeyNotFoundError as error:
            print(f"get: {type(error).__name__}")
        print(f"keys: {sorted(await kv.keys())}")
        print(f"history: {[entry.value.decode() for entry in await kv.history('lamp.kitchen')]}")
        print(f"deleted: {await js.delete_key_value('SETTINGS')}")


if __name__ == "__main__":
    asyncio.run(main())
