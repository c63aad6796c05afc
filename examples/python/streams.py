# SPDX-License-Identifier: Apache-2.0
"""Streams and consumers of JetStream: made, changed, looked at, deleted. Needs a server with JetStream."""

import asyncio  # [async]
import os
from datetime import timedelta

import natskit
from natskit import errors
from natskit.js import api

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def main() -> None:
    async with natskit.connect(URL, name="example streams") as nc:
        js = nc.jetstream()
        account = await js.account_info()
        print(f"account: {account.streams} streams of {account.limits.max_streams}")

        # snippet: manage
        config = api.StreamConfig(
            "EXAMPLE",
            subjects=["example.>"],
            max_age=timedelta(days=30),
            discard=api.DiscardPolicy.NEW,
            metadata={"owner": "examples"},
        )
        info = await js.create_or_update_stream(config)
        print(f"stream: {info.config.name}, kept for {info.config.max_age:.0f} s")

        info = await js.update_stream(name="EXAMPLE", description="changes what is said, and that alone")
        print(f"updated: {info.config.description!r}, still {info.config.max_age:.0f} s")

        # snippet end
        for number in range(4):
            await js.publish("example.orders", f"order {number}", headers={"Number": str(number)})
        # snippet: one
        ack = await js.publish("example.orders", "order 4", headers={"Number": "4"})
        print(f"published: number {ack.seq} of {ack.stream}")
        again = [await js.publish("example.ids", b"once", msg_id="a") for _ in range(2)]
        print(f"with an id: {[ack.duplicate for ack in again]}")
        # snippet end
        # snippet: publisher
        async with js.publisher(max_pending=100) as pub:  # its end waits for the acks, and raises the first failure
            for number in range(998):
                await pub.publish("example.many", f"message {number}", msg_id=f"many-{number}")
            await pub.publish_batch([("example.many", b"milk"), ("example.many", b"bread", {"Shelf": "3"})])
        # snippet end
        print(f"publisher: {pub.stats()['acked']} acked")
        # snippet: manage
        stream = await js.stream("EXAMPLE")
        info = await stream.info(">")
        print(f"state: {info.state.messages} messages, {info.state.subjects}")

        # snippet end
        msg = await stream.get_last_msg("example.orders")
        print(f"last: {msg.seq} {msg.data!r} {msg.headers and dict(msg.headers)}")

        # snippet: manage
        consumer = await stream.add_consumer(durable_name="worker", ack_wait=0.5, backoff=[0.5, 2, 60], max_deliver=4)
        print(f"consumer: {consumer.name}, {consumer.cached_info.num_pending} to be delivered")
        print(f"names: {await js.stream_names('example.*')} {await stream.consumer_names()}")

        # snippet end
        try:
            await js.add_stream(name="EXAMPLE", subjects=["other"])
        except errors.AlreadyExistsError as error:
            print(f"refused: {error.code} {error.err_code} {error.description}")
        try:
            await js.consumer("EXAMPLE", "nobody")
        except errors.NotFoundError as error:
            print(f"not found: {error.text}")

        # snippet: manage
        print(f"purged: {await stream.purge(keep=2)}")
        print(f"deleted: {await stream.delete()}")
        # snippet end


if __name__ == "__main__":
    asyncio.run(main())
