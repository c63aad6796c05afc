# SPDX-License-Identifier: Apache-2.0
"""The C ABI from Python's ctypes: signatures and structures are those of natskit.abi.json, and a handle is passed as
the 64-bit number that it is. Against a real server.

    python3 test_ctypes.py LIBRARY ABI SUPPORT

SUPPORT is the folder of natskit_testing.py; $NK_TAP tells it where the helper programs are. Exit code 77: no server.
"""

from __future__ import annotations

import ctypes
import json
import random
import select
import sys
import threading
import unittest
from pathlib import Path

LIBRARY, ABI, SUPPORT = sys.argv[1:4]
sys.path.insert(0, SUPPORT)

from natskit_testing import HarnessError, Server  # noqa: E402

TYPES = {
    "natskit_status": ctypes.c_int32,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "char": ctypes.c_char,
    "double": ctypes.c_double,
}


class Api:
    """The library with every function typed, its constants and its structures."""

    def __init__(self, library: str, description: dict) -> None:
        self.constants = {n.removeprefix("NATSKIT_"): value for n, value in description["constants"].items()}
        self.structs: dict[str, type[ctypes.Structure]] = {}
        self.functions: dict[str, ctypes._CFuncPtr] = {}
        self._types = {**TYPES, **{name: ctypes.c_uint64 for name in description["handles"]}}
        for struct in description["structs"]:
            fields = [(field["name"], self._type(field)) for field in struct["fields"]]
            made = type(struct["name"], (ctypes.Structure,), {"_fields_": fields})
            self.structs[struct["name"]] = self._types[struct["name"]] = made
        shared = ctypes.CDLL(library)
        for entry in description["functions"]:
            function = getattr(shared, entry["name"])
            function.restype = ctypes.c_int32
            function.argtypes = [self._type(parameter) for parameter in entry["parameters"]]
            self.functions[entry["name"].removeprefix("natskit_")] = function

    def __getattr__(self, name: str) -> ctypes._CFuncPtr:
        return self.functions[name]

    def _type(self, declared: dict) -> type:
        """Pointers are addresses, whatever they point to."""
        if declared["type"].endswith("*"):
            return ctypes.c_void_p
        plain = self._types[declared["type"]]
        return plain * declared["length"] if "length" in declared else plain

    def make(self, name: str) -> ctypes.Structure:
        return self.structs[f"natskit_{name}"]()


API = Api(LIBRARY, json.loads(Path(ABI).read_text(encoding="utf-8")))
STATUS = {value: name for name, value in API.constants.items() if value < 0}


class Failure(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(STATUS.get(status, str(status)))
        self.status = status


def check(status: int) -> None:
    if status != 0:
        raise Failure(status)


def connect(url: str) -> int:
    conn, err = ctypes.c_uint64(), API.make("error")
    text = url.encode()
    status = API.connect(text, len(text), 0, 10000, ctypes.byref(conn), ctypes.byref(err))
    assert status == 0, err.text
    return conn.value


def subscribe(conn: int, subject: bytes) -> int:
    sub = ctypes.c_uint64()
    check(API.subscribe(conn, subject, len(subject), None, 0, 0, ctypes.byref(sub), None))
    return sub.value


def publish(conn: int, subject: bytes, data: bytes, headers: int = 0) -> None:
    check(API.publish(conn, subject, len(subject), None, 0, headers, data, len(data), 1000))


def next_msg(sub: int, timeout_ms: int) -> int:
    msg = ctypes.c_void_p()
    check(API.sub_next(sub, timeout_ms, ctypes.byref(msg)))
    assert msg.value
    return msg.value


def view_of(msg: int) -> ctypes.Structure:
    view = API.make("message_view")
    check(API.msg_view(msg, ctypes.byref(view), ctypes.sizeof(view)))
    return view


def take_data(msg: int) -> bytes:
    view = view_of(msg)
    data = ctypes.string_at(view.data, view.data_len)
    check(API.msg_release(msg))
    return data


class CtypesTest(unittest.TestCase):
    server: Server

    def setUp(self) -> None:
        self.url = self.server.url

    def status(self, name: str, status: int) -> None:
        self.assertEqual(STATUS.get(status, str(status)), name)

    def raises(self, name: str):
        return self.assertRaisesRegex(Failure, f"^{name}$")

    def test_declarations(self) -> None:
        """All that the header declares was understood, and what it says of sizes is true."""
        self.assertGreater(len(API.functions), 50)
        sizes = {"error": 512, "ready": 24, "outgoing": 56, "status_info": 24}
        for name, size in sizes.items():
            self.assertEqual(ctypes.sizeof(API.structs[f"natskit_{name}"]), size)
        index, info = 0, API.make("status_info")
        while API.status_at(index, ctypes.byref(info), ctypes.sizeof(info)) == 0:
            name = ctypes.string_at(info.name).decode()
            self.assertEqual(API.constants[name], info.status)
            index += 1
        self.assertGreater(index, 30)

    def test_publish_and_receive(self) -> None:
        conn = connect(self.url)
        sub = subscribe(conn, b"ffi.>")
        for i in range(500):
            publish(conn, b"ffi.%d" % i, b"data %d" % i)
        for i in range(500):
            msg = next_msg(sub, 10000)
            view = view_of(msg)
            self.assertEqual(ctypes.string_at(view.subject, view.subject_len), b"ffi.%d" % i)
            self.assertEqual(take_data(msg), b"data %d" % i)
        with self.raises("WOULD_BLOCK"):
            next_msg(sub, 0)
        with self.raises("INVALID"):
            publish(conn, b"not valid", b"")
        check(API.sub_close(sub))
        check(API.conn_close(conn, 10000))

    def test_batch_and_headers(self) -> None:
        conn = connect(self.url)
        sub = subscribe(conn, b"b")
        headers = ctypes.c_uint64()
        check(API.headers_open(ctypes.byref(headers)))
        check(API.headers_add(headers, b"Name", 4, b"value", 5, None))
        outgoing = API.structs["natskit_outgoing"]
        batch = (outgoing * 10)()
        texts = [ctypes.create_string_buffer(b"%d" % i) for i in range(10)]
        subject = ctypes.create_string_buffer(b"b")
        for one, text in zip(batch, texts):
            one.subject, one.subject_len = ctypes.addressof(subject), 1
            one.data, one.data_len = ctypes.addressof(text), 1
            one.headers = headers.value
        published = ctypes.c_size_t()
        check(API.publish_batch(conn, batch, ctypes.sizeof(outgoing), 10, 1000, ctypes.byref(published)))
        self.assertEqual(published.value, 10)
        check(API.headers_close(headers))
        value, length = ctypes.c_void_p(), ctypes.c_size_t()
        for i in range(10):
            msg = next_msg(sub, 10000)
            check(API.msg_header(msg, b"name", 4, 1, 0, ctypes.byref(value), ctypes.byref(length)))
            self.assertEqual(ctypes.string_at(value.value, length.value), b"value")
            self.assertEqual(take_data(msg), b"%d" % i)
        check(API.conn_close(conn, 0))
        check(API.sub_close(sub))

    def test_requests_with_a_waitset(self) -> None:
        """As an event loop does it: operations, one descriptor, records that lead back by their tag."""
        conn = connect(self.url)
        service = subscribe(conn, b"service")
        waitset, fd = ctypes.c_uint64(), ctypes.c_int32()
        check(API.waitset_open(ctypes.byref(waitset)))
        check(API.waitset_fd(waitset, ctypes.byref(fd)))
        check(API.waitset_add(waitset, service, 0))
        ops: dict[int, int] = {}
        for tag in range(1, 51):
            op = ctypes.c_uint64()
            check(API.request_start(conn, b"service", 7, 0, b"%d" % tag, len(b"%d" % tag), 0, 10000,
                                    ctypes.byref(op), None))
            check(API.waitset_add(waitset, op, tag))
            ops[tag] = op.value
        ready = API.structs["natskit_ready"]
        records, count = (ready * 8)(), ctypes.c_size_t()
        while ops:
            self.assertTrue(select.select([fd.value], [], [], 10)[0], "the descriptor stays quiet")
            check(API.waitset_wait(waitset, records, ctypes.sizeof(ready), 8, 0, ctypes.byref(count)))
            for record in records[: count.value]:
                if record.tag == 0:
                    self.answer_all(service)
                    continue
                msg = ctypes.c_void_p()
                self.assertEqual(record.object, ops[record.tag])
                check(API.op_take_msg(record.object, ctypes.byref(msg)))
                self.assertEqual(take_data(msg.value), b"answer to %d" % record.tag)
                check(API.op_close(ops.pop(record.tag)))
        check(API.waitset_close(waitset))
        check(API.conn_close(conn, 0))
        check(API.sub_close(service))

    def answer_all(self, service: int) -> None:
        while True:
            try:
                msg = next_msg(service, 0)
            except Failure as failure:
                self.assertEqual(STATUS[failure.status], "WOULD_BLOCK")
                return
            view = view_of(msg)
            data = b"answer to " + ctypes.string_at(view.data, view.data_len)
            check(API.msg_respond(msg, 0, data, len(data), 1000))
            check(API.msg_release(msg))

    def test_a_blocked_call_is_woken(self) -> None:
        """ctypes lets other Python threads run meanwhile; closing from one of them ends the call."""
        conn = connect(self.url)
        sub = subscribe(conn, b"quiet")
        results: list[int] = []
        msg = ctypes.c_void_p()
        thread = threading.Thread(target=lambda: results.append(API.sub_next(sub, -1, ctypes.byref(msg))))
        thread.start()
        thread.join(0.05)
        self.assertTrue(thread.is_alive())
        check(API.sub_close(sub))
        thread.join(10)
        self.assertEqual(results, [API.constants["CLOSED"]])
        check(API.conn_close(conn, 0))

    def test_stale_handles(self) -> None:
        conn = connect(self.url)
        sub = subscribe(conn, b"s")
        self.assertEqual(int(float(sub)), sub)
        check(API.sub_close(sub))
        self.status("CLOSED", API.sub_close(sub))
        with self.raises("CLOSED"):
            next_msg(sub, -1)
        with self.raises("BAD_HANDLE"):
            next_msg(conn, -1)
        generator = random.Random(1)
        for _ in range(10000):
            forged = generator.getrandbits(generator.choice((24, 48, 53, 64)))
            with self.assertRaises(Failure) as caught:
                publish(forged, b"s", b"")
            self.assertIn(STATUS[caught.exception.status], ("BAD_HANDLE", "CLOSED"))
        check(API.conn_close(conn, 10000))
        self.status("CLOSED", API.flush(conn, -1))

    def test_failures(self) -> None:
        conn = connect(self.url)
        msg, err = ctypes.c_void_p(1), API.make("error")
        status = API.request(conn, b"nobody", 6, 0, None, 0, 10000, ctypes.byref(msg), ctypes.byref(err))
        self.status("NO_RESPONDERS", status)
        self.assertIsNone(msg.value)
        self.assertEqual(err.status, status)
        self.status("INVALID", API.sub_next(conn, 0, None))
        self.status("INVALID", API.publish(conn, None, 5, None, 0, 0, None, 0, 0))
        check(API.conn_close(conn, 0))


def everything_was_given_back() -> bool:
    counters = API.make("counters")
    if API.shutdown(10000) != 0 or API.counters_get(ctypes.byref(counters), ctypes.sizeof(counters)) != 0:
        return False
    left = {name: getattr(counters, name) for name, _ in counters._fields_ if name != "allocated_bytes"}
    if any(left.values()):
        print(f"left behind: {left}")
    return not any(left.values())


def main() -> int:
    try:
        server = Server(jetstream=False)
    except HarnessError as error:
        print(f"no server: {error}")
        return 77
    with server:
        CtypesTest.server = server
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(CtypesTest)
        good = unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful()
        good = everything_was_given_back() and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
