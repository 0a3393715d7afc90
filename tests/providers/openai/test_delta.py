"""A delta: what one object of a chat completion adds, as each kind of server spells it."""

from __future__ import annotations

import pytest

from berlin_magic.messages import Usage
from berlin_magic.providers.openai.delta import Delta


def chunk(finish=None, **delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("value", "delta"),
    [
        (chunk(content="a"), Delta(text="a")),
        (chunk(role="assistant", content=""), Delta()),
        (chunk(content=None), Delta()),
        (chunk(refusal="I can't."), Delta(text="I can't.")),
        (chunk(reasoning_content="hm"), Delta(reasoning="hm")),
        (chunk(reasoning="hm", content=""), Delta(reasoning="hm")),
        (chunk(content="a", reasoning_content="hm"), Delta(text="a", reasoning="hm")),
        (chunk("stop"), Delta(finish="stop")),
        (chunk("length", content="a"), Delta(text="a", finish="length")),
        (chunk(content="", images=[{"type": "image_url", "image_url": {"url": "u"}}]), Delta(images=("u",))),
        (
            chunk(images=[{"image_url": "u"}, {"image_url": {"url": "v"}}], content="a"),
            Delta(text="a", images=("u", "v")),
        ),
        (
            chunk(content=[{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}]),
            Delta(text="a", images=("u",)),
        ),
        ({"choices": [{"message": {"content": None, "images": [{"image_url": {"url": "u"}}]}}]}, Delta(images=("u",))),
        (chunk(images=[None, {}, {"image_url": 7}, {"image_url": {"url": ""}}, "x"]), Delta()),
        (chunk(images="x"), Delta()),
        (chunk(content=[{"type": "thinking"}, {"type": "text", "text": "a"}]), Delta(text="a")),
        ({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}, Delta(text="a", finish="stop")),
        (
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
            Delta(usage=Usage(3, 2)),
        ),
        ({"choices": [], "usage": {"prompt_tokens": None}}, Delta(usage=Usage())),
        ({"choices": [{"index": 1, "delta": {"content": "second"}}]}, Delta()),
        (
            {"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]},
            Delta(text="a"),
        ),
    ],
)
def test_what_an_object_adds(value, delta):
    assert Delta.read(value) == delta


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "x",
        {},
        {"choices": None},
        {"choices": [None]},
        {"choices": [{"delta": 7}]},
        {"choices": [{"delta": {"content": 7}}]},
        {"usage": 7, "choices": []},
    ],
)
def test_what_is_absent_null_or_of_the_wrong_type_adds_nothing(value):
    assert Delta.read(value) == Delta()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"error": {"message": "overloaded", "code": 503}}, "overloaded"),
        ({"error": "model is loading"}, "model is loading"),
        ({"object": "error", "message": "too long", "code": 400}, "too long"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"error": {"message": "x"}, "choices": [{"delta": {"content": "a"}}]}, "x"),
    ],
)
def test_an_error_object_is_an_error_and_no_step(value, message):
    delta = Delta.read(value)
    assert delta.error is not None
    assert delta.error["message"] == message
    assert delta.text == ""


@pytest.mark.parametrize(
    ("code", "status"), [(503, 503), ("429", 429), ("x", None), (None, None), (7, None), (200, None)]
)
def test_the_status_of_an_error_is_its_code_where_that_is_one(code, status):
    assert Delta.read({"error": {"code": code, "message": "x"}}).status == status
