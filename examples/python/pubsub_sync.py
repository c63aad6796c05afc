# SPDX-License-Identifier: Apache-2.0
# Generated from examples/python/pubsub.py by bindings/python/tools/generate_sync.py: change that one.
"""Publish and subscribe: every subscriber of a matching subject gets each message."""

import os

import natskit.sync as natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


def main() -> None:
    with natskit.connect(URL, name="example pubsub") as nc:
        # `*` stands for one token of a subject, `>` for one or more at its end.
        greetings = nc.subscribe("greet.*")
        everything = nc.subscribe("greet.>")

        nc.publish("greet.joe", b"hello")
        nc.publish("greet.pam", "good morning", headers={"Language": "en"})
        nc.publish("greet.pam.again", b"only one of the two matches this")
        nc.flush()
        # What arrived can still be taken; then the loops below end.
        greetings.unsubscribe()
        everything.unsubscribe()

        got = 0
        for msg in greetings:
            language = msg.headers["Language"] if msg.headers else "-"
            print(f"greet.*: {msg.subject} '{msg.data.decode()}' {language}")
            got += 1
        for msg in everything:
            print(f"greet.>: {msg.subject} '{msg.data.decode()}'")
            got += 1
        assert got == 5, "5 messages were expected"


if __name__ == "__main__":
    main()
