# SPDX-License-Identifier: Apache-2.0
"""The other side: nats-server with its responder, and the sink and source; and the machine's time."""

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

from .matrix import ROOT

TICKS = os.sysconf("SC_CLK_TCK")


class Trouble(Exception):
    """Something that has to work does not."""


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
        try:
            self._start(build)
        except BaseException:
            self.stop()
            raise

    def _start(self, build):
        found = subprocess.run([ROOT / "tools/nats-server"], stdout=subprocess.PIPE, text=True, check=False)
        if found.returncode != 0:
            raise Trouble("there is no nats-server")
        port, self.monitor = free_port(), free_port()
        config = os.path.join(self.folder.name, "server.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{self.monitor}\nmax_pending: 1073741824\n")
        log = os.path.join(self.folder.name, "server.log")
        self.server = self._add([found.stdout.strip(), "-c", config, "-l", log])
        self._wait_for(port)
        self.sink = self._add([str(build / "bench/sink_source")])
        self.responder = None
        self.urls = {"sink/source": f"nats://127.0.0.1:{self.sink.line()}", "nats-server": f"nats://127.0.0.1:{port}"}
        self.responder = self._add([str(build / "bench/responder"), str(port)])
        if self.responder.line() != "ready":
            raise Trouble("the responder does not start")
        self.version = self.varz()["version"]

    def _add(self, command):
        process = Process(command)
        self.all.append(process)
        return process

    def _wait_for(self, port):
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > end or self.server.program.poll() is not None:
                    raise Trouble("nats-server does not start") from None
                time.sleep(0.02)

    def varz(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.monitor}/varz", timeout=5) as answer:
            return json.load(answer)

    def seconds(self):
        return sum(process.seconds() for process in self.all)

    def stop(self):
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
