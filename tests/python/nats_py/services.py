# SPDX-License-Identifier: Apache-2.0
"""A program in nats-py's style: services. run() gets the module `nats`, whose `micro` was imported."""

import asyncio
import json


async def run(nats, url, out):
    micro = nats.micro
    nc = await nats.connect(url)
    service = await micro.add_service(
        nc, name="sums", version="1.2.3", description="sums", metadata={"a": "b"}
    )

    async def add(request):
        out("request", request.subject, request.headers)
        numbers = json.loads(request.data)
        await request.respond(json.dumps(sum(numbers)).encode(), headers={"by": "sums"})

    async def refuse(request):
        await request.respond_error("409", "not now", data=b"later")

    async def fail(request):
        raise micro.request.ServiceError("404", "no such number")

    async def crash(request):
        raise ValueError("broken")

    await service.add_endpoint(name="add", handler=add)
    group = service.add_group(name="more")
    await group.add_endpoint(name="refuse", handler=refuse)
    await group.add_group(name="deep").add_endpoint(name="fail", handler=fail, subject="fails")
    await service.add_endpoint(micro.service.EndpointConfig(name="crash", handler=crash, metadata={"x": "y"}))
    answer = await nc.request("add", b"[1, 2]", timeout=20, headers={"h": "v"})
    out("answer", answer.data, answer.headers)
    for subject in ("more.refuse", "more.deep.fails", "crash"):
        answer = await nc.request(subject, b"", timeout=20)
        out("error", subject, answer.data, sorted(answer.headers.items()))
    info = service.info()
    out("info", info.name, info.version, info.description, info.metadata, info.id == service.id)
    out("endpoints", sorted((each.name, each.subject, each.queue_group) for each in info.endpoints))
    stats = service.stats()
    out("stats", sorted((each.name, each.num_requests) for each in stats.endpoints))
    out("started", type(stats.started).__name__)
    for verb in micro.service.ServiceVerb:
        answer = await nc.request(micro.service.control_subject(verb, "sums"), b"", timeout=20)
        told = json.loads(answer.data)
        out(verb.value, told["name"], told["type"], len(told.get("endpoints", [])))
    await service.reset()
    await service.stop()
    await asyncio.wait_for(service.stopped.wait(), 20)
    try:
        await nc.request("add", b"[]", timeout=20)
    except nats.errors.NoRespondersError:
        out("stopped")
    try:
        await micro.add_service(nc, name="bad name", version="1.0.0")
    except ValueError:
        out("bad name")
    await nc.close()
