# SPDX-License-Identifier: Apache-2.0
"""One request, many replies: the loop ends by time, by number, by a pause, or with an empty message."""

import asyncio  # [async]
import os  # [sync: import threading]

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def serve(service: natskit.Subscription) -> None:
    async for msg in service:
        for chunk in ("one", "two", "three"):
            await msg.respond(chunk)
        await msg.respond(b"")  # tells that this was all


async def main() -> None:
    async with natskit.connect(URL, name="example many replies") as nc:
        service = await nc.subscribe("chunks")
        # [async]
        server = asyncio.create_task(serve(service))
        # [end]
        # [sync] server = threading.Thread(target=serve, args=(service,))
        # [sync] server.start()

        # snippet: ask
        answers = nc.request_many("chunks", sentinel=True, max_wait=5)
        print("until an empty one:", [msg.text async for msg in answers])
        print("ended by:", type(answers.reason).__name__)

        answers = nc.request_many("chunks", max_msgs=2, max_wait=5)
        print("two:", [msg.text async for msg in answers])

        answers = nc.request_many("chunks", stall=0.2, max_wait=5)
        print("until a pause:", [msg.text async for msg in answers])
        # snippet end

        async for msg in nc.request_many("chunks", max_wait=5):
            print("the first:", msg.text)
            break  # wants no others

        try:
            async for msg in nc.request_many("nobody.there"):
                print(msg.text)
        except errors.NoRespondersError as error:
            print(f"no responders: {error.text}")

        await service.unsubscribe()
        # [async]
        await server
        # [end]
        # [sync] server.join()


if __name__ == "__main__":
    asyncio.run(main())
