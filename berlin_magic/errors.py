"""The errors that this package raises.

::

    BerlinError                       anything between a question and its answer
    ├── NotConfiguredError            no server, account or token is known, or one can't be used
    ├── ServerError                   the server answered with an error
    │   ├── LoginRefusedError         it does not accept the account or its password
    │   ├── NotAllowedError           it does not accept the token or key
    │   ├── NoBalanceError            the account can't pay the reply
    │   ├── ModelUnknownError         it does not serve the model
    │   └── RateLimitError            it has had too many requests
    ├── ServerUnreachableError        no connection, or it was lost before the first word
    ├── IncorrectAnswerError          what came is not the protocol
    ├── ReplyTooLargeError            the reply exceeds the user's limit
    ├── IncompleteReplyError          the reply was cut; what had arrived is kept
    │   └── SilentTooLongError        nothing came for longer than the limit on silence
    ├── ContextOnServerError          the server holds another conversation than this one
    ├── NotStoredError                no stored reply, and asking is not allowed
    ├── CheckFailedError              the code of a reply has not passed its check
    ├── PromptError                   the prompt can't be filled in; nothing was sent
    ├── ReplyFormatError              the reply is no value of the type that was asked for
    ├── BudgetError                   the request would break the budget; it was not sent
    ├── ReplayFileError               the file with the stored replies can't be read
    └── StoreError                    the conversations can't be stored

Every message says what happened, to what, and what to do next. What a server said in it is cut short and has its
control characters removed (`clean`), because a server's words are as untrusted as a model's.
"""

from __future__ import annotations

import unicodedata

__all__ = [
    "BerlinError",
    "BudgetError",
    "CheckFailedError",
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
    "ReplyFormatError",
    "ReplyTooLargeError",
    "ServerError",
    "ServerUnreachableError",
    "SilentTooLongError",
    "StoreError",
    "clean",
    "printable",
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
    shown = " ".join(printable(text[:limit]).split())
    return f"{shown} … ({len(text) - limit} more characters)" if len(text) > limit else shown


def printable(text: str) -> str:
    """Return `text` with its lines, and without what steers a terminal or turns the direction of what follows."""
    return "".join(char if char in "\n\t" else _SHOWN.get(unicodedata.category(char), char) for char in text)


_SHOWN = {"Cc": " ", "Zl": " ", "Zp": " ", "Cf": "", "Cs": "", "Co": "", "Cn": ""}


class BerlinError(RuntimeError):
    """Anything that went wrong between a question and its answer.

    Parameters
    ----------
    message : str
        What happened, to what, and what to do next; without a secret.
    status : int, optional
        The HTTP status of the answer, if there was one.
    code : int or str, optional
        The `code` of the server's envelope, or the engine's own error code.
    body : str, optional
        The offending text, cut and redacted by whoever raises.
    retry_after : float, optional
        Seconds to wait before the next request, if the server says so.
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
    """No server, account or token is known for the question, or one of them can't be used."""


class PromptError(BerlinError):
    """A prompt can't be sent as it is written; nothing was sent."""


class ReplyFormatError(BerlinError):
    """The reply is no value of the type that was asked for.

    Parameters
    ----------
    message : str
        As `BerlinError`.
    faults : tuple of str
        What does not fit, each with its place in the reply's JSON.
    """

    def __init__(self, message: str, *, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class BudgetError(BerlinError):
    """The request would break the user's budget, or its price is not known; it was not sent."""


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
        Whether the next try may succeed: the connection was refused or reset, and the name is known.
    """

    def __init__(self, message: str, *, status: int | None = None, passing: bool = False) -> None:
        super().__init__(message, status=status)
        self.passing = passing


class IncorrectAnswerError(BerlinError):
    """The server's answer is not the protocol."""


class ReplyTooLargeError(BerlinError):
    """The reply, or one object of it, exceeds the limit that the user has set."""


class IncompleteReplyError(BerlinError):
    """The reply was cut: the stream ended, or the connection broke, before the server said that it was done."""


class SilentTooLongError(IncompleteReplyError):
    """Nothing came from the server for longer than the limit on silence."""


class ContextOnServerError(BerlinError):
    """The server keeps the context, and it does not hold what stands before the question."""


class NotStoredError(BerlinError):
    """No reply is stored for the request, and ``replay = "only"`` allows no question."""


class CheckFailedError(BerlinError):
    """The code of a reply has not passed the check that was asked for with ``--check``."""


class ReplayFileError(BerlinError):
    """The file with the replies to replay can't be read."""


class StoreError(BerlinError):
    """The conversations can't be stored; the message says what was left where."""
