# SPDX-License-Identifier: Apache-2.0
"""An object store: put, get, files, links, a watch. Needs a server with JetStream."""

import asyncio  # [async]
import io
import os

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def main() -> None:
    async with natskit.connect(URL, name="example objects") as nc:
        js = nc.jetstream()
        # snippet: short
        store = await js.create_object_store("FILES", storage="memory")

        info = await store.put("logo.svg", b"<svg/>", description="the logo", metadata={"owner": "design"})
        print(f"put: {info.name}, {info.size} bytes, {info.digest[:15]}...")
        got = await store.get("logo.svg")
        print(f"get: {got.data!r}, {got.info.description}")

        # A file of any size, piece by piece: nothing of it is seen before its end.
        async with await store.open("log.txt", "wb") as log:
            for i in range(1000):
                await log.write(f"this is line {i}\n")
        async with await store.open("log.txt") as log:
            lines = 0
            async for piece in log:
                lines += piece.count(b"\n")
            print(f"open: {lines} lines, {log.progress.bytes} bytes")
        copy = io.BytesIO()
        await store.get("log.txt", writeinto=copy)
        print(f"written into a file: {len(copy.getvalue())} bytes")
        # snippet end

        await store.add_link("latest", "log.txt")
        print(f"link: {(await store.get_info('latest')).link}, {(await store.get('latest')).info.size} bytes")
        await store.update_meta("log.txt", new_name="old.txt")
        try:
            await store.get("latest")
        except errors.ObjectNotFoundError as error:
            print(f"the link leads nowhere: {error}")

        async for info in store.watch(marker=True):
            if info is None:
                print("watch: that was all there is")
                await store.delete("logo.svg")
            elif info.deleted:
                print(f"watch: {info.name} was deleted")
                break
            else:
                print(f"watch: {info.name}")
        print(f"list: {sorted(info.name for info in await store.list())}")
        print(f"deleted: {await js.delete_object_store('FILES')}")


if __name__ == "__main__":
    asyncio.run(main())
