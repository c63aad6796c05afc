# SPDX-License-Identifier: Apache-2.0
"""Services of this library and of the reference (npm `nats`) find and understand each other.

    services_peer.py FOLDER   where npm has installed it; needs the Python module and the harness of tests/support
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support" / "python"))

import natskit  # noqa: E402
from natskit import micro  # noqa: E402
from natskit_testing import Server  # noqa: E402


def expect(got: object, wanted: object, what: str) -> None:
    assert got == wanted, f"{what}: {got!r} instead of {wanted!r}"


def node(folder: str, *args: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of the other end."""
    return ["node", str(HERE / "services.cjs"), *args], {**os.environ, "NODE_PATH": str(Path(folder) / "node_modules")}


async def ours_for_them(nc: natskit.Client, url: str, folder: str) -> None:
    service = await micro.add_service(
        nc, name="ours", version="1.0.0", description="this library's", metadata={"by": "natskit"}
    )
    group = service.add_group(name="ours", queue_group="g")

    @group.endpoint(metadata={"unit": "one"})
    async def add(request: micro.Request) -> None:
        await request.respond(json=sum(request.json()))

    @group.endpoint()
    async def bad(request: micro.Request) -> None:
        raise micro.ServiceError(400, 'not "so"\nplease')

    await nc.flush()
    command, environment = node(folder, "look", url, "ours")
    looking = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE)
    told, _ = await asyncio.wait_for(looking.communicate(), 60)
    expect(looking.returncode, 0, "the end of the reference's client")
    found = json.loads(told)
    expect(found["ping"], [service.ping().to_dict()], "ping")
    expect([micro.ServiceInfo.from_dict(one) for one in found["info"]], [service.info()], "info")
    expect([micro.ServiceStats.from_dict(one) for one in found["stats"]], [service.stats()], "stats")
    expect(found["everybody"], 1, "services in all")
    expect(found["reply"], "6", "the reply")
    expect(found["isError"], True, "an error")
    expect(found["error"], {"code": 400, "message": 'not "so" please'}, "the error")
    counts = [(one.num_requests, one.num_errors) for one in service.stats().endpoints]
    expect(counts, [(1, 0), (1, 1)], "statistics")
    await service.stop()
    print("the reference's client understands services of this library")


async def theirs_for_us(nc: natskit.Client, url: str, folder: str) -> None:
    command, environment = node(folder, "serve", url)
    serving = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert serving.stdin is not None and serving.stdout is not None
    try:
        expect(await asyncio.wait_for(serving.stdout.readline(), 60), b"ready\n", "the reference's service")
        pings = [one async for one in micro.ping(nc, "theirs")]
        expect([(one.name, one.version, one.metadata) for one in pings], [("theirs", "2.0.0", {"by": "nats.js"})], "ping")
        expect((await nc.request("theirs.add", b"[1,2,3]")).json(), 6, "the reply")
        try:
            micro.raise_for_error(await nc.request("theirs.bad", b""))
            raise AssertionError("an error is none")
        except micro.ServiceError as error:
            expect((error.code, error.description), ("404", 'no such "thing"'), "the error")
        infos = [one async for one in micro.info(nc, "theirs", pings[0].id)]
        expect(infos[0].description, "the reference's", "the description")
        endpoints = [(one.name, one.subject, one.queue_group, one.metadata) for one in infos[0].endpoints]
        expect(endpoints[0], ("add", "theirs.add", "q", {"unit": "one"}), "the endpoint")
        stats = [one async for one in micro.stats(nc)]
        expect([(one.name, one.endpoints[0].num_requests) for one in stats], [("theirs", 1)], "stats")
    finally:
        serving.stdin.close()
        await asyncio.wait_for(serving.wait(), 60)
    expect(serving.returncode, 0, "the end of the reference's service")
    print("this library's client understands services of the reference")


async def main(folder: str) -> None:
    with Server(jetstream=False) as server:
        async with natskit.connect(server.url) as nc:
            await ours_for_them(nc, server.url, folder)
            await theirs_for_us(nc, server.url, folder)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
