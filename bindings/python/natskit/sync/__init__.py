# SPDX-License-Identifier: Apache-2.0
"""NATS, blocking: the same methods as natskit, without await. Safe to use from many threads.

    nc = natskit.sync.connect("nats://127.0.0.1:4222")
    sub = nc.subscribe("greet.*")
    nc.publish("greet.joe", b"hello")
    for msg in sub:
        print(msg.subject, msg.data)

Ctrl-C ends every wait of the main thread.
"""

from __future__ import annotations

from .. import errors, js, jwt, nkeys
from .._metadata import Metadata
from .._dump import dump
from .._codec import KeyCodec, ValueCodec
from .._natskit import (
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
from . import micro
from ._admin import Admin, Advisories, Advisory, Snapshot
from ._client import Answers, Client, Events, Msg, Subscription, connect
from ._batch import Batch
from ._ingest import Ingest
from ._js import Consumer, JetStreamContext, Publisher, PullSubscription, Reading, Stream
from ._kv import KeyValue, KeyValueBatch, KeyValueCache, Watcher
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
