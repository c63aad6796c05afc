# SPDX-License-Identifier: Apache-2.0
"""nats-py's exceptions of JetStream."""

from __future__ import annotations

from typing import Any

from .. import errors


class Error(errors.Error):
    """Base of those that do not come from the server."""

    def __init__(self, description: str | None = None) -> None:
        super().__init__(description)
        self.description = description

    def __str__(self) -> str:
        return self._TEXT or f"nats: JetStream.{type(self).__name__} {self.description or ''}"


class APIError(Error):
    """What the server answers with, in its words."""

    def __init__(
        self,
        code: int | None = None,
        description: str | None = None,
        err_code: int | None = None,
        stream: str | None = None,
        seq: int | None = None,
    ) -> None:
        super().__init__(description)
        self.code = code
        self.err_code = err_code
        self.stream = stream
        self.seq = seq

    def __str__(self) -> str:
        return self._TEXT or (
            f"nats: {type(self).__name__}: code={self.code} err_code={self.err_code} "
            f"description='{self.description}'"
        )


class ServiceUnavailableError(APIError):
    """Code 503."""


class ServerError(APIError):
    """Code 500."""


class NotFoundError(APIError):
    """Code 404."""


class BadRequestError(APIError):
    """Code 400."""


class ConsumerInvalidResetError(BadRequestError):
    """A consumer cannot begin anew there."""


class NoStreamResponseError(Error):
    """No stream has answered for a message."""

    _TEXT = "nats: no response from stream"


class TooManyStalledMsgsError(Error):
    """Too many messages wait for their acks."""

    _TEXT = "nats: stalled with too many outstanding async published messages"


class FetchTimeoutError(errors.TimeoutError):
    """A fetch got nothing, not even a sign of life."""

    _TEXT = "nats: fetch timeout"


class ConsumerSequenceMismatchError(Error):
    """Messages of a consumer are missing. Nothing raises it: the library asks for them anew."""

    def __init__(
        self,
        stream_resume_sequence: int | None = None,
        consumer_sequence: int | None = None,
        last_consumer_sequence: int | None = None,
    ) -> None:
        super().__init__()
        self.stream_resume_sequence = stream_resume_sequence
        self.consumer_sequence = consumer_sequence
        self.last_consumer_sequence = last_consumer_sequence

    def __str__(self) -> str:
        return f"nats: sequence mismatch for consumer at sequence {self.consumer_sequence}"


class BucketNotFoundError(NotFoundError):
    """There is no such bucket."""


class BadBucketError(APIError):
    """The stream of that name is no bucket."""


class KeyValueError(APIError):
    """Base of those of buckets."""


class KeyDeletedError(KeyValueError, NotFoundError):
    """The key was deleted."""

    _TEXT = "nats: key was deleted"

    def __init__(self, entry: Any = None, op: str | None = None) -> None:
        super().__init__()
        self.entry = entry
        self.op = op


class KeyNotFoundError(KeyValueError, NotFoundError):
    """The key has no value."""

    def __init__(self, entry: Any = None, op: str | None = None, message: str | None = None) -> None:
        super().__init__()
        self.entry = entry
        self.op = op
        self.message = message

    def __str__(self) -> str:
        return f"nats: key not found: {self.message}" if self.message else "nats: key not found"


class KeyWrongLastSequenceError(KeyValueError, BadRequestError):
    """The key has another revision than was said."""

    def __init__(self, description: str | None = None) -> None:
        super().__init__(description=description)

    def __str__(self) -> str:
        return f"nats: {self.description}"


class NoKeysError(KeyValueError):
    """There are none."""

    _TEXT = "nats: no keys found"


class KeyHistoryTooLargeError(KeyValueError):
    """A bucket keeps at most 64 entries of a key."""

    _TEXT = "nats: history limited to a max of 64"


class InvalidKeyError(Error):
    """That is no key."""


class InvalidBucketNameError(Error):
    """That is no name of a bucket or store."""


class InvalidObjectNameError(Error):
    """That is no name of an object."""


class BadObjectMetaError(Error):
    """What is stored of an object cannot be understood."""


class LinkIsABucketError(Error):
    """A link leads to a store, not to an object."""


class DigestMismatchError(Error):
    """The content of an object is not what was put."""


class ObjectNotFoundError(NotFoundError):
    """There is no such object."""


class ObjectDeletedError(NotFoundError):
    """The object was deleted."""


class ObjectAlreadyExists(Error):
    """Something else has that name."""


class KeyValueLimitMarkerTTLNotSupportedError(Error):
    """The server knows no markers."""

    _TEXT = "nats: limit marker TTLs not supported by server"
