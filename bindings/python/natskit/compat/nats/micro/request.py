# SPDX-License-Identifier: Apache-2.0
"""Requests of services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import natskit

from .._mapping import translated
from ..aio.client import header_values
from ..aio.msg import Msg, plain_headers

__all__ = ["ERROR_CODE_HEADER", "ERROR_HEADER", "Handler", "Msg", "Request", "ServiceError"]

ERROR_HEADER = "Nats-Service-Error"
ERROR_CODE_HEADER = "Nats-Service-Error-Code"


class Request:
    """A request, as handlers get it."""

    def __init__(self, request: natskit.micro.Request) -> None:
        self._request = request

    @property
    def subject(self) -> str:
        return self._request.subject

    @property
    def headers(self) -> dict[str, str] | None:
        return plain_headers(self._request.headers)

    @property
    def data(self) -> bytes:
        return self._request.data

    async def respond(self, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answers."""
        with translated:
            await self._request.respond(data, header_values(headers))

    async def respond_error(
        self, code: str, description: str, data: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        """Answers with an error; `code` holds digits."""
        with translated:
            await self._request.respond_error(code, description, data, header_values(headers))


Handler = Callable[[Request], Awaitable[None]]


@dataclass
class ServiceError(Exception):
    """What a handler raises to answer with an error."""

    code: str
    description: str

    def __repr__(self) -> str:
        return f"{self.code}:{self.description}"

    def to_dict(self) -> dict[str, Any]:
        return {"code": self.code, "description": self.description}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ServiceError:
        return cls(data.get("code", ""), data.get("description", ""))
