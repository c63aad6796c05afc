# SPDX-License-Identifier: Apache-2.0
"""The shortest program that shows something: one connection publishes, and receives what it has published."""

# snippet: hello
import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def main() -> None:
    async with natskit.connect(URL) as nc:
        sub = await nc.subscribe("greet.*")
        await nc.publish("greet.joe", b"hello")
        msg = await sub.next_msg(timeout=1)
        print(f"{msg.subject}: {msg.text}")


if __name__ == "__main__":
    asyncio.run(main())
# snippet end
