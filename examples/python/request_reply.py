# SPDX-License-Identifier: Apache-2.0
"""Request and reply: a service answers, its caller waits for the answer or for why there is none."""

import asyncio  # [async]
import os  # [sync: import threading]

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


# snippet: answer
async def serve(service: natskit.Subscription) -> None:
    async for msg in service:
        name = msg.data.decode()
        await msg.respond(f"hello, {name}", headers={"Length": str(len(name))})
# snippet end


async def main() -> None:
    async with natskit.connect(URL, name="example request") as nc:
        service = await nc.subscribe("greeter", queue="greeters")
        # [async]
        server = asyncio.create_task(serve(service))
        # [end]
        # [sync] server = threading.Thread(target=serve, args=(service,))
        # [sync] server.start()

        # snippet: ask
        for name in ("joe", "pam"):
            reply = await nc.request("greeter", name, timeout=1)
            assert reply.headers is not None
            print(f"request/reply: '{reply.data.decode()}', Length: {reply.headers['Length']}")

        try:
            await nc.request("nobody.there", b"", timeout=1)
        except errors.NoRespondersError as error:
            print(f"no responders: {error.text}")
        # snippet end
        else:
            raise AssertionError("somebody answered")

        await service.unsubscribe()  # ends the loop of the service
        # [async]
        await server
        # [end]
        # [sync] server.join()


if __name__ == "__main__":
    asyncio.run(main())
