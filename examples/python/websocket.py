# SPDX-License-Identifier: Apache-2.0
"""By WebSocket, with a header of our own in the upgrade: all the rest is as with nats://. For wss:// NATS_CA may
name the file of the authority that the server's certificate is of."""

import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "ws://127.0.0.1:8080")


async def main() -> None:
    # snippet: connect
    headers = ["X-Application: example"]
    async with natskit.connect(URL, ws_headers=headers, tls_ca_file=os.environ.get("NATS_CA")) as nc:
        print(f"connected by {nc.connected_url}, TLS {'yes' if nc.tls else 'no'}")
    # snippet end
        sub = await nc.subscribe("greet.*")
        await nc.publish("greet.joe", b"hello")
        msg = await sub.next_msg(timeout=1)
        print(f"received {msg.subject} '{msg.data.decode()}'")


if __name__ == "__main__":
    asyncio.run(main())
