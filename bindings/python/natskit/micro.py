# SPDX-License-Identifier: Apache-2.0
"""Services and their discovery, with nats-py's names.

service = await natskit.micro.add_service(nc, name="sums", version="1.0.0")

@service.endpoint()
async def add(request):
    await request.respond(json=sum(request.json()))
"""

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
from ._services import (
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
from .errors import ServiceError

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
