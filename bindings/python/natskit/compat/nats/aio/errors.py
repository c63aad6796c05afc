# SPDX-License-Identifier: Apache-2.0
"""The names that nats-py's exceptions had before its version 2; each is the same class as the present one."""

from ..errors import AuthorizationError as ErrAuthorization
from ..errors import BadSubjectError as ErrBadSubject
from ..errors import BadSubscriptionError as ErrBadSubscription
from ..errors import BadTimeoutError as ErrBadTimeout
from ..errors import ConnectionClosedError as ErrConnectionClosed
from ..errors import ConnectionDrainingError as ErrConnectionDraining
from ..errors import ConnectionReconnectingError as ErrConnectionReconnecting
from ..errors import DrainTimeoutError as ErrDrainTimeout
from ..errors import Error as NatsError
from ..errors import InvalidCallbackTypeError as ErrInvalidCallbackType
from ..errors import InvalidUserCredentialsError as ErrInvalidUserCredentials
from ..errors import JsonParseError as ErrJsonParse
from ..errors import MaxPayloadError as ErrMaxPayload
from ..errors import NoServersError as ErrNoServers
from ..errors import SecureConnFailedError as ErrSecureConnFailed
from ..errors import SecureConnRequiredError as ErrSecureConnRequired
from ..errors import SecureConnWantedError as ErrSecureConnWanted
from ..errors import SlowConsumerError as ErrSlowConsumer
from ..errors import StaleConnectionError as ErrStaleConnection
from ..errors import TimeoutError as ErrTimeout

__all__ = [
    "ErrAuthorization",
    "ErrBadSubject",
    "ErrBadSubscription",
    "ErrBadTimeout",
    "ErrConnectionClosed",
    "ErrConnectionDraining",
    "ErrConnectionReconnecting",
    "ErrDrainTimeout",
    "ErrInvalidCallbackType",
    "ErrInvalidUserCredentials",
    "ErrJsonParse",
    "ErrMaxPayload",
    "ErrNoServers",
    "ErrSecureConnFailed",
    "ErrSecureConnRequired",
    "ErrSecureConnWanted",
    "ErrSlowConsumer",
    "ErrStaleConnection",
    "ErrTimeout",
    "NatsError",
]
