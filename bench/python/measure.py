# SPDX-License-Identifier: Apache-2.0
"""What the Python programs of the benchmark share: arguments "CASE N SIZE URL", measuring, the line of JSON."""

import json
import resource
import sys
import time

SUBJECT = "bench.test"
ECHO = "bench.echo"
IN_FLIGHT = 64
WARM_UP = 100
BATCH = 256
# What the harness has made for the cases js_..., kv_... and obj_...
STREAM, STREAM_SUBJECT, CONSUMER, BUCKET = "BENCH", "bench.js", "bench", "bench"
KEYS = 1000
OBJECT = "object"
PIECE = 1 << 20
WINDOW = 4000
FETCH = 1000
HEADERS = {"Bench-One": "first value", "Bench-Two": "second value"}
HEADER = "Bench-Two"
VALUE = "second value"


def status(name):
    """A number of /proc/self/status."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return -1


class Bench:
    def __init__(self, arguments):
        self.case, n, size, self.url = arguments[:4]
        self.n = int(n)
        self.size = int(size)
        self.payload = b"x" * self.size
        self.read = self.case.endswith("_read")
        self.ack = self.case.endswith("_ack")
        self.headers = self.case.endswith("_hdr") or self.read
        self.name = self.case.removesuffix("_read").removesuffix("_hdr").removesuffix("_ack")
        self.start = f"bench.start.{self.n}.{self.size}.{int(self.headers)}"
        self.latencies = []
        self.extra = {}
        self.got = self.n

    def begin(self):
        self.usage = resource.getrusage(resource.RUSAGE_SELF)
        self.time = time.perf_counter()

    def end(self):
        seconds = time.perf_counter() - self.time
        now, then = resource.getrusage(resource.RUSAGE_SELF), self.usage
        switches = now.ru_nvcsw - then.ru_nvcsw + now.ru_nivcsw - then.ru_nivcsw
        self.result = {
            "n": self.n,
            "size": self.size,
            "seconds": seconds,
            "user": now.ru_utime - then.ru_utime,
            "sys": now.ru_stime - then.ru_stime,
            "switches": switches,
            "threads": status("Threads"),
        }

    def idle_begin(self):
        self.resident = status("VmRSS")
        self.begin()

    def idle_end(self):
        self.end()
        self.extra["each_bytes"] = round((status("VmRSS") - self.resident) * 1024 / self.n)

    def wrong(self, what):
        raise SystemExit(f"bench: a message of another {what}")

    def report(self, version):
        if self.latencies:
            ordered = sorted(self.latencies)
            self.extra["p50_us"] = ordered[len(ordered) // 2] * 1e6
            self.extra["p99_us"] = ordered[len(ordered) * 99 // 100] * 1e6
        print(json.dumps({**self.result, **self.extra, "got": self.got, "hwm_kib": status("VmHWM"), "version": version}))


def run_async(main):
    """asyncio.run, with uvloop where the arguments end with it."""
    import asyncio

    if sys.argv[-1] == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(main(Bench(sys.argv[1:])))
