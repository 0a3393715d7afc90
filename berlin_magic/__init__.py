"""Talk to a language model from a notebook cell: ``%load_ext berlin_magic``, then ``%%berlin`` over a question."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from berlin_magic import messages as events
from berlin_magic.errors import (
    BerlinError,
    BudgetError,
    CheckFailedError,
    ContextOnServerError,
    IncompleteReplyError,
    IncorrectAnswerError,
    LoginRefusedError,
    ModelUnknownError,
    NoBalanceError,
    NotAllowedError,
    NotConfiguredError,
    NotStoredError,
    PromptError,
    RateLimitError,
    ReplayFileError,
    ReplyFormatError,
    ReplyTooLargeError,
    ServerError,
    ServerUnreachableError,
    SilentTooLongError,
    StoreError,
)
from berlin_magic.messages import (
    Event,
    Finish,
    Image,
    Notice,
    Reasoning,
    Started,
    Text,
    TextWasReasoning,
    ToolCall,
    Usage,
)

if TYPE_CHECKING:
    from berlin_magic.credentials.redaction import redacted
    from berlin_magic.kernel.notebook import conversation
    from berlin_magic.kernel.rows import map_rows as map  # noqa: A004, F401 - see `_RENAMED`
    from berlin_magic.prompts.describe import describe
    from berlin_magic.providers.base import Provider
    from berlin_magic.providers.berlin.provider import Berlin
    from berlin_magic.results.conversation import Conversation
    from berlin_magic.results.reply import Reply

__version__ = "0.2.0.dev0"

# The name that `messages` had in release 0.1: providers of other packages import `Reasoning` and the like from it.
sys.modules[f"{__name__}.events"] = events

# Where each public name is at home. They are imported when first used: loading the extension, or importing one
# name, does not wait for the HTTP client.
_HOMES = {
    "Berlin": "providers.berlin.provider",
    "Conversation": "results.conversation",
    "Provider": "providers.base",
    "conversation": "kernel.notebook",
    "Reply": "results.reply",
    "describe": "prompts.describe",
    "redacted": "credentials.redaction",
}
_RENAMED = {"map": ("kernel.rows", "map_rows")}  # not in `__all__`: `import *` would hide Python's own

__all__ = [
    "Berlin",
    "BerlinError",
    "BudgetError",
    "CheckFailedError",
    "ContextOnServerError",
    "Conversation",
    "Event",
    "Finish",
    "Image",
    "IncompleteReplyError",
    "IncorrectAnswerError",
    "LoginRefusedError",
    "ModelUnknownError",
    "NoBalanceError",
    "NotAllowedError",
    "NotConfiguredError",
    "NotStoredError",
    "Notice",
    "PromptError",
    "Provider",
    "RateLimitError",
    "Reasoning",
    "ReplayFileError",
    "Reply",
    "ReplyFormatError",
    "ReplyTooLargeError",
    "ServerError",
    "ServerUnreachableError",
    "SilentTooLongError",
    "Started",
    "StoreError",
    "Text",
    "TextWasReasoning",
    "ToolCall",
    "Usage",
    "conversation",
    "describe",
    "redacted",
]


def __getattr__(name: str) -> Any:
    home, inner = _RENAMED.get(name, (_HOMES.get(name), name))
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), inner)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_RENAMED})


def load_ipython_extension(shell: Any) -> None:
    """Register ``%%berlin`` and ``%berlin`` with `shell`; called by ``%load_ext berlin_magic``."""
    from berlin_magic.kernel.extension import load  # noqa: PLC0415 - the package also works without IPython

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take away all that loading has brought; called by ``%unload_ext berlin_magic``."""
    from berlin_magic.kernel.extension import unload  # noqa: PLC0415 - as above

    unload(shell)
