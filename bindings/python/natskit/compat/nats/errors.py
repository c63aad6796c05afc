# SPDX-License-Identifier: Apache-2.0
"""nats-py's exceptions, and which of them stands for an exception of natskit.

What natskit raised is the `__cause__` of what is raised here: it tells more.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar


class Error(Exception):
    """Base of all."""

    _TEXT: ClassVar[str | None] = None

    def __str__(self) -> str:
        return super().__str__() if self._TEXT is None else self._TEXT


class TimeoutError(Error, asyncio.TimeoutError):
    _TEXT = "nats: timeout"


class NoRespondersError(Error):
    _TEXT = "nats: no responders available for request"


class StaleConnectionError(Error):
    _TEXT = "nats: stale connection"


class OutboundBufferLimitError(Error):
    _TEXT = "nats: outbound buffer limit exceeded"


class UnexpectedEOF(StaleConnectionError):
    _TEXT = "nats: unexpected EOF"


class FlushTimeoutError(TimeoutError):
    _TEXT = "nats: flush timeout"


class ConnectionClosedError(Error):
    _TEXT = "nats: connection closed"


class SecureConnRequiredError(Error):
    _TEXT = "nats: secure connection required"


class SecureConnWantedError(Error):
    _TEXT = "nats: secure connection not available"


class SecureConnFailedError(Error):
    _TEXT = "nats: secure connection failed"


class BadSubscriptionError(Error):
    _TEXT = "nats: invalid subscription"


class BadSubjectError(Error):
    _TEXT = "nats: invalid subject"


class BadHeaderError(Error):
    def __init__(self, key: str = "") -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"nats: invalid header: {self.key!r}" if self.key else "nats: invalid header"


class SlowConsumerError(Error):
    """Messages of a subscription were dropped: they had filled its limits."""

    def __init__(self, subject: str, reply: str, sid: int, sub: Any) -> None:
        super().__init__(subject, reply, sid, sub)
        self.subject = subject
        self.reply = reply
        self.sid = sid
        self.sub = sub

    def __str__(self) -> str:
        return f"nats: slow consumer, messages dropped subject: {self.subject}, sid: {self.sid}, sub: {self.sub}"


class BadTimeoutError(Error):
    _TEXT = "nats: timeout invalid"


class AuthorizationError(Error):
    _TEXT = "nats: authorization failed"


class NoServersError(Error):
    _TEXT = "nats: no servers available for connection"


class JsonParseError(Error):
    _TEXT = "nats: connect message, json parse err"


class MaxPayloadError(Error):
    _TEXT = "nats: maximum payload exceeded"


class DrainTimeoutError(TimeoutError):
    _TEXT = "nats: draining connection timed out"


class ConnectionDrainingError(Error):
    _TEXT = "nats: connection draining"


class ConnectionReconnectingError(Error):
    _TEXT = "nats: connection reconnecting"


class InvalidUserCredentialsError(Error):
    _TEXT = "nats: invalid user credentials"


class InvalidCallbackTypeError(Error):
    _TEXT = "nats: callbacks must be coroutine functions"


class ProtocolError(Error):
    _TEXT = "nats: protocol error"


class ServerNotInPoolError(Error):
    _TEXT = "nats: selected server is not in the pool"


class NotJSMessageError(Error):
    """A message that no stream delivered is treated as if one had."""

    _TEXT = "nats: not a JetStream message"


class MsgAlreadyAckdError(Error):
    def __init__(self, msg: Any = None) -> None:
        super().__init__(msg)
        self._msg = msg

    def __str__(self) -> str:
        return f"nats: message was already acknowledged: {self._msg}"
