# SPDX-License-Identifier: Apache-2.0
# Generated from examples/python/request_reply.py by bindings/python/tools/generate_sync.py: change that one.
"""Request and reply: a service answers, its caller waits for the answer or for the reason why there is none."""

import os
import threading

import natskit.sync as natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


def serve(service: natskit.Subscription) -> None:
    for msg in service:
        name = msg.data.decode()
        msg.respond(f"hello, {name}", headers={"Length": str(len(name))})


def main() -> None:
    with natskit.connect(URL, name="example request") as nc:
        service = nc.subscribe("greeter", queue="greeters")
        server = threading.Thread(target=serve, args=(service,))
        server.start()

        for name in ("joe", "pam"):
            reply = nc.request("greeter", name, timeout=1)
            assert reply.headers is not None
            print(f"request/reply: '{reply.data.decode()}', Length: {reply.headers['Length']}")

        try:
            nc.request("nobody.there", b"", timeout=1)
        except errors.NoRespondersError as error:
            print(f"no responders: {error.text}")
        else:
            raise AssertionError("somebody answered")

        service.unsubscribe()  # ends the loop of the service
        server.join()


if __name__ == "__main__":
    main()
