# SPDX-License-Identifier: Apache-2.0
"""Settings at hand in a cache, keys that are paths, a counter that several may change, and sessions that are deleted all
at once. Needs a server with JetStream."""

import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def main() -> None:
    async with natskit.connect(URL, name="example kv_cache") as nc:
        js = nc.jetstream()
        # snippet: make
        await js.create_or_update_key_value(bucket="CACHED", storage="memory")
        await js.update_key_value(bucket="CACHED", history=5)  # and leaves the rest as it is
        print(f"there is: {'CACHED' in await js.key_value_names()}")
        # snippet end
        # snippet: codec
        kv = await js.key_value("CACHED", codec="path")
        # snippet end
        await kv.put("/db/host", b"10.0.0.7")
        await kv.put("/sessions/1", b"joe")
        await kv.put("/sessions/2", b"pam")

        # snippet: cache
        async with kv.cache() as cache:  # looking up takes no round trip; it follows the bucket
            print(f"at hand: {cache['/db/host'].value.decode()}, port: {cache.get('/db/port')}")
        # snippet end

        # snippet: modify
        for _ in range(2):  # whoever else does the same meanwhile
            await kv.modify("/visits", lambda value: b"%d" % (int(value or 0) + 1))
        # snippet end
        print(f"visits: {(await kv.get('/visits')).value.decode()}")

        # snippet: sweep
        count = await kv.delete_all("/sessions/*")  # purge_all: with their history
        await kv.purge_deletes(olderthan=0)  # what the deletes have left
        print(f"sessions deleted: {count}")
        # snippet end
        # snippet: make
        status = await kv.status()
        print(f"{status.bucket}: {status.values} entries of {await kv.keys()}")
        await js.delete_key_value("CACHED")
        # snippet end


if __name__ == "__main__":
    asyncio.run(main())
