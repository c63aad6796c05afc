# SPDX-License-Identifier: Apache-2.0
"""Services."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..aio.client import Client
from .request import Handler, Request, ServiceError
from .service import Service, ServiceConfig

__all__ = ["Handler", "Request", "Service", "ServiceConfig", "ServiceError", "add_service"]


async def add_service(nc: Client, config: ServiceConfig | None = None, **kwargs: Any) -> Service:
    """Starts a service, configured by `config`, by keywords, or both."""
    config = replace(config, **kwargs) if config else ServiceConfig(**kwargs)
    service = Service(nc, config)
    await service.start()
    return service
