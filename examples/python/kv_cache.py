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
        await js.create_or_update_key_value(bucket="CACHED", storage="memory")
        kv = await js.key_value("CACHED", codec="path")
        await kv.put("/db/host", b"10.0.0.7")
        await kv.put("/sessions/1", b"joe")
        await kv.put("/sessions/2", b"pam")

        async with kv.cache() as cache:  # looking up takes no round trip; it follows the bucket
            print(f"at hand: {cache['/db/host'].value.decode()}, port: {cache.get('/db/port')}")

        for _ in range(2):  # whoever else does the same meanwhile
            await kv.modify("/visits", lambda value: b"%d" % (int(value or 0) + 1))
        print(f"visits: {(await kv.get('/visits')).value.decode()}")

        print(f"sessions deleted: {await kv.delete_all('/sessions/*')}")
        status = await kv.status()
        print(f"{status.bucket}: {status.values} entries of {await kv.keys()}")
        await js.delete_key_value("CACHED")


if __name__ == "__main__":
    asyncio.run(main())
