# SPDX-License-Identifier: Apache-2.0
"""A tour through what natskit does: each stop checks what it shows."""

import asyncio  # [async]
import os  # [sync: import threading]

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def show_publish_subscribe(nc: natskit.Client) -> None:
    async with await nc.subscribe("greet.*") as sub:
        await nc.publish("greet.joe", b"hello")
        await nc.publish("greet.pam", "good morning")
        seen: list[str] = []
        async for msg in sub:
            print(f"publish/subscribe: received {msg.subject} '{msg.data.decode()}'")
            seen.append(msg.subject)
            if len(seen) == 2:
                break
        assert seen == ["greet.joe", "greet.pam"]


async def show_queue_group(nc: natskit.Client) -> None:
    async with await nc.subscribe("jobs", "workers") as one, await nc.subscribe("jobs", "workers") as two:
        assert await nc.publish_batch([("jobs", b"job")] * 20) == 20
        await nc.flush()
        done = one.pending_msgs + two.pending_msgs
        print(f"queue group: 20 jobs, {done} done once")
        assert done == 20


async def show_headers(nc: natskit.Client) -> None:
    async with await nc.subscribe("with.headers") as sub:
        await nc.publish("with.headers", headers={"Color": ["red", "blue"], "x-Case": "kept"})
        headers = (await sub.next_msg()).headers
        assert headers is not None
        print(f"headers: Color: {', '.join(headers.get_all('Color'))}")
        assert headers["Color"] == "red" and "X-CASE" not in headers
        assert headers.get("X-CASE", ignore_case=True) == "kept"


async def serve(service: natskit.Subscription) -> None:
    async for msg in service:
        assert msg.headers is not None
        print(f"request/reply: the service sees header Language: {msg.headers['Language']}")
        await msg.respond(b"hello, " + msg.data)


async def show_request_reply(nc: natskit.Client) -> None:
    service = await nc.subscribe("greeter")
    # [async]
    server = asyncio.create_task(serve(service))
    # [end]
    # [sync] server = threading.Thread(target=serve, args=(service,))
    # [sync] server.start()
    reply = await nc.request("greeter", b"joe", timeout=1, headers={"Language": "Python"})
    print(f"request/reply: got '{reply.data.decode()}'")
    assert reply.data == b"hello, joe"
    await service.unsubscribe()
    # [async]
    await server
    # [end]
    # [sync] server.join()


async def show_no_responders(nc: natskit.Client) -> None:
    try:
        await nc.request("nobody.there", timeout=1)
    except errors.NoRespondersError as error:
        print(f"no responders: {error.text}")
    else:
        raise AssertionError("somebody answered")


async def show_timeout(nc: natskit.Client) -> None:
    async with await nc.subscribe("silence") as sub:
        try:
            await sub.next_msg(timeout=0.05)
        except TimeoutError as error:
            print(f"timeout: {error}")
        else:
            raise AssertionError("something came")


async def show_bad_input(nc: natskit.Client) -> None:
    try:
        await nc.subscribe("not a subject")
    except errors.BadSubjectError as error:
        print(f"bad input: {error.text}")
    else:
        raise AssertionError("that was no subject")


async def main() -> None:
    nc = await natskit.connect(URL, name="tour")
    events = nc.events()
    version, limit = nc.connected_server_version, nc.max_payload
    print(f"connect: {nc.connected_url}, server {version}, max_payload {limit} bytes")

    await show_publish_subscribe(nc)
    await show_queue_group(nc)
    await show_headers(nc)
    await show_request_reply(nc)
    await show_no_responders(nc)
    await show_timeout(nc)
    await show_bad_input(nc)

    await nc.flush()
    print(f"flush: the server has all {nc.stats()['out_msgs']} messages")
    await nc.close()

    last = [event.type async for event in events][-1]
    print(f"events: the last one is {last}")
    assert last == "closed"
    await events.close()


def check_nothing_is_left() -> None:
    natskit.shutdown()
    left = natskit.counters()
    assert not any(left[name] for name in ("conns", "subs", "ops", "threads")), left
    print("end: nothing is left behind")


if __name__ == "__main__":
    asyncio.run(main())
    check_nothing_is_left()
