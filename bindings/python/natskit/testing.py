# SPDX-License-Identifier: Apache-2.0
"""For tests of programs that use NATS: real servers and clusters that the test stops, kills and restarts, a proxy that
makes faults and checks what the client writes, servers that follow a script, and certificates. docs/testing.md.

    from natskit.testing import Server, Tap

    with Server() as server, Tap(server) as tap:
        program_under_test(tap.url)
        server.restart()
        tap.wait_stat("connections", 2)

No client is involved, and only the standard library. The work is done by the programs nk-serve, nk-tap, nk-scripted
and nk-wallet, which are installed with the package; this module starts them and talks to their control ports. They end
with the test process, also when it crashes, because they watch the pipe that their standard output is. Blocking calls,
any thread, one object from one thread at a time.

NATSKIT_TEST_SCHEME=ws or wss has the servers listen for WebSocket, and their URLs are those.

Environment: NATS_SERVER names the server's program, else it is `nats-server` of PATH; NK_TAP names nk-tap (the others
are looked for beside it), for programs that are not the installed ones. natskit's own tests use this file, too, as
natskit_testing, and find the programs in the build folder and a server by tools/nats-server.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

__all__ = ["Cluster", "HarnessError", "Scripted", "Server", "Tap", "Violation", "Wallet", "wait_for", "wallet"]

SCHEME = os.environ.get("NATSKIT_TEST_SCHEME") or "nats"
HERE = pathlib.Path(__file__)
ROOT = HERE.resolve().parents[3]  # of a source tree, where this is one
TIMEOUT = 120.0

T = TypeVar("T")


class HarnessError(Exception):
    """A helper did not start or refused a command."""


class Violation(AssertionError):
    """The client wrote something that the protocol does not allow."""


def program(name: str) -> str:
    """The path of nk-tap, nk-serve, nk-scripted, nk-wallet or nk-ctl."""
    tap = os.environ.get("NK_TAP")
    folders = [pathlib.Path(tap).resolve().parent] if tap else []
    folders.append(HERE.parent / "_programs")
    folders += sorted(ROOT.glob("build/*/tests/support"), key=lambda p: p.stat().st_mtime, reverse=True)
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    found = shutil.which(name)
    if found:
        return found
    raise HarnessError(f"{name} was not found: build the project or set NK_TAP to the path of nk-tap")


def _server_environment() -> dict[str, str]:
    """What tells nk-serve where the server is."""
    if os.environ.get("NATS_SERVER"):
        return {}
    if (ROOT / "tools/nats-server").exists():
        return {"NATSKIT_SOURCE_DIR": str(ROOT)}
    found = shutil.which("nats-server")
    if not found:
        raise HarnessError("there is no nats-server: put one into PATH or name it with NATS_SERVER")
    return {"NATS_SERVER": found}


def wait_for(condition: Callable[[], T], timeout: float = 10.0, what: str = "the condition") -> T:
    """Calls condition() until it gives something true, which is returned."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s (last: {value!r})")
        time.sleep(0.002)


class _Helper:
    """A program with a control port."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self._control: socket.socket | None = None
        self._answers: Any = None
        environment = {**os.environ, **(env or {})}
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        if len(words) < 4:
            code = self._process.wait(TIMEOUT)
            self._process.stdout.close()
            raise HarnessError(f"{' '.join(arguments)} did not start, exit code {code}")
        self.words: dict[str, str] = dict(zip(words[::2], words[1::2]))
        self._control = socket.create_connection(("127.0.0.1", int(self.words["control"])), TIMEOUT)
        self._answers = self._control.makefile("r", encoding="utf-8", errors="replace", newline="\n")

    def try_command(self, text: str) -> tuple[bool, str]:
        """Sends one command; (ok, the rest of the answer)."""
        if self._control is None:
            raise HarnessError(f"{text}: the helper was closed")
        self._control.sendall(text.encode() + b"\n")
        answer = self._answers.readline()
        if not answer:
            raise HarnessError(f"{text}: the helper is gone")
        verdict, _, rest = answer.rstrip("\n").partition(" ")
        return verdict == "ok", rest

    def command(self, text: str) -> str:
        """Sends one command and returns what follows "ok"."""
        good, rest = self.try_command(text)
        if not good:
            raise HarnessError(f"{text}: {rest}")
        return rest

    def _end(self) -> int:
        """Closes everything and returns the program's exit code."""
        if self._control is not None:
            with contextlib.suppress(OSError, HarnessError):
                self.try_command("quit")
            self._answers.close()
            self._control.close()
            self._control = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait()


def _believe() -> None:
    """With wss: servers have the certificates of this process's wallet, whose authority it believes."""
    if SCHEME == "wss":
        os.environ["NATSKIT_TEST_WALLET"] = str(wallet().dir)
        os.environ["SSL_CERT_FILE"] = str(wallet().dir / "ca.pem")


class Server:
    """One real nats-server: `with Server() as server: connect(server.url)`.

    config is the whole configuration (@DIR@ and @PORT1@ to @PORT9@ are replaced), extra is added to it.
    """

    def __init__(
        self,
        config: str | None = None,
        *,
        extra: str | None = None,
        jetstream: bool = True,
        name: str | None = None,
        port: int = 0,
    ) -> None:
        _believe()
        arguments = [program("nk-serve")]
        file = _text_file(config) if config is not None else None
        for option, value in (("--config", file), ("--extra", extra), ("--name", name), ("--port", port or None)):
            if value is not None:
                arguments += [option, str(value)]
        if not jetstream:
            arguments.append("--no-jetstream")
        try:
            self._helper = _Helper(*arguments, env=_server_environment())
        finally:
            if file:
                os.unlink(file)
        self._prefix = ""
        self._owns = True

    @classmethod
    def _node(cls, helper: _Helper, index: int) -> Server:
        server = cls.__new__(cls)
        server._helper = helper
        server._prefix = f"node {index} "
        server._owns = False
        return server

    def command(self, text: str) -> str:
        """One command of nk-server for this server; what follows "ok"."""
        return self._helper.command(self._prefix + text)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.command("url")

    @property
    def port(self) -> int:
        """The port of that url; with NATSKIT_TEST_SCHEME that for nats://."""
        return int(self.command("port"))

    @property
    def monitor_port(self) -> int:
        """The port of its monitoring by HTTP."""
        return int(self.command("monitor-port"))

    @property
    def pid(self) -> int:
        """0 when it does not run."""
        return int(self.command("pid"))

    @property
    def dir(self) -> pathlib.Path:
        """The folder of its configuration, log and store."""
        return pathlib.Path(self.command("dir"))

    def extra_port(self, number: int) -> int:
        """What @PORTn@ became."""
        return int(self.command(f"extra-port {number}"))

    def stop(self) -> None:
        """SIGTERM; restart() starts it again."""
        self.command("stop")

    def kill(self) -> None:
        """SIGKILL."""
        self.command("kill")

    def restart(self) -> None:
        """On the same port and store."""
        self.command("restart")

    def pause(self) -> None:
        """SIGSTOP; returns when it is stopped."""
        self.command("pause")

    def resume(self) -> None:
        """Lets a stopped server go on."""
        self.command("resume")

    def lame_duck(self) -> None:
        """Tells it to send its clients away, and to end."""
        self.command(f"signal {int(signal.SIGUSR2)}")

    def reload(self, config: str) -> None:
        """Gives it another configuration while it runs."""
        file = _text_file(config)
        try:
            self.command(f"reload {file}")
        finally:
            os.unlink(file)

    def monitor(self, path: str) -> str:
        """The JSON text of the monitoring port."""
        return self.command(f"monitor {path}")

    def log_contains(self, text: str) -> bool:
        """Whether its log has the text by now."""
        return self._helper.try_command(f"{self._prefix}log {text}")[0]

    def wait_log(self, text: str, timeout: float = 10.0) -> None:
        """Waits until its log has the text; HarnessError after `timeout` seconds."""
        self.command(f"wait-log {int(timeout * 1000)} {text}")

    def close(self) -> None:
        """Stops it for good and removes its folder."""
        if self._owns:
            self._helper._end()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Cluster:
    """n real servers that form one JetStream cluster; cluster[0] is a Server."""

    def __init__(self, size: int = 3, *, extra: str | None = None, jetstream: bool = True) -> None:
        _believe()
        arguments = [program("nk-serve"), "--cluster", str(size)]
        if extra is not None:
            arguments += ["--extra", extra]
        if not jetstream:
            arguments.append("--no-jetstream")
        self._helper = _Helper(*arguments, env=_server_environment())
        self.nodes: list[Server] = [Server._node(self._helper, i) for i in range(size)]

    def __getitem__(self, index: int) -> Server:
        return self.nodes[index]

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Server]:
        return iter(self.nodes)

    @property
    def urls(self) -> list[str]:
        """The urls of all nodes."""
        return [node.url for node in self.nodes]

    def wait_ready(self, timeout: float = 60.0) -> None:
        """All routes are there and all nodes agree on a meta leader."""
        self._helper.command(f"wait-ready {int(timeout * 1000)}")

    def close(self) -> None:
        """Stops all nodes and removes their folders."""
        self._helper._end()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Tap:
    """The fault proxy with the wire oracle in front of a server: `with Tap(server.url) as tap: connect(tap.url)`.

    Leaving the block raises Violation when the client broke the protocol. Commands: tests/README.md.
    """

    def __init__(self, server: str | Server, *options: str) -> None:
        url = server.url if isinstance(server, Server) else server
        scheme, mark, rest = url.partition("://")
        if not mark:
            scheme, rest = "nats", url
        address = rest.rpartition("@")[2].partition("/")[0]
        self._helper = _Helper(program("nk-tap"), "--to", address, "--tied", *options)
        self.port: int = int(self._helper.words["listen"])
        self.url: str = f"{scheme}://127.0.0.1:{self.port}"

    def command(self, text: str) -> str:
        """For instance tap.command("down split 1"); returns what follows "ok"."""
        return self._helper.command(text)

    def stats(self) -> dict[str, int]:
        """What went through, by name."""
        words = self.command("stats").split()
        return {name: int(value) for name, value in zip(words[::2], words[1::2])}

    def wait_stat(self, name: str, at_least: int, timeout: float = 10.0) -> int:
        """Waits until a counter is `at_least` so much, and returns it."""
        return wait_for(
            lambda: (lambda n: n if n >= at_least else 0)(self.stats()[name]), timeout, f"{name} >= {at_least}"
        )

    def violation(self) -> str | None:
        """The first byte of the client that was outside the protocol, as a text; None if there was none."""
        good, rest = self._helper.try_command("check")
        return None if good else rest

    def check(self) -> None:
        """Raises Violation if the client has sent something outside the protocol."""
        found = self.violation()
        if found:
            raise Violation(found)

    def close(self, check: bool = True) -> None:
        """Ends it; with `check` as check() does."""
        found = None
        if self._helper._control is not None:
            with contextlib.suppress(HarnessError):
                good, rest = self._helper.try_command("quit")
                found = None if good else rest
        code = self._helper._end()
        if check and (found or code):
            raise Violation(found or f"nk-tap ended with exit code {code}")

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(check=kind is None)


class Scripted:
    """A scripted server: `with Scripted("handshake\\n< PUB foo\\n") as server: connect(server.url)`.

    Leaving the block waits for the script's end and raises Violation when a directive failed.
    """

    def __init__(self, script: str, *, timeout: float = 10.0) -> None:
        file = _text_file(script)
        try:
            self._helper = _Helper(program("nk-scripted"), "--script", file, "--wallet", str(wallet().dir))
        finally:
            os.unlink(file)
        self.timeout = timeout
        self.port: int = int(self._helper.words["listen"])
        self.url: str = f"nats://127.0.0.1:{self.port}"

    def proceed(self) -> None:
        """Ends the next or current `stall until ctl`."""
        self._helper.command("proceed")

    def get(self, name: str) -> str:
        """A captured value: "subject", "reply", "payload", "sid", "NAME.sid" ..."""
        return self._helper.command(f"get {name}")

    def status(self) -> str:
        """"running LINE" or "done"; raises Violation with the failed directive."""
        good, rest = self._helper.try_command("status")
        if not good:
            raise Violation(rest)
        return rest

    def wait(self, timeout: float | None = None) -> None:
        """Waits for the end of the script."""
        seconds = self.timeout if timeout is None else timeout
        good, rest = self._helper.try_command(f"wait {int(seconds * 1000)}")
        if not good:
            raise Violation(rest)

    def close(self, check: bool = True) -> None:
        """Ends it; with `check` it raises if the script was not followed to its end."""
        try:
            if check and self._helper._control is not None:
                self.wait()
        finally:
            self._helper._end()

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(check=kind is None)


class Wallet:
    """A folder of certificates, keys, JWTs and credentials, good and bad ones (tests/README.md)."""

    def __init__(self) -> None:
        self._helper = _Helper(program("nk-wallet"))
        self.dir: pathlib.Path = pathlib.Path(self._helper.words["wallet"])
        lines = subprocess.run([program("nk-wallet"), "--secrets"], check=True, capture_output=True, text=True).stdout
        self.secrets: list[str] = lines.splitlines()

    def command(self, text: str) -> None:
        """user NAME SECONDS, copy FROM NAME, remove NAME"""
        self._helper.command(text)

    def text(self, name: str) -> str:
        """The content of one of its files."""
        return (self.dir / name).read_text(encoding="utf-8").rstrip()

    def expand(self, text: str) -> str:
        """${wallet} and ${text NAME}"""
        text = re.sub(r"\$\{text ([^}]+)\}", lambda match: self.text(match.group(1)), text)
        return text.replace("${wallet}", str(self.dir))

    def secret_in(self, text: str) -> str | None:
        """The beginning of a secret that the text holds."""
        return next((secret[:8] for secret in self.secrets if secret in text), None)

    def close(self) -> None:
        """Removes the files."""
        self._helper._end()


_wallets: list[Wallet] = []
_wallets_lock = threading.Lock()


def wallet() -> Wallet:
    """The one of this process."""
    with _wallets_lock:
        if not _wallets:
            _wallets.append(Wallet())
            atexit.register(_wallets[0].close)
        return _wallets[0]


def _text_file(text: str) -> str:
    handle, path = tempfile.mkstemp(prefix="natskit-test-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path
