# SPDX-License-Identifier: Apache-2.0
"""What each level of delivery promises: accepted, written, flushed, acked. Needs a server with JetStream."""

import asyncio  # [async]
import os

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def publish(nc: natskit.Client, js: natskit.JetStreamContext) -> None:
    # snippet: levels
    # Accepted: the message is in the outbox of this process, behind all that was published before.
    await nc.publish("delivery.py", b"hello")
    # Written: the operating system has it.
    await nc.written()
    # Flushed: the server has processed it, and has sent it to who subscribed.
    await nc.flush()
    # Acked: a stream has stored it.
    ack = await js.publish("delivery.py.kept", b"hello")
    # snippet end
    print(f"acked: number {ack.seq} of {ack.stream}")


# snippet: outcome
async def publish_to_nobody(js: natskit.JetStreamContext) -> None:
    """Where no stream takes the subject nothing acks, and the outcome tells that nothing is stored."""
    try:
        await js.publish("delivery.py.nobody", b"hello")
    except errors.NoStreamResponseError as error:
        print(f"not acked: {error.text}, {error.outcome}")
        assert error.outcome != "unknown"
    else:
        raise AssertionError("a stream took it")
# snippet end


async def main() -> None:
    async with natskit.connect(URL, name="example delivery") as nc:
        js = nc.jetstream()
        await js.add_stream(name="DELIVERY_PY", subjects=["delivery.py.kept"])
        await publish(nc, js)
        await publish_to_nobody(js)
        print(f"in doubt: {nc.stats()['unconfirmed']} messages")
        await js.delete_stream("DELIVERY_PY")


if __name__ == "__main__":
    asyncio.run(main())
