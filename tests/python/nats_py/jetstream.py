# SPDX-License-Identifier: Apache-2.0
"""A program in nats-py's style: streams, consumers, publishing, push and pull. run() gets the module `nats`."""

import asyncio


async def run(nats, url, out):
    api = nats.js.api
    errors = nats.js.errors
    nc = await nats.connect(url)
    js = nc.jetstream()

    # Streams.
    info = await js.add_stream(name="ORDERS", subjects=["orders.*"], storage="memory", max_age=3600)
    out("stream", info.config.name, info.config.subjects, info.config.max_age, info.state.messages)
    info = await js.add_stream(api.StreamConfig(name="OTHER", subjects=["other"], retention=api.RetentionPolicy.WORK_QUEUE))
    out("config", info.config.retention == "workqueue")
    try:
        await js.add_stream(name="ORDERS", subjects=["else"])
    except errors.BadRequestError as error:
        out("in use", error.code, error.err_code, error.description)
    try:
        await js.stream_info("NONE")
    except errors.NotFoundError as error:
        out("none", error.code, error.err_code, error.description, str(error))
    out("by subject", await js.find_stream_name_by_subject("orders.new"))
    try:
        await js.find_stream_name_by_subject("nowhere")
    except errors.NotFoundError as error:
        out("no stream", type(error).__name__)
    out("names", sorted(info.config.name for info in await js.streams_info()))

    # Publishing.
    for i in range(5):
        ack = await js.publish("orders.new", f"{i}".encode(), headers={api.Header.MSG_ID: f"id{i}"})
    out("ack", ack)
    out("again", (await js.publish("orders.new", b"4", headers={"Nats-Msg-Id": "id4"})).duplicate)
    try:
        await js.publish("nowhere", b"", timeout=20)
    except errors.NoStreamResponseError as error:
        out("nowhere", str(error))
    try:
        await js.publish("orders.new", b"", stream="OTHER")
    except errors.BadRequestError as error:
        out("expected", error.err_code)
    futures = [await js.publish_async("orders.async", str(i).encode()) for i in range(20)]
    acks = await asyncio.gather(*futures)
    out("async", [ack.seq for ack in acks])
    failed = await js.publish_async("nowhere", b"")
    await js.publish_async_completed()
    out("pending", js.publish_async_pending(), type(failed.exception()).__name__)

    # Messages as they are kept.
    msg = await js.get_msg("ORDERS", 2)
    out("get", msg.subject, msg.seq, msg.sequence, msg.data, msg.headers, msg.header)
    msg = await js.get_last_msg("ORDERS", "orders.async")
    out("last", msg.seq, msg.data, msg.headers)
    try:
        await js.get_msg("ORDERS", 1000)
    except errors.NotFoundError as error:
        out("no msg", error.code, error.err_code)
    out("deleted", await js.delete_msg("ORDERS", 3), await js.purge_stream("ORDERS", subject="orders.async"))

    # A pull consumer.
    sub = await js.pull_subscribe("orders.new", "puller")
    msgs = await sub.fetch(2)
    for msg in msgs:
        out("fetched", msg.subject, msg.data, msg.metadata.sequence, msg.metadata.num_pending, msg.metadata.num_delivered)
        await msg.ack()
    try:
        await msgs[0].ack()
    except nats.errors.MsgAlreadyAckdError as error:
        out("acked", type(error).__name__, msgs[0].is_acked)
    msgs = await sub.fetch(100, timeout=20)  # there are fewer: it does not wait for more
    out("rest", [msg.data for msg in msgs], msgs[0].metadata.stream, msgs[0].metadata.consumer)
    await msgs[0].nak(delay=0.05)
    answer = await msgs[1].ack_sync(timeout=20)
    out("ack_sync", answer.data)
    again = (await sub.fetch(1, timeout=20))[0]
    out("again", again.data, again.metadata.num_delivered)
    await again.in_progress()
    await again.term()
    for batch, timeout in ((1, 0.2), (5, 0.2)):
        try:
            await sub.fetch(batch, timeout=timeout)
        except nats.errors.TimeoutError as error:
            out("nothing", str(error))
    for arguments in ((0, 1), (1, 0)):
        try:
            await sub.fetch(*arguments)
        except ValueError as error:
            out("refused", str(error))
    info = await sub.consumer_info()
    out("consumer", info.name, info.stream_name, info.num_pending, info.config.durable_name, info.config.filter_subject)
    bound = await js.pull_subscribe_bind("puller", "ORDERS")
    out("bound", (await bound.consumer_info()).delivered.consumer_seq)
    other = await js.pull_subscribe("orders.*", "puller", config=api.ConsumerConfig(max_deliver=7))  # as it is
    out("as it is", (await other.consumer_info()).config.max_deliver)
    await sub.unsubscribe()

    # Push consumers.
    got = []

    async def cb(msg):
        got.append(msg.data)

    push = await js.subscribe("orders.new", cb=cb, durable="pusher")
    while len(got) < 4 or (await push.consumer_info()).num_ack_pending:
        await asyncio.sleep(0.01)
    out("pushed", got, (await push.consumer_info()).config.durable_name)
    try:
        await js.subscribe("orders.new", durable="pusher")
    except errors.Error as error:
        out("bound already", str(error))
    await push.unsubscribe()
    sub = await js.subscribe("orders.new", stream="ORDERS", config=api.ConsumerConfig(deliver_policy=api.DeliverPolicy.LAST))
    msg = await sub.next_msg(timeout=20)
    out("from the last", msg.data, msg.metadata.sequence.stream)
    await msg.ack()
    await sub.unsubscribe()
    ordered = await js.subscribe("orders.new", ordered_consumer=True)
    out("ordered", [(await ordered.next_msg(timeout=20)).data for _ in range(4)])
    await ordered.unsubscribe()
    queue = await js.subscribe("orders.new", "q1", manual_ack=True)
    out("queue", (await queue.next_msg(timeout=20)).data, (await queue.consumer_info()).config.deliver_group)
    await queue.unsubscribe()

    # Consumers.
    info = await js.add_consumer("ORDERS", durable_name="made", ack_policy=api.AckPolicy.EXPLICIT, ack_wait=7.5)
    out("made", info.name, info.config.ack_wait, info.config.ack_policy == api.AckPolicy.EXPLICIT)
    out("consumers", sorted(info.config.durable_name for info in await js.consumers_info("ORDERS") if info.config.durable_name))
    try:
        await js.consumer_info("ORDERS", "none")
    except errors.NotFoundError as error:
        out("no consumer", error.err_code, error.description)
    out("gone", await js.delete_consumer("ORDERS", "made"), await js.delete_stream("OTHER"))
    account = await js.account_info()
    out("account", account.streams, account.limits.max_streams)
    plain = await nc.subscribe("plain")
    await nc.publish("plain", b"", reply="x.y")
    try:
        (await plain.next_msg(timeout=20)).metadata
    except nats.errors.NotJSMessageError as error:
        out("plain", str(error))
    await js.delete_stream("ORDERS")
    await nc.close()
