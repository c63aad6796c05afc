# SPDX-License-Identifier: Apache-2.0
"""The other side: nats-server with its responder, one with JetStream, the sink and source; and the machine's time."""

import json
import os
import queue
import resource
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

from .jetstream import Streams
from .matrix import JETSTREAM, ROOT, SERVER, WIRE
from .trouble import Trouble

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program that prints lines."""

    def __init__(self, command):
        self.program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.program.stdout:
            self.lines.put(line.strip())

    def line(self, seconds=10.0):
        try:
            return self.lines.get(timeout=seconds)
        except queue.Empty:
            raise Trouble(f"{os.path.basename(self.program.args[0])} says nothing") from None

    def forget(self):
        while not self.lines.empty():
            self.lines.get()

    def seconds(self):
        """CPU that it has used."""
        try:
            with open(f"/proc/{self.program.pid}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / TICKS

    def stop(self):
        self.program.terminate()
        try:
            self.program.wait(5)
        except subprocess.TimeoutExpired:
            self.program.kill()
            self.program.wait()


class Servers:
    def __init__(self, build):
        self.folder = tempfile.TemporaryDirectory()
        self.all = []
        self.streams = None
        try:
            self._start(build)
        except BaseException:
            self.stop()
            raise

    def _start(self, build):
        found = subprocess.run([ROOT / "tools/nats-server"], stdout=subprocess.PIPE, text=True, check=False)
        if found.returncode != 0:
            raise Trouble("there is no nats-server")
        self.program, self.monitor = found.stdout.strip(), free_port()
        port = self._start_server("server", f"http: 127.0.0.1:{self.monitor}\n")
        self.sink = self._add([str(build / "bench/sink_source")])
        self.responder = None
        self.urls = {WIRE: f"nats://127.0.0.1:{self.sink.line()}", SERVER: f"nats://127.0.0.1:{port}"}
        self.responder = self._add([str(build / "bench/responder"), str(port)])
        if self.responder.line() != "ready":
            raise Trouble("the responder does not start")
        self.version = self.varz()["version"]

    def _start_server(self, name, more):
        """The port of a new one, when it listens."""
        port = free_port()
        config = os.path.join(self.folder.name, f"{name}.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"listen: 127.0.0.1:{port}\nmax_pending: 1073741824\n{more}")
        log = os.path.join(self.folder.name, f"{name}.log")
        self._wait_for(port, self._add([self.program, "-c", config, "-l", log]))
        return port

    def jetstream(self):
        """The streams of the server that has some, which is started when the first case asks for it."""
        if self.streams is None:
            store = os.path.join(self.folder.name, "store")
            port = self._start_server("jetstream", f'jetstream: {{store_dir: "{store}", max_memory_store: 4GB}}\n')
            self.urls[JETSTREAM] = f"nats://127.0.0.1:{port}"
            self.streams = Streams(port)
        return self.streams

    def _add(self, command):
        process = Process(command)
        self.all.append(process)
        return process

    @staticmethod
    def _wait_for(port, server):
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > end or server.program.poll() is not None:
                    raise Trouble("nats-server does not start") from None
                time.sleep(0.02)

    def varz(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.monitor}/varz", timeout=5) as answer:
            return json.load(answer)

    def seconds(self):
        return sum(process.seconds() for process in self.all)

    def stop(self):
        if self.streams is not None:
            self.streams.close()
        for process in reversed(self.all):
            process.stop()
        self.folder.cleanup()


class Disturbance:
    """The share of the machine that processes other than the benchmark's take, from its making to `share`."""

    def __init__(self, servers):
        self.servers = servers
        self.begin = self._now()

    def _now(self):
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(x) for x in file.readline().split()[1:9]]
        idle = fields[3] + fields[4]
        own = self.servers.seconds()
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            own += usage.ru_utime + usage.ru_stime
        return sum(fields) / TICKS, (sum(fields) - idle) / TICKS, own

    def share(self):
        total, busy, own = (now - then for now, then in zip(self._now(), self.begin))
        return max(0.0, (busy - own) / total) if total > 0 else 0.0
