"""The errors that this package raises: one tree, rooted in `BerlinError`.

Every message says what happened, to what, and what to do next. What a server said in it is cut short and has
its control characters removed (`clean`), because a server's words are as untrusted as a model's.
"""

from __future__ import annotations

import unicodedata

__all__ = [
    "BerlinError",
    "ContextOnServerError",
    "IncompleteReplyError",
    "IncorrectAnswerError",
    "LoginRefusedError",
    "ModelUnknownError",
    "NoBalanceError",
    "NotAllowedError",
    "NotConfiguredError",
    "NotStoredError",
    "PromptError",
    "RateLimitError",
    "ReplayFileError",
    "ReplyTooLargeError",
    "ServerError",
    "ServerUnreachableError",
    "SilentTooLongError",
    "StoreError",
    "clean",
]


def clean(text: str, limit: int = 300) -> str:
    """Return `text` fit to be shown in one line: no control or format characters, at most `limit` characters.

    Parameters
    ----------
    text : str
        Anything a server said.
    limit : int
        The most characters that are kept; what is cut is counted in the result.

    Returns
    -------
    str
        One line with no terminal escape, no bidirectional override and no line break in it.
    """
    cut = text[:limit]
    shown = "".join(" " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char for char in cut)
    shown = "".join(char for char in shown if unicodedata.category(char) not in {"Cf", "Cs", "Co", "Cn"})
    shown = " ".join(shown.split())
    return f"{shown} … ({len(text) - limit} more characters)" if len(text) > limit else shown


class BerlinError(RuntimeError):
    """Anything that went wrong between a question and its answer.

    Parameters
    ----------
    message : str
        What happened, to what, and what to do next; without a secret.
    status : int, optional
        The HTTP status of the answer, where there was one.
    code : int or str, optional
        The `code` of the server's envelope, or the engine's own error code.
    body : str, optional
        The offending text, cut and redacted by whoever raises.
    retry_after : float, optional
        Seconds to wait before it is asked again, where the server says so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | str | None = None,
        body: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = body
        self.retry_after = retry_after


class NotConfiguredError(BerlinError):
    """No server, account or token is known for what was asked."""


class PromptError(BerlinError):
    """A prompt can't be sent as it is written; nothing was sent."""


class ServerError(BerlinError):
    """The server answered with an error; the more precise kinds are its subclasses."""


class LoginRefusedError(ServerError):
    """The server does not accept the account or its password."""


class NotAllowedError(ServerError):
    """The server does not accept the token, even after a new login."""


class NoBalanceError(ServerError):
    """The account has nothing left to pay the reply with."""


class ModelUnknownError(ServerError):
    """The server does not serve the model that was asked for."""


class RateLimitError(ServerError):
    """The server or its engine has had too many requests."""


class ServerUnreachableError(BerlinError):
    """No connection to the server could be made, or it was lost before the first word.

    Parameters
    ----------
    message, status
        As `BerlinError`.
    passing : bool
        Whether it may be otherwise in a moment: refused or reset, rather than an unknown name.
    """

    def __init__(self, message: str, *, status: int | None = None, passing: bool = False) -> None:
        super().__init__(message, status=status)
        self.passing = passing


class IncorrectAnswerError(BerlinError):
    """The server answered with something that is not the protocol."""


class ReplyTooLargeError(BerlinError):
    """The reply, or one object of it, exceeds the limit that the user has set."""


class IncompleteReplyError(BerlinError):
    """The reply was cut: the stream ended, or the connection broke, before the server said that it was done."""


class SilentTooLongError(IncompleteReplyError):
    """Nothing came from the server for longer than the limit on silence."""


class ContextOnServerError(BerlinError):
    """The server keeps the context, and what stands before the question is not what it holds."""


class NotStoredError(BerlinError):
    """No reply is stored for the request, and asking is not allowed (``replay = "only"``)."""


class ReplayFileError(BerlinError):
    """The file that replies are to be replayed from can't be read."""


class StoreError(BerlinError):
    """The conversations can't be stored; the message says what was left where."""
