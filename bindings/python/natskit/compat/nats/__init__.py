# SPDX-License-Identifier: Apache-2.0
"""nats-py's interface (2.16) over natskit's client for asyncio: for a program that was written for nats-py
`from natskit.compat import nats` takes the place of `import nats`, and `natskit.compat.nats.` that of `nats.` in its
other imports.

Here are only names, defaults and exceptions; what is done the library does. What differs, and why, is in
docs/migrating-from-nats-py.md.
"""

from __future__ import annotations

from typing import Any

from . import aio, errors, js, micro, nuid
from .aio.client import Client as NATS

__all__ = ["NATS", "aio", "connect", "errors", "js", "micro", "nuid"]


async def connect(servers: str | list[str] = "nats://localhost:4222", **options: Any) -> NATS:
    """Connects; the options are those of aio.client.Client.connect()."""
    nc = NATS()
    await nc.connect(servers, **options)
    return nc
