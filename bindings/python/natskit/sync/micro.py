# SPDX-License-Identifier: Apache-2.0
"""Services and their discovery, blocking: as natskit.micro. Handlers are called by the connection's dispatch()."""

from ._micro import (
    Discovery,
    Endpoint,
    Group,
    Request,
    Service,
    add_service,
    info,
    ping,
    raise_for_error,
    stats,
)
from .._services import (
    DEFAULT_PREFIX,
    DEFAULT_QUEUE_GROUP,
    INFO_RESPONSE_TYPE,
    PING_RESPONSE_TYPE,
    STATS_RESPONSE_TYPE,
    EndpointConfig,
    EndpointInfo,
    EndpointStats,
    GroupConfig,
    ServiceConfig,
    ServiceInfo,
    ServicePing,
    ServiceStats,
)
from ..errors import ServiceError

__all__ = [
    "DEFAULT_PREFIX",
    "DEFAULT_QUEUE_GROUP",
    "INFO_RESPONSE_TYPE",
    "PING_RESPONSE_TYPE",
    "STATS_RESPONSE_TYPE",
    "Discovery",
    "Endpoint",
    "EndpointConfig",
    "EndpointInfo",
    "EndpointStats",
    "Group",
    "GroupConfig",
    "Request",
    "Service",
    "ServiceConfig",
    "ServiceError",
    "ServiceInfo",
    "ServicePing",
    "ServiceStats",
    "add_service",
    "info",
    "ping",
    "raise_for_error",
    "stats",
]
