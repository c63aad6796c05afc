# SPDX-License-Identifier: Apache-2.0
"""Services: handlers of every kind, errors, statistics, discovery, reconnects, and an end that loses nothing."""

from __future__ import annotations

import json
import logging
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors

SERVICE = {"name": "sums", "version": "1.2.3-rc.1"}


async def add(request: natskit.micro.Request) -> None:
    await request.respond(json=sum(request.json()))


async def test_everything_it_tells(url: str) -> None:
    async with natskit.connect(url) as nc, natskit.connect(url) as client:
        service = await natskit.micro.add_service(
            nc, **SERVICE, description='says "no"\n', metadata={"k": 'v"'}, queue_group=""
        )
        assert service.name == "sums" and service.version == "1.2.3-rc.1" and len(service.id) == 22
        group = service.add_group(name="v1", queue_group="g").add_group(name="deep")
        first = await service.add_endpoint(name="first", handler=add)
        await group.add_endpoint(name="second", handler=add, subject="s.*", metadata={"a": "b"})
        config = natskit.micro.EndpointConfig("third", add, queue_group="own")
        await group.add_endpoint(config)
        first.set_data({"load": [0.5, '"']})
        await nc.flush()
        info = service.info()
        assert info.description == 'says "no"\n' and info.metadata == {"k": 'v"'}
        told = [(one.name, one.subject, one.queue_group, one.metadata) for one in info.endpoints]
        assert told == [
            ("first", "first", "", {}),
            ("second", "v1.deep.s.*", "g", {"a": "b"}),
            ("third", "v1.deep.third", "own", {}),
        ]
        assert service.stats().endpoints[0].data == {"load": [0.5, '"']}
        for verb, own in (("PING", service.ping()), ("INFO", info), ("STATS", service.stats())):
            for level in ("", ".sums", f".sums.{service.id}"):
                told_there = json.loads((await client.request(f"$SRV.{verb}{level}")).data)
                assert type(own).from_dict(told_there) == own
                assert told_there["type"] == own.type == f"io.nats.micro.v1.{verb.lower()}_response"
        first.set_data(None)
        assert service.stats().endpoints[0].data is None
        assert service.ping().to_dict()["id"] == service.id
        await service.close()
        assert service.stopped and service.info() == info


async def test_what_is_refused(url: str) -> None:
    async with natskit.connect(url) as nc:
        for wrong in ({"name": "a b"}, {"version": "1"}, {"metadata": {"a": 1}}, {"concurrency": 0}):
            with pytest.raises(errors.InvalidError):
                await natskit.micro.add_service(nc, **{**SERVICE, **wrong})  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidError):
            await natskit.micro.add_service(nc)
        service = await natskit.micro.add_service(nc, natskit.micro.ServiceConfig("a", "1.0.0"))
        with pytest.raises(errors.InvalidError, match="semantic"):
            await natskit.micro.add_service(nc, natskit.micro.ServiceConfig("a", "1.0.0"), version="v1")
        with pytest.raises(errors.InvalidError, match="prefix"):
            service.add_group(name="a.>")
        with pytest.raises(errors.InvalidError, match="subject"):
            await service.add_endpoint(name="a", subject="b c", handler=add)
        with pytest.raises(TypeError):
            await service.add_endpoint(name="a", handler=3)  # type: ignore[arg-type]
        await service.add_endpoint(name="a", handler=add)
        with pytest.raises(errors.InvalidError, match="all endpoints"):
            await service.add_endpoint(name="b")
        await service.close()
        with pytest.raises(errors.ConnectionClosedError):
            await service.add_endpoint(name="c", handler=add)


async def test_handlers(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Decorated and not, of all kinds; what they raise is answered, counted, and logged unless it is a ServiceError."""
    caplog.set_level(logging.ERROR, "natskit")
    async with natskit.connect(url) as nc, natskit.connect(url) as client:
        async with await natskit.micro.add_service(nc, **SERVICE) as service:
            group = service.add_group(name="h")

            @group.endpoint()
            async def coroutine(request: natskit.micro.Request) -> None:
                assert request.endpoint.name == "coroutine" and request.subject == "h.coroutine"
                await request.respond(request.data, {"X": "y"})

            @group.endpoint("plain", subject="p")
            def plain(request: natskit.micro.Request) -> Any:
                return request.respond(json={"got": request.json()})

            @group.endpoint()
            async def refuses(request: natskit.micro.Request) -> None:
                await request.respond_error("409", 'not "now"\r\nplease', b"why", {"X": "y"})

            @group.endpoint()
            async def raises(request: natskit.micro.Request) -> None:
                raise errors.ServiceError(404, "no such\nthing")

            @group.endpoint()
            def breaks(request: natskit.micro.Request) -> None:
                raise ZeroDivisionError

            @group.endpoint()
            def quiet(request: natskit.micro.Request) -> None:
                assert request.reply == ""

            # [sync] serving = face.spawn(nc.run_forever)
            await nc.flush()
            reply = await client.request("h.coroutine", b"x")
            assert reply.data == b"x" and natskit.micro.raise_for_error(reply) is reply
            assert (await client.request("h.p", b"[1]")).json() == {"got": [1]}
            for name, code, text in (
                ("refuses", "409", 'not "now"  please'),
                ("raises", "404", "no such thing"),
                ("breaks", "500", "ZeroDivisionError"),
            ):
                reply = await client.request(f"h.{name}", b"")
                with pytest.raises(natskit.micro.ServiceError) as caught:
                    natskit.micro.raise_for_error(reply)
                assert caught.value.code == code and caught.value.description == text
                assert caught.value.server_code == int(code)
            await client.publish("h.quiet", b"")
            await client.flush()
            await service.stop()
            # [sync] serving.join()
            stats = {one.name: one for one in service.stats().endpoints}
            counts = {name: (one.num_requests, one.num_errors) for name, one in stats.items()}
            assert counts == {
                "coroutine": (1, 0),
                "plain": (1, 0),
                "refuses": (1, 1),
                "raises": (1, 1),
                "breaks": (1, 1),
                "quiet": (1, 0),
            }
            assert stats["refuses"].last_error == '409:not "now"\r\nplease'
            assert all(one.processing_time > 0 for one in stats.values())
            service.reset()
            assert all(one.num_requests == 0 for one in service.stats().endpoints)
        assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]
    caplog.clear()  # its tracebacks hold requests


async def test_requests_as_an_iterator(url: str) -> None:
    async with natskit.connect(url) as nc, natskit.connect(url) as client:
        service = await natskit.micro.add_service(nc, **SERVICE)
        await service.add_endpoint(name="loop")
        await nc.flush()

        async def serve() -> int:
            count = 0
            async for request in service:
                assert request.endpoint.name == "loop"
                await request.respond(request.data)
                count += 1
            return count

        work = face.spawn(serve)
        for i in range(20):
            assert (await client.request("loop", str(i))).data == str(i).encode()
        await service.stop()
        assert await face.join(work) == 20
        assert isinstance(service.reason, errors.UnsubscribedError)
        assert service.stats().endpoints[0].num_requests == 20


async def test_load_through_reconnects(url: str) -> None:
    """Requests on and on while the service loses its connection: the statistics are what its handlers did."""
    handled = [0, 0]
    async with natskit.connect(url) as nc, natskit.connect(url) as client:
        service = await natskit.micro.add_service(nc, **SERVICE)

        async def work(request: natskit.micro.Request) -> None:
            handled[0] += 1
            if int(request.data) % 10 == 0:
                handled[1] += 1
                raise errors.ServiceError(500, "tenth")
            await request.respond(request.data)

        await service.add_endpoint(name="load", handler=work)
        # [sync] serving = face.spawn(nc.run_forever)
        await nc.flush()
        number = answered = 0
        while number < 600:
            try:
                reply = await client.request("load", str(number), timeout=0.3)
            except (errors.TimeoutError, errors.NoRespondersError):
                continue
            answered += 1
            assert (reply.headers is not None) == (number % 10 == 0)
            number += 1
            if number % 200 == 100:
                await nc.reconnect()
        await service.stop()
        # [sync] serving.join()
        endpoint = service.stats().endpoints[0]
        assert [endpoint.num_requests, endpoint.num_errors] == handled
        assert handled[0] >= answered == 600 and nc.stats()["reconnects"] >= 3


async def test_stop_loses_nothing(url: str) -> None:
    """What was sent before the stop is answered; then nobody listens."""
    async with natskit.connect(url) as nc, natskit.connect(url) as client:
        service = await natskit.micro.add_service(nc, **SERVICE, concurrency=4)

        async def slow(request: natskit.micro.Request) -> None:
            await face.nap(0.002)
            await request.respond(request.data)

        await service.add_endpoint(name="slow", handler=slow)
        # [sync] serving = [face.spawn(nc.run_forever) for _ in range(3)]
        answers = await client.subscribe("answers")
        await client.flush()
        await nc.flush()
        for i in range(100):
            await client.publish("slow", str(i), "answers")
        await client.flush()
        await service.stop()
        # [sync] for one in serving:
        # [sync]     one.join()
        assert service.stopped
        await nc.flush()
        await client.flush()
        assert sorted(int(msg.data) for msg in await answers.next_batch(1000)) == list(range(100))
        assert service.stats().endpoints[0].num_requests == 100
        with pytest.raises(errors.NoRespondersError):
            await client.request("$SRV.PING.sums")


async def test_discovery(url: str) -> None:
    async with natskit.connect(url) as nc, natskit.connect(url) as client:
        twins = [await natskit.micro.add_service(nc, name="twin", version="1.0.0") for _ in range(2)]
        other = await natskit.micro.add_service(nc, name="other", version="2.0.0", prefix="tools")
        await nc.flush()
        # on a busy machine the second may take longer than the default allows
        found = [one async for one in natskit.micro.ping(client, stall=2, max_wait=60)]
        assert {one.id for one in found} == {one.id for one in twins}
        infos = [one async for one in natskit.micro.info(client, "twin", twins[0].id)]
        assert infos == [twins[0].info()]
        stats = [one async for one in natskit.micro.stats(client, prefix="tools", max_msgs=1)]
        assert stats == [other.stats()]
        nobody = natskit.micro.ping(client, "nobody")
        assert [one async for one in nobody] == []
        assert isinstance(nobody.reason, errors.NoRespondersError)
        with pytest.raises(errors.InvalidError):
            natskit.micro.ping(client, id="x")
        left = natskit.micro.ping(client, stall=None, max_wait=60)
        await left.close()
        for one in (*twins, other):
            await one.close()


async def test_answers_that_are_none(url: str) -> None:
    async with natskit.connect(url) as nc, natskit.connect(url) as client:
        service = await natskit.micro.add_service(nc, name="right", version="1.0.0")
        bare = b'{"id": "b", "name": "bare", "version": "1.0.0", "metadata": null, "endpoints": null, "new": 1}'
        wrong = (b"[" * 100000, b'{"id": "c", "name": "c",","version": "1.0.0"}', b"", b"[]", b"3", b'{"id": "c", "name": "c"}')
        wrong += (b'{"id": "c", "name": "c", "version": 1}', b'{"id": "c", "name": "c", "version": "1", "endpoints": [3]}')
        async with await nc.subscribe("$SRV.INFO") as questions:
            await nc.flush()
            found = natskit.micro.info(client, stall=None, max_wait=60, max_msgs=len(wrong) + 2)
            question = await questions.next_msg(20)
            for text in (*wrong, bare):
                await question.respond(text)
            assert {one.name: one for one in [one async for one in found]} == {
                "bare": natskit.micro.ServiceInfo("b", "bare", "1.0.0"),
                "right": service.info(),
            }
            assert found.malformed == len(wrong)
        await service.close()
