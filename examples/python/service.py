# SPDX-License-Identifier: Apache-2.0
"""A service with decorated handlers; a client that asks it, is refused once, finds it, and reads its statistics."""

import asyncio  # [async]
import os
# [sync] import threading

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def ask(client: natskit.Client, subject: str, text: str) -> None:
    reply = await client.request(subject, text, timeout=5)
    try:
        natskit.micro.raise_for_error(reply)
        print(f"{subject}: {reply.text}")
    except natskit.micro.ServiceError as error:
        print(f"{subject}: error {error.code}: {error.description}")


async def main() -> None:
    async with natskit.connect(URL, name="example service") as nc, natskit.connect(URL) as client:
        # snippet: service
        service = await natskit.micro.add_service(
            nc, name="texts-py", version="1.0.0", description="turns texts"
        )
        group = service.add_group(name="texts.py")

        @group.endpoint()
        async def reverse(request: natskit.micro.Request) -> None:
            if not request.data:
                raise natskit.micro.ServiceError(400, "a text, please")
            await request.respond(request.data[::-1])

        @group.endpoint(metadata={"unit": "bytes"})
        async def upper(request: natskit.micro.Request) -> None:
            await request.respond(request.data.upper())
        # snippet end

        # [sync] server = threading.Thread(target=nc.run_forever)
        # [sync] server.start()
        await nc.flush()  # the server knows the endpoints

        await ask(client, "texts.py.reverse", "stressed")
        await ask(client, "texts.py.upper", "quiet")
        await ask(client, "texts.py.reverse", "")
        # snippet: statistics
        async for one in natskit.micro.stats(client, "texts-py"):
            first = one.endpoints[0]
            print(
                f"found: {first.num_requests} requests, {first.num_errors} error, the last: {first.last_error}"
            )
        # snippet end

        await service.stop()  # nothing that was asked before is lost
        # [sync] server.join()
        print(f"stopped: {service.stopped}")


if __name__ == "__main__":
    asyncio.run(main())
