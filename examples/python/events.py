# SPDX-License-Identifier: Apache-2.0
"""What happens to a connection, as events: here it is made to reconnect, and closed. Between that the program looks
whether it works, at its last lines of the protocol, and at all that lives in the process."""

import asyncio  # [async]
import os

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


async def print_until(events: natskit.Events, kind: str) -> None:
    """Prints events until one of this type has come."""
    # snippet: loop
    async for event in events:
        print(f"event: {event.type} {event.server}")
        if event.type == kind:
            break
    # snippet end


async def main() -> None:
    # snippet: trace
    nc = await natskit.connect(URL, name="example events", trace_lines=100)
    # snippet end
    events = nc.events()
    sub = await nc.subscribe("events.py")

    await nc.reconnect()
    await nc.publish("events.py", b"sent after the reconnect")
    await print_until(events, "reconnected")
    msg = await sub.next_msg(timeout=5)  # the subscription is there again
    print(f"received {msg.text!r} after {nc.stats()['reconnects']} reconnect")

    # snippet: health
    now = sub.health()  # nc.health(), watcher.health(), ...
    if now.works:
        print("health: it works")
    else:
        print(f"health: {now.state.value} for {now.since} s: {now.text}")
    # snippet end
    # snippet: trace
    for line in nc.trace():
        print("trace:", line["time_ns"], ">>" if line["out"] else "<<", line["line"])
    # snippet end
    # snippet: dump
    for thing in natskit.dump()["objects"]:
        print("dump:", thing["kind"], thing.get("state"), thing.get("subject"), thing.get("pending_msgs"))
    # snippet end

    await nc.close()
    await print_until(events, "closed")
    await events.close()


if __name__ == "__main__":
    asyncio.run(main())
