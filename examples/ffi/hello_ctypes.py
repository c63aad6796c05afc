"""natskit from Python's ctypes: `python3 hello_ctypes.py`. The package natskit is the better choice for Python; this shows
what any program with an FFI can do: all types come from natskit.abi.json."""

import ctypes
import ctypes.util
import json
import os
import subprocess
from typing import Any

NUMBERS: dict[str, Any] = {
    "natskit_status": ctypes.c_int32,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "uint8_t": ctypes.c_uint8,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
    "char": ctypes.c_char,
}


class Natskit:
    """The library: `nk.connect(...)` is natskit_connect, `nk.CLOSED` is NATSKIT_CLOSED, `nk.make("error")` a structure."""

    def __init__(self, library: str, description: str) -> None:
        with open(description, encoding="utf-8") as file:
            abi = json.load(file)
        self._types = dict(NUMBERS)
        self._types.update((name, ctypes.c_uint64) for name in abi["handles"])
        for struct in abi["structs"]:
            fields = [(field["name"], self._type(field)) for field in struct["fields"]]
            self._types[struct["name"]] = type(struct["name"], (ctypes.Structure,), {"_fields_": fields})
        for name, value in {**abi["constants"], **abi["texts"]}.items():
            setattr(self, name.removeprefix("NATSKIT_"), value)
        shared = ctypes.CDLL(library)
        for function in abi["functions"]:
            call = getattr(shared, function["name"])
            call.restype = ctypes.c_int32
            call.argtypes = [self._type(parameter) for parameter in function["parameters"]]
            setattr(self, function["name"].removeprefix("natskit_"), call)

    def _type(self, declared: dict[str, Any]) -> Any:
        """Handles are numbers, pointers are addresses, whatever they point to."""
        if declared["type"].endswith("*"):
            return ctypes.c_void_p
        plain = self._types[declared["type"]]
        return plain * declared["length"] if "length" in declared else plain

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"natskit.abi.json has no {name}")

    def make(self, name: str) -> Any:
        return self._types[f"natskit_{name}"]()

    def check(self, status: int) -> None:
        if status != 0:
            info = self.make("status_info")
            self.status_describe(status, ctypes.byref(info), ctypes.sizeof(info))
            raise RuntimeError(ctypes.string_at(info.name).decode())

    def next_msg(self, sub: Any, timeout_ms: int) -> Any:
        msg = ctypes.c_void_p()
        self.check(self.sub_next(sub, timeout_ms, ctypes.byref(msg)))
        return msg

    def view(self, msg: Any) -> Any:
        view = self.make("message_view")
        self.check(self.msg_view(msg, ctypes.byref(view), ctypes.sizeof(view)))
        return view


def main() -> None:
    described = os.environ.get("NATSKIT_DECLARATIONS") or subprocess.run(
        ["pkg-config", "--variable=abi", "natskit"], check=True, capture_output=True, text=True
    ).stdout.strip()
    nk = Natskit(os.environ.get("NATSKIT_LIBRARY") or ctypes.util.find_library("natskit") or "libnatskit.so.0", described)

    version = ctypes.c_void_p()
    nk.check(nk.version(None, None, ctypes.byref(version)))
    print("natskit", ctypes.string_at(version.value or 0).decode())

    conn, sub, err = ctypes.c_uint64(), ctypes.c_uint64(), nk.make("error")
    url = os.environ.get("NATS_URL", "nats://127.0.0.1:4222").encode()
    nk.check(nk.connect(url, len(url), 0, 5000, ctypes.byref(conn), ctypes.byref(err)))
    nk.check(nk.subscribe(conn, b"greet.*", 7, None, 0, 0, ctypes.byref(sub), ctypes.byref(err)))
    nk.check(nk.publish(conn, b"greet.joe", 9, None, 0, 0, b"hello", 5, 1000))
    msg = nk.next_msg(sub, 5000)
    view = nk.view(msg)
    subject, data = ctypes.string_at(view.subject, view.subject_len), ctypes.string_at(view.data, view.data_len)
    print(f"{subject.decode()}: {data.decode()}")
    nk.check(nk.msg_release(msg))

    # A request to ourselves: one waitset reports the question as well as the answer, by the tags that it was given.
    question, answer = 1, 2
    waitset, op, ready, count = ctypes.c_uint64(), ctypes.c_uint64(), nk.make("ready"), ctypes.c_size_t()
    nk.check(nk.waitset_open(ctypes.byref(waitset)))
    nk.check(nk.waitset_add(waitset, sub, question))
    nk.check(nk.request_start(conn, b"greet.me", 8, 0, b"6 * 7", 5, 0, 5000, ctypes.byref(op), ctypes.byref(err)))
    nk.check(nk.waitset_add(waitset, op, answer))
    ready.tag = 0
    while ready.tag != answer:
        nk.check(nk.waitset_wait(waitset, ctypes.byref(ready), ctypes.sizeof(ready), 1, 5000, ctypes.byref(count)))
        if ready.tag == question:
            msg = nk.next_msg(sub, 0)
            nk.check(nk.msg_respond(msg, 0, b"42", 2, 1000))
            nk.check(nk.msg_release(msg))
    nk.check(nk.op_take_msg(op, ctypes.byref(msg)))
    view = nk.view(msg)
    print("answer:", ctypes.string_at(view.data, view.data_len).decode())
    nk.check(nk.msg_release(msg))
    nk.check(nk.op_close(op))
    nk.check(nk.waitset_close(waitset))

    # A failure has a text; a handle that is closed is known to be, for ever.
    nk.subscribe(conn, b"not valid", 9, None, 0, 0, ctypes.byref(ctypes.c_uint64()), ctypes.byref(err))
    print("error:", err.text.decode())
    nk.check(nk.sub_close(sub))
    nk.check(nk.conn_close(conn, 2000))
    print("closed:", "true" if nk.flush(conn, 1000) == nk.CLOSED else "false")


if __name__ == "__main__":
    main()
