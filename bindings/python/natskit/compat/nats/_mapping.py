# SPDX-License-Identifier: Apache-2.0
"""From natskit's exceptions to nats-py's: `with translated: ...`, or with other classes where nats-py has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from natskit import errors as own

from . import errors
from .js import errors as js_errors

_Make = Callable[[own.Error], errors.Error]


def _plain(cls: Callable[[], errors.Error]) -> _Make:
    return lambda error: cls()


def _described(cls: Callable[[str], errors.Error]) -> _Make:
    return lambda error: cls(error.text)


def _general(error: own.Error) -> errors.Error:
    return errors.Error(f"nats: {error.text}")


def _invalid(error: own.Error) -> errors.Error:
    return errors.BadHeaderError() if error.text.startswith("header") else _general(error)


def _api(error: own.Error) -> errors.Error:
    """What the server refused, by its code."""
    classes: dict[int, type[js_errors.APIError]] = {
        503: js_errors.ServiceUnavailableError,
        500: js_errors.ServerError,
        404: js_errors.NotFoundError,
        400: js_errors.BadRequestError,
    }
    code = error.server_code or (404 if isinstance(error, own.NotFoundError) else 0)
    cls = classes.get(code, js_errors.APIError)
    if error.err_code == _INVALID_RESET:
        cls = js_errors.ConsumerInvalidResetError
    return cls(code=code or None, description=error.text, err_code=error.err_code or None)


_INVALID_RESET = 10204

# The first class of an exception's line of bases that is here counts.
_MAKERS: dict[type[own.Error], _Make] = {
    own.TimeoutError: _plain(errors.TimeoutError),
    own.NoRespondersError: _plain(errors.NoRespondersError),
    own.StaleConnectionError: _plain(errors.StaleConnectionError),
    own.DisconnectedError: _plain(errors.UnexpectedEOF),
    own.OutboundBufferLimitError: _plain(errors.OutboundBufferLimitError),
    own.SubscriptionClosedError: _plain(errors.BadSubscriptionError),
    own.SubscriptionEnded: _plain(errors.BadSubscriptionError),
    own.UnsubscribedError: _plain(errors.BadSubscriptionError),
    own.MaxReachedError: _plain(errors.BadSubscriptionError),
    own.ConnectionClosedError: _plain(errors.ConnectionClosedError),
    own.BadHandleError: _plain(errors.ConnectionClosedError),
    own.ConnectionDrainingError: _plain(errors.ConnectionDrainingError),
    own.BadSubjectError: _plain(errors.BadSubjectError),
    own.InvalidError: _invalid,
    own.NoReplyError: lambda error: errors.Error("no reply subject available"),
    own.MaxPayloadError: _plain(errors.MaxPayloadError),
    own.SlowConsumerError: lambda error: errors.SlowConsumerError("", "", 0, None),
    own.NoServersError: _plain(errors.NoServersError),
    own.SecureConnRequiredError: _plain(errors.SecureConnRequiredError),
    own.TLSError: _plain(errors.SecureConnFailedError),
    own.CredentialsError: _plain(errors.InvalidUserCredentialsError),
    own.AuthError: _plain(errors.AuthorizationError),
    own.BadProtocolError: _plain(errors.ProtocolError),
    own.MsgAlreadyAckdError: _plain(errors.MsgAlreadyAckdError),
    own.NotJSMessageError: _plain(errors.NotJSMessageError),
    own.APIError: _api,
    own.JetStreamNotEnabledError: lambda error: js_errors.ServiceUnavailableError(code=503, description=error.text),
    own.ConsumerDeletedError: lambda error: js_errors.APIError(code=409, description=error.text),
    own.PullRefusedError: lambda error: js_errors.APIError(code=409, description=error.text),
    own.NoStreamResponseError: _plain(js_errors.NoStreamResponseError),
    own.HeartbeatsMissedError: _plain(js_errors.FetchTimeoutError),
    own.KeyNotFoundError: _plain(js_errors.KeyNotFoundError),
    own.KeyWrongLastSequenceError: _described(js_errors.KeyWrongLastSequenceError),
    own.NotABucketError: lambda error: js_errors.BadBucketError(description=error.text),
    own.ObjectNotFoundError: lambda error: js_errors.ObjectNotFoundError(code=404, description=error.text),
    own.ObjectExistsError: _described(js_errors.ObjectAlreadyExists),
    own.ObjectCorruptError: _described(js_errors.DigestMismatchError),
    own.ObjectIncompleteError: _described(js_errors.DigestMismatchError),
    own.LinkToStoreError: _described(js_errors.LinkIsABucketError),
    own.JetStreamError: _described(js_errors.Error),
}


def mapped(error: own.Error) -> errors.Error:
    """nats-py's exception for one of natskit."""
    for cls in type(error).__mro__:
        make = _MAKERS.get(cls)
        if make is not None:
            made = make(error)
            made.__cause__ = error
            return made
    made = _general(error)
    made.__cause__ = error
    return made


class Translated:
    """Raises nats-py's exceptions in place of natskit's; `others` are classes for which this place has others."""

    def __init__(self, others: Mapping[type[own.Error], Callable[[str], Exception]] | None = None) -> None:
        self._others = others or {}

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, own.Error):
            return
        for cls in type(error).__mro__:
            other: Any = self._others.get(cls)
            if other is not None:
                raise other(error.text) from error
        raise mapped(error) from error


translated = Translated()
