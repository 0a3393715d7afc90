from __future__ import annotations

from typing import Any

import pytest

from berlin_magic.providers.openai.refused_options import RefusedOptions

USAGE = {"stream_options": {"include_usage": True}}
DEFAULTS = {"temperature": 0, "presence_penalty": 0, "frequency_penalty": 0, "max_tokens": 1888}
UNASKED = {"temperature": 0, "presence_penalty": 0, "frequency_penalty": 0, "max_completion_tokens": 1888, **USAGE}
BODY = {"model": "o", "messages": [], **DEFAULTS, **USAGE}


def asked(error: Any, status: int = 400, **options: Any) -> dict[str, Any] | None:
    """Return what is asked after `error`; None where it is to be passed on."""
    chat_request = RefusedOptions(UNASKED).request({**BODY, **options})
    return chat_request.body if chat_request.refused(status, error) else None


@pytest.mark.parametrize(
    "error",
    [
        {
            "message": "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "param": "max_tokens",
            "code": "unsupported_parameter",
        },
        {"message": "`max_tokens` is not supported for this model"},
    ],
)
def test_a_limit_that_has_another_name_is_asked_for_by_that(error):
    request = asked(error, max_tokens=7)
    assert request is not None
    assert request["max_completion_tokens"] == 7
    assert "max_tokens" not in request


@pytest.mark.parametrize(
    "error",
    [
        {
            "message": "Unsupported value: 'temperature' does not support 0 with this model. "
            "Only the default (1) value is supported.",
            "param": "temperature",
            "code": "unsupported_value",
        },
        {"message": "`temperature` is deprecated for this model."},
        {"message": "[{'type': 'extra_forbidden', 'loc': ['body', 'temperature'], 'input': 0}]"},
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_what_clients_send_unasked_is_left_out_where_a_model_does_not_take_it(error, status):
    request = asked(error, status)
    assert request is not None
    assert "temperature" not in request
    assert request["presence_penalty"] == 0
    assert asked(error, status, temperature=0.7) is None, "what a user has chosen is sent, or refused"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"message": "max_tokens is too large: 99999. This model supports at most 4096", "param": "max_tokens"}, 400),
        ({"message": "Invalid type for 'temperature'", "param": "temperature", "code": "invalid_type"}, 400),
        ({"message": "temperature is not supported"}, 500),
        ({"message": "Unsupported parameter: 'stop'", "param": "stop"}, 400),
        ({}, 400),
    ],
)
def test_any_other_refusal_is_passed_on(error, status):
    assert asked(error, status) is None


def request(refused: RefusedOptions, **more: Any) -> dict[str, Any]:
    """Return what somebody else's question is sent as."""
    return refused.request({**BODY, **more}).body


def test_it_is_remembered_for_that_model_alone_and_ends_when_nothing_is_left_to_change():
    refused = RefusedOptions(UNASKED)
    chat_request = refused.request(BODY)
    for name in ("max_tokens", "temperature", "max_completion_tokens", "stream_options"):
        error = {"message": f"Unsupported parameter: '{name}'", "param": name}
        assert chat_request.refused(400, error)
        assert not chat_request.refused(400, error)
    chat_request.accepted()
    assert set(request(refused)) == {"model", "messages", "presence_penalty", "frequency_penalty"}
    other = {**BODY, "model": "gpt"}
    assert request(refused, model="gpt") == other


def test_nothing_is_remembered_before_the_engine_has_accepted_the_question_without_it():
    refused = RefusedOptions(UNASKED)
    before = request(refused)
    chat_request = refused.request(BODY)
    assert chat_request.refused(400, {"message": "Unsupported parameter: 'temperature'"})
    assert request(refused) == before
    chat_request.accepted()
    assert "temperature" not in request(refused)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"stop": {"unknown": "stream_options max_tokens temperature"}}, "should be a valid list, input: {stop}"),
        ({"stop": "STREAM_OPTIONS 'temperature' unknown"}, "bad: {stop}"),
        ({"messages": [{"role": "user", "content": "unknown"}]}, "max_tokens is too large: 1888; said: {messages}"),
        ({"max_tokens": "unsupported"}, "max_tokens: not a number: {max_tokens}"),
    ],
)
def test_what_a_refusal_quotes_of_one_users_question_counts_for_no_other_user(own, message):
    refused = RefusedOptions(UNASKED)
    before = request(refused)
    chat_request = refused.request({**BODY, **own})
    said = message.format(**own)
    while chat_request.refused(400, {"message": said, "input": said.casefold(), "param": None}):
        pass
    chat_request.accepted()
    assert request(refused) == before


def test_a_question_that_speaks_of_an_option_is_asked_without_it_where_the_model_does_not_take_it():
    refused = RefusedOptions(UNASKED)
    for _ in range(2):
        chat_request = refused.request({**BODY, "messages": [{"role": "user", "content": "An unknown temperature?"}]})
        assert chat_request.refused(400, {"message": "`temperature` is deprecated for this model."})
        assert "temperature" not in chat_request.body
        chat_request.accepted()
    assert "temperature" in request(refused)


def test_a_parameter_that_the_refusal_names_as_such_is_remembered_whatever_was_asked():
    refused = RefusedOptions(UNASKED)
    chat_request = refused.request({**BODY, "messages": [{"role": "user", "content": "Which temperature?"}]})
    assert chat_request.refused(400, {"message": "'temperature' is not supported", "param": "temperature"})
    chat_request.accepted()
    assert "temperature" not in request(refused)


def test_only_so_many_models_are_remembered():
    refused = RefusedOptions(UNASKED, most=2)
    for model in "abc":
        chat_request = refused.request({**BODY, "model": model})
        assert chat_request.refused(400, {"message": "Unsupported parameter: 'temperature'"})
        chat_request.accepted()
    assert ["temperature" in request(refused, model=model) for model in "abc"] == [True, False, False]
