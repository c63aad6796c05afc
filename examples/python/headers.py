# SPDX-License-Identifier: Apache-2.0
"""Headers: names may repeat, keep their case, and come in their order."""

import asyncio  # [async]
import os

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def main() -> None:
    async with natskit.connect(URL, name="example headers") as nc:
        sub = await nc.subscribe("headers.py")
        # snippet: send
        await nc.publish("headers.py", b"paint", headers={"Color": ["red", "blue"], "X-Shop": "north"})
        # snippet end
        # A line break in a value would be another header: it is refused before anything is sent.
        try:
            await nc.publish("headers.py", headers={"Note": "a\r\nb"})
        except errors.InvalidError as error:
            print(f"refused: {error.text}")
        else:
            raise AssertionError("that was a header")

        msg = await sub.next_msg(timeout=1)
        headers = msg.headers
        assert headers is not None
        # snippet: read
        print(f"colors: {headers.get_all('Color')}, the first: {headers['Color']}")
        for name, value in headers.pairs():
            print(f"{name}: {value}")
        # snippet end
        print(f"x-shop: {headers.get('x-shop', ignore_case=True)}")


if __name__ == "__main__":
    asyncio.run(main())
