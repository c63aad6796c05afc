# SPDX-License-Identifier: Apache-2.0
# Generated from examples/python/tour.py by bindings/python/tools/generate_sync.py: change that one.
"""A tour through what natskit does: each stop checks what it shows."""

import os
import threading

import natskit.sync as natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


def show_publish_subscribe(nc: natskit.Client) -> None:
    with nc.subscribe("greet.*") as sub:
        nc.publish("greet.joe", b"hello")
        nc.publish("greet.pam", "good morning")
        seen = []
        for msg in sub:
            print(f"publish/subscribe: received {msg.subject} '{msg.data.decode()}'")
            seen.append(msg.subject)
            if len(seen) == 2:
                break
        assert seen == ["greet.joe", "greet.pam"]


def show_queue_group(nc: natskit.Client) -> None:
    with nc.subscribe("jobs", "workers") as one, nc.subscribe("jobs", "workers") as two:
        assert nc.publish_batch([("jobs", b"job")] * 20) == 20
        nc.flush()
        done = one.pending_msgs + two.pending_msgs
        print(f"queue group: 20 jobs, {done} done once")
        assert done == 20


def show_headers(nc: natskit.Client) -> None:
    with nc.subscribe("with.headers") as sub:
        nc.publish("with.headers", headers={"Color": ["red", "blue"], "x-Case": "kept"})
        headers = (sub.next_msg()).headers
        assert headers is not None
        print(f"headers: Color: {', '.join(headers.get_all('Color'))}")
        assert headers["Color"] == "red" and "X-CASE" not in headers
        assert headers.get("X-CASE", ignore_case=True) == "kept"


def serve(service: natskit.Subscription) -> None:
    for msg in service:
        assert msg.headers is not None
        print(f"request/reply: the service sees header Language: {msg.headers['Language']}")
        msg.respond(b"hello, " + msg.data)


def show_request_reply(nc: natskit.Client) -> None:
    service = nc.subscribe("greeter")
    server = threading.Thread(target=serve, args=(service,))
    server.start()
    reply = nc.request("greeter", b"joe", timeout=1, headers={"Language": "Python"})
    print(f"request/reply: got '{reply.data.decode()}'")
    assert reply.data == b"hello, joe"
    service.unsubscribe()
    server.join()


def show_no_responders(nc: natskit.Client) -> None:
    try:
        nc.request("nobody.there", timeout=1)
    except errors.NoRespondersError as error:
        print(f"no responders: {error.text}")
    else:
        raise AssertionError("somebody answered")


def show_timeout(nc: natskit.Client) -> None:
    with nc.subscribe("silence") as sub:
        try:
            sub.next_msg(timeout=0.05)
        except TimeoutError as error:
            print(f"timeout: {error}")
        else:
            raise AssertionError("something came")


def show_bad_input(nc: natskit.Client) -> None:
    try:
        nc.subscribe("not a subject")
    except errors.BadSubjectError as error:
        print(f"bad input: {error.text}")
    else:
        raise AssertionError("that was no subject")


def main() -> None:
    nc = natskit.connect(URL, name="tour")
    events = nc.events()
    print(f"connect: {nc.connected_url}, server {nc.connected_server_version}, max_payload {nc.max_payload} bytes")

    show_publish_subscribe(nc)
    show_queue_group(nc)
    show_headers(nc)
    show_request_reply(nc)
    show_no_responders(nc)
    show_timeout(nc)
    show_bad_input(nc)

    nc.flush()
    print(f"flush: the server has all {nc.stats()['out_msgs']} messages")
    nc.close()

    last = [event.type for event in events][-1]
    print(f"events: the last one is {last}")
    assert last == "closed"
    events.close()


def check_nothing_is_left() -> None:
    natskit.shutdown()
    left = natskit.counters()
    assert not any(left[name] for name in ("conns", "subs", "ops", "threads")), left
    print("end: nothing is left behind")


if __name__ == "__main__":
    main()
    check_nothing_is_left()
