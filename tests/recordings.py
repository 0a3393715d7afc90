"""The recorded exchanges of a real server (`wire/`), and what the protocol page says that each one is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from berlin_magic import errors
from berlin_magic.errors import BerlinError

_FOLDER = Path(__file__).parent / "wire"
NAMES = sorted(file.name.removesuffix(".response.http") for file in _FOLDER.glob("*.response.http"))


@dataclass(frozen=True)
class Recorded:
    """One exchange: the request as far as it is compared, the response byte for byte."""

    name: str
    path: str
    headers: dict[str, str]
    json: Any
    response: bytes

    @property
    def status(self) -> int:
        return int(self.response.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        head, _, body = self.response.partition(b"\r\n\r\n")
        return dechunked(body) if b"Transfer-Encoding: chunked" in head else body


def recorded(name: str) -> Recorded:
    request = (_FOLDER / f"{name}.request.http").read_bytes()
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
    response = (_FOLDER / f"{name}.response.http").read_bytes()
    return Recorded(name, lines[0].split(" ")[1], headers, json.loads(body) if body.strip() else None, response)


def dechunked(body: bytes) -> bytes:
    result = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        result += rest[:length]
        body = rest[length + 2 :]
    return result


_SAID = " — Привет 你好 🎉\n```python\nprint(1)\n```\n"

REPLIES = {
    "chat-first-turn": f"[gpt-3.5-turbo] saw 1 messages: user:What is the capital of France?{_SAID}",
    "chat-second-turn-same-parent": (
        "[gpt-3.5-turbo] saw 3 messages: assistant:[gpt-3.5-turbo] saw 1 messages: user:Wha"
        f" | user:What is the capital of France? | user:And of Italy?{_SAID}"
    ),
    "chat-built-in-dialog": f"[gpt-3.5-turbo] saw 1 messages: user:ping{_SAID}",
    "chat-upstream-split": "The answer is 42.",
}
"""Whole replies."""

CUT_REPLIES = {"chat-upstream-cut": "The answer is ", "chat-upstream-eof": "The answer is "}
"""Replies that the server never ended; it left the connection open."""

REFUSALS: dict[str, tuple[type[BerlinError], int, int, str]] = {
    "chat-after-second-login-elsewhere": (errors.NotAllowedError, 401, 4001, "请登录账户后重新尝试！"),
    "chat-bad-token": (errors.NotAllowedError, 401, 4001, "请登录账户后重新尝试！"),
    "chat-no-balance": (errors.NoBalanceError, 400, -1, "账户积分余额不足, 请充值后在使用。"),
    "chat-unknown-model": (errors.ModelUnknownError, 500, 5000, "Model gpt-9 is not supported"),
    "chat-upstream-429": (errors.RateLimitError, 429, -1, "Rate limit reached"),
    "chat-upstream-refused": (errors.ServerError, 500, 5000, "connect ECONNREFUSED 127.0.0.1:9"),
    "login-missing-fields": (errors.LoginRefusedError, 406, -1, "缺少必要参数"),
    "login-unknown-account": (errors.LoginRefusedError, 406, -1, "用户不存在，请先注册账号"),
    "login-without-invite-code": (errors.ServerError, 500, 5000, 'parameter "invite_code" has invalid "undefined"'),
    "login-wrong-password": (errors.LoginRefusedError, 406, -1, "密码不正确"),
}
"""Envelopes that are errors: the class, the HTTP status, the code, and what the message holds."""

DATA = ("login-ok", "config-models", "user-info", "user-messages")
"""Envelopes that are successes."""
