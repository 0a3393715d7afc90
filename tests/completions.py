"""Chat completions as servers send them: chunks, streams, errors."""

from __future__ import annotations

import json
from typing import Any

DONE = b"data: [DONE]\n\n"


def event(value: Any, end: bytes = b"\n\n") -> bytes:
    return b"data: " + json.dumps(value).encode() + end


def step(content: str | None = None, *, finish: str | None = None, end: bytes = b"\n\n", **delta: Any) -> bytes:
    """Return one event of a stream, as OpenAI sends it."""
    said = {**({} if content is None else {"content": content}), **delta}
    choice = {"index": 0, "delta": said, "logprobs": None, "finish_reason": finish}
    return event({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}, end)


def usage(prompt: int, completion: int) -> bytes:
    counted = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return event({"id": "c1", "object": "chat.completion.chunk", "choices": [], "usage": counted})


def streamed(*contents: str, finish: str = "stop") -> bytes:
    """Return a whole stream."""
    return b"".join([step("", role="assistant"), *(step(text) for text in contents), step(finish=finish), DONE])


def completion(content: str | None, *, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """Return a whole answer without streaming."""
    return {
        "id": "c1",
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
