# SPDX-License-Identifier: Apache-2.0
"""NATS for asyncio, over a core in C. The blocking face of the same client is natskit.sync.

nc = await natskit.connect("nats://127.0.0.1:4222")
sub = await nc.subscribe("greet.*")
await nc.publish("greet.joe", b"hello")
async for msg in sub:
    print(msg.subject, msg.data)
"""

from __future__ import annotations

from collections.abc import Mapping

from . import _later, errors, js, jwt, micro, nkeys
from ._admin import Admin, Advisories, Advisory, Snapshot
from ._client import Answers, Client, Events, Msg, Subscription, connect
from ._batch import Batch
from ._ingest import Ingest
from ._js import Consumer, JetStreamContext, Publisher, PullSubscription, Reading, Stream
from ._kv import KeyValue, KeyValueBatch, KeyValueCache, Watcher
from ._metadata import Metadata
from ._codec import KeyCodec, ValueCodec
from ._dump import dump
from ._natskit import (
    Entry,
    Event,
    Headers,
    ObjectInfo,
    PubAck,
    PubOutcome,
    Status,
    StoredMsg,
    counters,
    nuid,
    shutdown,
    version,
)
from ._object import ObjectReader, ObjectResult, ObjectStore, ObjectWriter

__all__ = [
    "Admin",
    "Advisories",
    "Advisory",
    "Answers",
    "Batch",
    "Client",
    "Consumer",
    "Entry",
    "Event",
    "Events",
    "Headers",
    "Ingest",
    "JetStreamContext",
    "KeyCodec",
    "KeyValue",
    "KeyValueBatch",
    "KeyValueCache",
    "Metadata",
    "Msg",
    "ObjectInfo",
    "ObjectReader",
    "ObjectResult",
    "ObjectStore",
    "ObjectWriter",
    "PubAck",
    "PubOutcome",
    "Publisher",
    "PullSubscription",
    "Reading",
    "Snapshot",
    "Status",
    "StoredMsg",
    "Stream",
    "Subscription",
    "ValueCodec",
    "Watcher",
    "connect",
    "counters",
    "dump",
    "errors",
    "js",
    "jwt",
    "micro",
    "nkeys",
    "nuid",
    "shutdown",
    "version",
]

__version__ = version()

_later.install()
Mapping.register(Headers)
