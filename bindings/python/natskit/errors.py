# SPDX-License-Identifier: Apache-2.0
"""The exceptions of natskit: one class for each status of the library, below a base for each kind of trouble.

``Error`` is the base of all. A wrong type of an argument is a plain TypeError, everything else that a call of
natskit fails with is one of these. Statuses that the loaded library knows and this file does not get a class
of their own when the module is imported, so a newer library needs no newer file.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from . import _natskit


class Error(Exception):
    """Base of all errors of natskit.

    Attributes:
        status: the library's number, e.g. -20.
        text: one line that says what happened.
        server_code: the code that the server gave, or 0.
        err_code: the server's detailed error code, or 0.
        errno: errno of the system call that failed, or 0.
        outcome: for an operation, what is known of its effect: "not_sent", "unknown", "rejected"; else "".
        failures: of a publisher's done(), the outcomes of the messages that are not known to be stored.
        published: for a batch, how many messages were accepted, or acked, before the error.
    """

    status: int = 0
    name: str = ""
    server_code: int = 0
    err_code: int = 0
    errno: int | None = 0
    outcome: str = ""
    published: int = 0
    failures: Sequence[Any] = ()

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"{self.text} [{self.name}]" if self.name else self.text


# ------------------------------------------------------------------------------ the kinds


class UsageError(Error):
    """The caller is wrong."""


class OutcomeError(Error):
    """An outcome that has to be expected: nothing came in time, nothing is there, the end."""


class LimitError(Error):
    """A limit of the server or of the library."""


class NetworkError(Error):
    """The network, or the other end of it."""


class ProtocolError(Error):
    """The server said no, or something that is not the protocol."""


class AuthError(Error):
    """The server refused the credentials, or security that was asked for cannot be had."""


class JetStreamError(Error):
    """What JetStream says, or what it does not allow.

    code, err_code and description are what the server answered, in nats-py's words: 404, 10059, "stream not found".
    """

    @property
    def code(self) -> int:
        """The server's number, as HTTP has them."""
        return self.server_code

    @property
    def description(self) -> str:
        """The server's words."""
        return self.text


class PlatformError(Error):
    """The system below: memory, system calls, the library itself."""


class ServiceError(ProtocolError):
    """A service answers with an error: raised by a handler, or made of a reply.

    ServiceError(404, "no such thing"); `code` is a number from 1 on, or its digits, as nats-py has it.
    """

    def __init__(self, code: int | str, description: str | None = None) -> None:
        super().__init__(str(code) if description is None else description)
        if description is not None:
            self.server_code = int(code)

    @property
    def code(self) -> str:
        """The service's code."""
        return str(self.server_code)

    @property
    def description(self) -> str:
        """The service's words."""
        return self.text


# --------------------------------------------------------------------- the caller is wrong


class InvalidError(UsageError, ValueError):
    """An argument is not valid; the text names it."""


class BadSubjectError(InvalidError):
    """A subject, reply subject or queue name is not valid."""


class BadHandleError(UsageError):
    """The object was never opened."""


class ConnectionClosedError(UsageError):
    """The connection was closed, by this program or for good."""


class SubscriptionClosedError(ConnectionClosedError):
    """The subscription was closed by this program."""


class ForkedError(UsageError):
    """The object belongs to the parent process; open a new connection in the child."""


class UnknownOptionError(UsageError, TypeError):
    """There is no option of that name; the text suggests the nearest."""


class BusyError(UsageError):
    """Somebody else waits for the object."""


class NoReplyError(UsageError):
    """The message or event asks for no reply."""


class ConnectionDrainingError(UsageError):
    """The connection is being drained and takes nothing new."""


# --------------------------------------------------------------------------- expected outcomes


class TimeoutError(OutcomeError, builtins.TimeoutError):
    """The deadline passed. Also a builtin TimeoutError, which is asyncio's, too."""


class WouldBlockError(OutcomeError):
    """Nothing was there, or no room, and the call was not allowed to wait."""


class OutboundBufferLimitError(WouldBlockError):
    """The outbox is full, and the call was not allowed to wait for room."""


class SubscriptionEnded(OutcomeError):
    """The subscription has ended and everything was taken from it."""


class NotFoundError(OutcomeError):
    """There is no such entry."""


class UnsubscribedError(OutcomeError):
    """Why a subscription ended: the program unsubscribed."""


class MaxReachedError(OutcomeError):
    """Why a subscription ended: the number of messages that was asked for arrived."""


class StalledError(OutcomeError):
    """No further reply came within the time that `stall` allows."""


class SentinelError(OutcomeError):
    """The reply that ends the answer came."""


class PendingError(OutcomeError):
    """The operation has not finished."""


# ---------------------------------------------------------------------------------- limits


class MaxPayloadError(LimitError):
    """Headers and payload together exceed the server's max_payload."""


class HeadersNotSupportedError(LimitError):
    """The server does not support headers."""


class LimitReachedError(LimitError):
    """A limit of the library was reached; the text names it."""


class SlowConsumerError(LimitError):
    """A queue was full and messages were dropped."""


# --------------------------------------------------------------------------------- network


class DisconnectedError(NetworkError):
    """The connection was lost before an answer came."""


class ConnectRefusedError(NetworkError):
    """Nobody accepts connections there."""


class ResolveError(NetworkError):
    """The host name has no address."""


class StaleConnectionError(NetworkError):
    """Pings were not answered."""


class SocketError(NetworkError):
    """An error of the socket; errno tells."""


class NoServersError(NetworkError):
    """Every server was tried without success."""


class WebSocketRefusedError(NetworkError):
    """The server refuses the upgrade to WebSocket; `server_code` is HTTP's."""


class WebSocketError(NetworkError):
    """The server sent something that is not WebSocket."""


# -------------------------------------------------------------------------------- protocol


class BadProtocolError(ProtocolError):
    """The server sent something that is not the protocol."""


class ServerError(ProtocolError):
    """The server sent an error."""


class NoRespondersError(ProtocolError):
    """Nobody listens on the subject of the request."""


class PermissionsError(ProtocolError):
    """The server denies the subject."""


class ServerLimitError(ProtocolError):
    """The server takes no more connections now."""


# -------------------------------------------------------------------------- authentication


class AuthorizationError(AuthError):
    """The server refused the credentials."""


class AuthExpiredError(AuthError):
    """The credentials have expired."""


class AuthRevokedError(AuthError):
    """The credentials were revoked."""


class SecureConnRequiredError(AuthError):
    """The server wants TLS, or TLS was asked for and is not offered."""


class TLSError(AuthError):
    """The TLS handshake did not succeed; the text tells why."""


class CertificateError(TLSError):
    """The certificate of the server is not accepted."""


class CredentialsError(AuthError):
    """The client's own keys, certificates or credentials cannot be read, or are malformed."""


class SignatureError(AuthError):
    """The signature is not of this key over these bytes."""


# ------------------------------------------------------------------------------- JetStream


class APIError(JetStreamError):
    """JetStream refuses the call; the text is the server's."""


class JetStreamNotEnabledError(JetStreamError):
    """JetStream does not answer, or is not enabled for the account."""


class StreamNotFoundError(APIError, NotFoundError):
    """There is no such stream."""


class ConsumerNotFoundError(APIError, NotFoundError):
    """There is no such consumer."""


class MsgNotFoundError(APIError, NotFoundError):
    """There is no such message in the stream."""


class AlreadyExistsError(APIError):
    """The name is taken by something that is configured otherwise."""


class WrongLastSequenceError(APIError):
    """The last sequence or message id is not the expected one."""


class JetStreamLimitError(APIError):
    """A limit of the stream, consumer or account is reached."""


class MsgAlreadyAckdError(JetStreamError):
    """The message was acked before."""


class NotJSMessageError(JetStreamError):
    """The message does not come from a JetStream consumer."""


class APILevelError(APIError):
    """The server is too old for what the configuration asks for."""


class ConsumerDeletedError(JetStreamError):
    """The consumer was deleted."""


class HeartbeatsMissedError(JetStreamError):
    """The server has not given a sign of life in time."""


class PullRefusedError(JetStreamError):
    """The server refuses the request for messages; the text is its own."""


class StreamSealedError(APIError):
    """The stream is sealed."""


class NoStreamResponseError(JetStreamError):
    """No stream takes the subject, or the stream has no leader."""


class InvalidAckError(JetStreamError):
    """What answered for a published message is no stream."""


class NoDirectError(JetStreamError):
    """The stream allows no direct gets, or there is no such stream."""


class NoBatchError(JetStreamError):
    """The server is too old for direct gets of several messages."""


class SnapshotChangedError(JetStreamError):
    """Part of the snapshot was removed or replaced while it was read."""


class KeyValueError(JetStreamError):
    """What a key-value bucket says."""


class KeyNotFoundError(KeyValueError, NotFoundError):
    """The bucket has no such key."""


class KeyDeletedError(KeyNotFoundError):
    """The key was deleted."""


class KeyWrongLastSequenceError(KeyValueError, WrongLastSequenceError):
    """The last entry of the key has another revision than the one that was given."""


class KeyExistsError(KeyWrongLastSequenceError):
    """The key that was to be created has a value."""


class ReadOnlyError(UsageError):
    """The bucket was opened to be read alone."""


class NotABucketError(KeyValueError):
    """The stream is not configured as a bucket's."""


class NoKeysError(KeyValueError):
    """For programs that were written for nats-py and catch it: keys() and history() give an empty list instead."""


class ObjectStoreError(JetStreamError):
    """What an object store says."""


class ObjectNotFoundError(ObjectStoreError, NotFoundError):
    """The store has no such object."""


class ObjectDeletedError(ObjectNotFoundError):
    """The object was deleted."""


class ObjectExistsError(ObjectStoreError):
    """There is an object of that name."""


class ObjectCorruptError(ObjectStoreError):
    """The object's content is not what its digest and size say."""


class ObjectIncompleteError(ObjectStoreError):
    """Chunks of the object are missing."""


class LinkToStoreError(ObjectStoreError):
    """The link leads to a store, not to an object."""


class LinkToLinkError(ObjectStoreError):
    """A link leads to a link."""


class ChunksDisorderedError(ObjectStoreError):
    """Chunks that were sent again were stored out of their order: the object has to be put anew."""


ObjectAlreadyExists = ObjectExistsError
DigestMismatchError = ObjectCorruptError
LinkIsABucketError = LinkToStoreError
"""nats-py's names."""

BucketNotFoundError = StreamNotFoundError
"""nats-py's name for it: a bucket is a stream."""


# -------------------------------------------------------------------------------- platform


class OutOfMemoryError(PlatformError, MemoryError):
    """There is no memory left."""


class SystemCallError(PlatformError):
    """A system call failed; errno tells."""


class BatchNotAllowedError(APIError):
    """The stream does not take batches."""


class BatchIncompleteError(APIError):
    """The server misses messages of the batch, or has given it up; nothing of it is stored."""


class BatchRefusedError(APIError):
    """The server does not take the batch as it is; nothing of it is stored."""


class BatchLimitError(APIError):
    """Too many batches are open, or the batch is too large."""


class CounterRefusedError(APIError):
    """The stream is no counter, or what is to be added is no number."""


class ScheduleRefusedError(APIError):
    """The stream takes no schedules, or not this one."""


class TTLRefusedError(APIError):
    """The stream does not let messages go by themselves, or not after that time."""


class ShutdownError(PlatformError):
    """The library was shut down."""


class InternalError(PlatformError):
    """A defect of the library."""


_KINDS: dict[int, type[Error]] = {
    1: UsageError,
    2: OutcomeError,
    3: LimitError,
    4: NetworkError,
    5: ProtocolError,
    6: AuthError,
    7: PlatformError,
    8: JetStreamError,
}

_CLASSES: dict[str, type[Error]] = {
    "INVALID": InvalidError,
    "BAD_HANDLE": BadHandleError,
    "CLOSED": ConnectionClosedError,
    "FORKED": ForkedError,
    "UNKNOWN_OPTION": UnknownOptionError,
    "BUSY": BusyError,
    "NO_REPLY": NoReplyError,
    "DRAINING": ConnectionDrainingError,
    "TIMEOUT": TimeoutError,
    "WOULD_BLOCK": WouldBlockError,
    "END": SubscriptionEnded,
    "NOT_FOUND": NotFoundError,
    "UNSUBSCRIBED": UnsubscribedError,
    "MAX_REACHED": MaxReachedError,
    "PENDING": PendingError,
    "STALLED": StalledError,
    "SENTINEL": SentinelError,
    "TOO_LARGE": MaxPayloadError,
    "NO_HEADERS": HeadersNotSupportedError,
    "LIMIT": LimitReachedError,
    "SLOW_CONSUMER": SlowConsumerError,
    "DISCONNECTED": DisconnectedError,
    "CONNECT_REFUSED": ConnectRefusedError,
    "RESOLVE": ResolveError,
    "STALE": StaleConnectionError,
    "IO": SocketError,
    "NO_SERVERS": NoServersError,
    "WS_REFUSED": WebSocketRefusedError,
    "WEBSOCKET": WebSocketError,
    "PROTOCOL": BadProtocolError,
    "SERVER_ERROR": ServerError,
    "NO_RESPONDERS": NoRespondersError,
    "PERMISSION": PermissionsError,
    "SERVER_LIMIT": ServerLimitError,
    "AUTH": AuthorizationError,
    "AUTH_EXPIRED": AuthExpiredError,
    "TLS_REQUIRED": SecureConnRequiredError,
    "TLS": TLSError,
    "TLS_CERTIFICATE": CertificateError,
    "CREDENTIALS": CredentialsError,
    "AUTH_REVOKED": AuthRevokedError,
    "SIGNATURE": SignatureError,
    "NO_MEMORY": OutOfMemoryError,
    "SYSTEM": SystemCallError,
    "SHUTDOWN": ShutdownError,
    "INTERNAL": InternalError,
    "JS_REFUSED": APIError,
    "JS_NOT_ENABLED": JetStreamNotEnabledError,
    "STREAM_NOT_FOUND": StreamNotFoundError,
    "CONSUMER_NOT_FOUND": ConsumerNotFoundError,
    "MSG_NOT_FOUND": MsgNotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "WRONG_LAST": WrongLastSequenceError,
    "JS_LIMIT": JetStreamLimitError,
    "ALREADY_ACKED": MsgAlreadyAckdError,
    "NOT_JS_MESSAGE": NotJSMessageError,
    "API_LEVEL": APILevelError,
    "CONSUMER_DELETED": ConsumerDeletedError,
    "HEARTBEATS_MISSED": HeartbeatsMissedError,
    "PULL_REFUSED": PullRefusedError,
    "SEALED": StreamSealedError,
    "NO_STREAM": NoStreamResponseError,
    "INVALID_ACK": InvalidAckError,
    "NO_DIRECT": NoDirectError,
    "NO_BATCH": NoBatchError,
    "SNAPSHOT_CHANGED": SnapshotChangedError,
    "KEY_NOT_FOUND": KeyNotFoundError,
    "KEY_DELETED": KeyDeletedError,
    "KEY_EXISTS": KeyExistsError,
    "READ_ONLY": ReadOnlyError,
    "NOT_A_BUCKET": NotABucketError,
    "OBJECT_NOT_FOUND": ObjectNotFoundError,
    "OBJECT_DELETED": ObjectDeletedError,
    "OBJECT_EXISTS": ObjectExistsError,
    "OBJECT_CORRUPT": ObjectCorruptError,
    "OBJECT_INCOMPLETE": ObjectIncompleteError,
    "LINK_TO_STORE": LinkToStoreError,
    "LINK_TO_LINK": LinkToLinkError,
    "CHUNKS_DISORDERED": ChunksDisorderedError,
    "SERVICE_ERROR": ServiceError,
    "BATCH_NOT_ALLOWED": BatchNotAllowedError,
    "BATCH_INCOMPLETE": BatchIncompleteError,
    "BATCH_REFUSED": BatchRefusedError,
    "BATCH_LIMIT": BatchLimitError,
    "COUNTER_REFUSED": CounterRefusedError,
    "SCHEDULE_REFUSED": ScheduleRefusedError,
    "TTL_REFUSED": TTLRefusedError,
}


def _table() -> dict[int, type[Error]]:
    """The class of every status, from the list of the library that is loaded."""
    table: dict[int, type[Error]] = {}
    for status, kind, name, text in _natskit._statuses():
        if status == 0:
            continue
        cls = _CLASSES.get(name)
        if cls is None:
            title = "".join(word.capitalize() for word in name.split("_")) + "Error"
            fields: dict[str, Any] = {"__doc__": text, "__module__": __name__}
            cls = type(title, (_KINDS.get(kind, Error),), fields)
            globals()[title] = cls
        cls.status = status
        cls.name = name
        table[status] = cls
    return table


STATUSES: dict[int, type[Error]] = _table()
"""Every status of the library and the class that stands for it."""
