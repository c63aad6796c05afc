# SPDX-License-Identifier: Apache-2.0
"""A program in nats-py's style: the client, subscriptions, messages, errors. run() gets the module `nats`."""

import asyncio


async def run(nats, url, out):
    events = []

    async def error_cb(error):
        events.append(type(error).__name__)

    async def closed_cb():
        events.append("closed")

    nc = await nats.connect(servers=[url], name="core", error_cb=error_cb, closed_cb=closed_cb, max_reconnect_attempts=3)
    out("connected", nc.is_connected, nc.is_closed, nc.connected_url.hostname, nc.connected_server_version.major)

    # Callbacks and answers.
    async def help_request(msg):
        out("help", msg.subject, msg.data, msg.headers)
        await msg.respond(b"I can help")

    sub = await nc.subscribe("help", "workers", help_request)
    answer = await nc.request("help", b"help me", timeout=20, headers={"a": "b", "c": "d"})
    out("answer", answer.data, answer.headers, sub.subject, sub.queue)
    await sub.unsubscribe()
    try:
        await nc.request("help", b"", timeout=20)
    except nats.errors.NoRespondersError as error:
        out("nobody", str(error))
    old = await nc.subscribe("slow")
    try:
        await nc.request("slow", b"", timeout=0.1)
    except asyncio.TimeoutError as error:  # noqa: UP041, programs for nats-py say it so
        out("late", type(error).__name__, str(error), isinstance(error, nats.errors.TimeoutError))
    await old.unsubscribe()
    try:
        await old.unsubscribe()
    except nats.errors.BadSubscriptionError as error:
        out("twice", str(error))

    # Messages one by one and in a loop.
    sub = await nc.subscribe("foo.*")
    for i in range(5):
        await nc.publish(f"foo.{i}", f"{i}".encode(), reply="bar" if i == 0 else "")
    msg = await sub.next_msg(timeout=20)
    out("first", msg.subject, msg.reply, msg.data, msg.headers, msg.sid > 0)
    await nc.flush()
    await asyncio.sleep(0)
    await sub.unsubscribe(limit=5)
    async for msg in sub.messages:
        out("loop", msg.subject, msg.data)
    empty = await nc.subscribe("empty")
    try:
        await empty.next_msg(timeout=0.05)
    except nats.errors.TimeoutError as error:
        out("empty", str(error))
    with_cb = await nc.subscribe("with.cb", cb=help_request)
    for attempt in (with_cb.next_msg, lambda: with_cb.messages):
        try:
            await attempt()
        except nats.errors.Error as error:
            out("refused", type(error).__name__, str(error))
    try:
        await nc.subscribe("x", cb=lambda msg: None)
    except nats.errors.Error as error:
        out("no coroutine", str(error))

    # max_msgs, a future, an exception in a callback.
    got = []

    async def collect(msg):
        got.append(msg.data)
        if msg.data == b"bad":
            raise ValueError("bad")

    limited = await nc.subscribe("limited", cb=collect, max_msgs=2)
    future = asyncio.get_running_loop().create_future()
    await nc.subscribe("future", future=future, max_msgs=1)
    for data in (b"bad", b"2", b"3"):
        await nc.publish("limited", data)
    await nc.publish("future", b"now")
    out("future", (await asyncio.wait_for(future, 20)).data)
    await nc.flush()
    while len(got) < 2:
        await asyncio.sleep(0.01)
    out("limited", got, limited.delivered)

    # Arguments.
    for subject in ("", "a b"):
        try:
            await nc.publish(subject, b"")
            out("subject", repr(subject), "ok")
        except (nats.errors.BadSubjectError, ValueError) as error:
            out("subject", repr(subject), type(error).__name__)
    try:
        await nc.publish("big", b"x" * (nc.max_payload + 1))
    except nats.errors.MaxPayloadError as error:
        out("big", str(error))
    try:
        await nc.flush(0)
    except nats.errors.BadTimeoutError as error:
        out("timeout", str(error))
    out("rtt", 0 < await nc.rtt() < 5, nc.new_inbox().startswith("_INBOX."))

    # A drain handles what has come.
    done = []

    async def slow(msg):
        await asyncio.sleep(0.01)
        done.append(msg.data)

    await nc.subscribe("drained", cb=slow)
    for i in range(5):
        await nc.publish("drained", str(i).encode())
    await nc.flush()
    await nc.drain()
    out("drained", done, nc.is_closed, nc.is_connected)
    for attempt in (lambda: nc.publish("a", b""), lambda: nc.subscribe("a"), lambda: nc.request("a"), nc.flush, nc.drain):
        try:
            await attempt()
        except nats.errors.ConnectionClosedError as error:
            out("closed", str(error))
    await nc.close()
    out("events", sorted(events))

    try:
        await nats.connect(url, error_cb=lambda error: None)
    except nats.errors.InvalidCallbackTypeError as error:
        out("callback", str(error))
    try:
        await nats.connect("nats://127.0.0.1:1", reconnect_time_wait=0.01, max_reconnect_attempts=2, error_cb=error_cb)
    except nats.errors.NoServersError as error:
        out("no servers", str(error))
    async with await nats.connect(url) as nc:
        out("with", nc.is_connected)
    out("after", nc.is_closed)
