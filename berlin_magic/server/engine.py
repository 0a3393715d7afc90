"""The interface of an engine: what answers the questions that a server is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from berlin_magic.messages import AnyMessage, Event

__all__ = ["Engine", "EngineError"]


class EngineError(Exception):
    """An engine refused or failed before its first word, or in the middle of a reply.

    Parameters
    ----------
    message : str
        For the envelope's ``message``; may be empty if `data` says it.
    status : int
        The HTTP status to answer with.
    code : int
        The envelope's ``code``: -1 if the engine refused, 5000 if it is unknown or out of reach.
    data : object
        For the envelope's ``data``, e.g. the engine's own ``{"error": {...}}``.
    retry_after : str
        For the ``Retry-After`` of the answer; none if it is empty.
    reason : str
        For the server's log, without a word of what a user has said; `message` if it is empty.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 500,
        code: int = 5000,
        data: Any = None,
        retry_after: str = "",
        reason: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.data: Any = [] if data is None else data
        self.retry_after = retry_after
        self.reason = reason or message


class Engine(Protocol):
    """Answers conversations. One engine serves every request of a server, at the same time."""

    @property
    def advice(self) -> str:
        """Advice for a user who asks for a model that it does not serve; may be empty."""
        ...

    async def models(self) -> Sequence[str]:
        """Return the names of the models that it serves, the default one first."""
        ...

    def stream(self, messages: Sequence[AnyMessage], options: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        """Answer `messages` (oldest first, the question last); an engine may yield text alone.

        An empty `Usage` says that the engine has accepted the question: from then on it costs.

        `options` holds ``model``, ``temperature``, ``max_tokens``, … as the client sent them. Raises
        `EngineError` on the first ``anext`` if the engine refuses; later if the reply is cut. Closing the
        generator ends the engine's work at once.
        """
        ...

    async def close(self) -> None:
        """Release what the engine holds."""
        ...
