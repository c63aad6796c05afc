# SPDX-License-Identifier: Apache-2.0
"""Tests of natskit_testing with plain sockets; no client is involved. Run it with python3 or pytest."""

import json
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from natskit_testing import Cluster, HarnessError, Scripted, Server, Tap, Violation, wait_for  # noqa: E402

START = (
    b'CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"lang":"c","version":"0",'
    b'"protocol":1,"headers":true,"no_responders":true}\r\nPING\r\n'
)


class RawClient:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.lines = self.socket.makefile("rb")
        self.info = self.lines.readline()
        self.send(START)
        assert self.lines.readline() == b"PONG\r\n"

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        """The next line that is not the second INFO, which the server sends by itself."""
        while True:
            line = self.lines.readline()
            if not line.startswith(b"INFO "):
                return line

    def close(self) -> None:
        self.lines.close()
        self.socket.close()

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ServerAndTap(unittest.TestCase):
    def test_messages_and_restart(self) -> None:
        with Server(extra="max_payload: 5000") as server, Tap(server) as tap:
            tap.command('edit-info cluster "xx"')
            with RawClient(tap.port) as client:
                self.assertEqual(json.loads(client.info[5:])["cluster"], "xx")
                client.send(b"SUB a.* 1\r\nPUB a.b 2\r\nhi\r\n")
                self.assertEqual(client.line(), b"MSG a.b 1 2\r\n")
                self.assertEqual(tap.stats()["sub"], 1)
                self.assertEqual(json.loads(server.monitor("/varz"))["max_payload"], 5000)
                self.assertTrue(server.log_contains("Server is ready"))
                self.assertFalse(server.log_contains("no such text"))
                port, pid = server.port, server.pid
                server.kill()
                self.assertEqual(server.pid, 0)
                server.restart()
                self.assertEqual(server.port, port)
                self.assertNotEqual(server.pid, pid)
            wait_for(lambda: tap.stats()["open"] == 0)
            folder = server.dir
        self.assertFalse(folder.exists())

    def test_violation(self) -> None:
        with self.assertRaisesRegex(Violation, "wrong number of arguments"):
            with Server(jetstream=False) as server, Tap(server.url) as tap, RawClient(tap.port) as client:
                client.send(b"PUB a b c 0\r\n")
                wait_for(tap.violation)

    def test_cluster(self) -> None:
        with Cluster(3) as cluster:
            self.assertEqual(len(set(cluster.urls)), 3)
            cluster[1].kill()
            cluster[1].restart()
            cluster.wait_ready()

    def test_start_failure(self) -> None:
        with self.assertRaises(HarnessError):
            Server("listen: [[[")


class ScriptedServer(unittest.TestCase):
    def test_script(self) -> None:
        script = "handshake\n< PUB foo as p\nstall until ctl\n> MSG foo 1 ${p.len}\\r\\n${p.payload}\nwait-close"
        with Scripted(script) as server:
            with RawClient(server.port) as client:
                client.send(b"PUB foo 3\r\na b\r\n")
                wait_for(lambda: server.status() == "running 3")
                self.assertEqual(server.get("p.payload"), "a b")
                server.proceed()
                self.assertEqual(client.line(), b"MSG foo 1 3\r\n")
                self.assertEqual(client.line(), b"a b\r\n")

    def test_failure_names_the_line(self) -> None:
        with self.assertRaisesRegex(Violation, "line 2: expected PUB foo, got"):
            with Scripted("handshake\n< PUB foo") as server, RawClient(server.port) as client:
                client.send(b"PUB bar 0\r\n\r\n")
                server.wait()


if __name__ == "__main__":
    unittest.main()
