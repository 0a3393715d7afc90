"""The envelope: which error it is, and what the error says."""

from __future__ import annotations

import json

import pytest

from berlin_magic import errors
from berlin_magic.providers.berlin.envelope import data_of, envelope_error, is_envelope, parse_envelope

WHERE = "http://server"


def error_of(code=-1, data=(), message="", *, status=200, model="", login=False):
    envelope = {"code": code, "data": list(data) if data == () else data, "message": message}
    return envelope_error(envelope, status=status, where=WHERE, model=model, login=login)


def test_an_object_with_a_code_is_an_envelope_and_a_chunk_is_none():
    assert is_envelope({"code": 0})
    assert not is_envelope({"code": 0, "segment": "text"})
    assert not is_envelope({"message": "x"})
    assert not is_envelope([])


@pytest.mark.parametrize("status", [200, 201, 400, 500])
def test_code_0_is_success_whatever_the_http_status(status):
    assert data_of({"code": 0, "data": {"x": 1}}, status=status, where=WHERE) == {"x": 1}


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("code", [-1, 1, 5000, "x", None])
def test_any_other_code_is_an_error_whatever_the_http_status(code, status):
    with pytest.raises(errors.ServerError):
        data_of({"code": code, "message": "x"}, status=status, where=WHERE)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (errors.NotAllowedError, {"code": 4001, "message": "请登录账户后重新尝试！"}),
        (errors.NotAllowedError, {"code": -1, "message": "expired", "status": 401}),
        (errors.NoBalanceError, {"message": "账户积分余额不足, 请充值后在使用。", "status": 400}),
        (errors.NoBalanceError, {"data": {"error": {"code": "insufficient_quota"}}, "status": 429}),
        (errors.RateLimitError, {"message": "slow down", "status": 429}),
        (errors.RateLimitError, {"message": "slow down", "status": 429, "login": True}),
        (errors.ModelUnknownError, {"code": 5000, "message": "Model gpt-9 is not supported", "status": 500}),
        (errors.ModelUnknownError, {"data": {"error": {"message": "The model `x` does not exist"}}, "status": 404}),
        (errors.ModelUnknownError, {"data": {"error": {"message": 'model "x" not found, try pulling it first'}}}),
        (errors.ModelUnknownError, {"data": {"error": {"message": "no", "code": "model_not_found"}}}),
        (errors.ServerError, {"message": "'max_tokens' is not supported with this model", "status": 400}),
        (errors.ServerError, {"code": 5000, "message": "connect ECONNREFUSED", "status": 500}),
        (errors.LoginRefusedError, {"message": "密码不正确", "status": 406, "login": True}),
        (errors.LoginRefusedError, {"message": "expired", "status": 401, "login": True}),
        (errors.ServerError, {"message": "database gone", "status": 500, "login": True}),
    ],
)
def test_the_class_tells_what_to_do(kind, given):
    assert type(error_of(**given)) is kind


def test_the_error_carries_status_code_and_message_in_under_five_lines():
    error = error_of(5000, message="engine\ndown", status=502)
    assert (error.status, error.code, error.body) == (502, 5000, "engine down")
    assert "“engine down”" in str(error)
    assert len(str(error).splitlines()) == 2


def test_where_the_message_is_empty_the_engines_own_is_told():
    assert "“Rate limit reached”" in str(error_of(data={"error": {"message": "Rate limit reached"}}, status=429))
    assert "“it broke”" in str(error_of(data={"error": "it broke"}))
    assert "“overloaded”" in str(error_of(data={"error": {"code": "overloaded", "message": ""}}))


@pytest.mark.parametrize("data", [None, [], "", {"error": None}, {"error": {"message": 7}}, {"error": []}])
def test_where_nothing_is_said_the_error_says_so(data):
    assert "no reason given" in str(error_of(data=data))


@pytest.mark.parametrize("code", [[], {}, 1.5, None])
def test_a_code_that_is_none_is_left_out(code):
    assert error_of(code, message="x").code is None


def test_the_model_that_is_unknown_is_named():
    assert "'gpt-9'" in str(error_of(message="Model gpt-9 is not supported", model="gpt-9"))


def test_a_servers_words_are_one_line_without_control_characters_and_not_endless():
    error = error_of(message="a\x1b[31m\r\n\u202eb" + "x" * 10_000)
    first = str(error).splitlines()[0]
    assert "\x1b" not in first
    assert "\u202e" not in first
    assert len(first) < 500


def test_a_success_where_a_reply_was_due_is_an_incorrect_answer_and_its_data_is_not_quoted():
    envelope = {"code": 0, "data": {"user_info": {"ip": "canary-ip"}, "token": "canary"}, "message": "Welcome"}
    error = envelope_error(envelope, status=200, where=WHERE)
    assert type(error) is errors.IncorrectAnswerError
    assert "“Welcome”" in str(error)
    assert "canary" not in str(error) + repr(vars(error))


def test_a_record_in_a_servers_message_is_not_quoted():
    record = json.dumps({"why": "full", "user_info": {"ip": "canary-ip"}, "token": "canary", "more": "canary"})
    error = error_of(message=f"Error: {record}", status=500)
    assert "canary" not in str(error) + repr(vars(error))
    assert "full" in str(error)


@pytest.mark.parametrize("status", [200, 401, 429, 500])
def test_a_record_in_what_is_no_envelope_is_not_quoted(status):
    body = json.dumps({"why": "full", "data": {"user_info": {"ip": "canary-ip"}, "token": "canary"}})
    with pytest.raises(errors.BerlinError) as caught:
        raise envelope_error(parse_envelope(body, status=status, where=WHERE), status=status, where=WHERE)
    assert "canary" not in str(caught.value) + repr(vars(caught.value))
    assert "full" in str(caught.value)


def test_a_byte_order_mark_before_an_envelope_is_no_matter():
    assert parse_envelope('\ufeff{"code": 0, "data": 1}', status=200, where=WHERE)["data"] == 1


def test_a_body_that_is_no_envelope_is_named():
    with pytest.raises(errors.IncorrectAnswerError, match="<html>Sign in</html>") as caught:
        parse_envelope("<html>Sign in</html>", status=200, where=WHERE)
    assert caught.value.body == "<html>Sign in</html>"
    assert caught.value.status == 200


@pytest.mark.parametrize(
    "body", ["", "[]", "7", "null", '{"message": "x"}', '{"code": 0, "segment": "text"}', '{"code":']
)
def test_json_that_is_no_envelope_is_an_incorrect_answer(body):
    with pytest.raises(errors.IncorrectAnswerError):
        parse_envelope(body, status=200, where=WHERE)


@pytest.mark.parametrize("status", [400, 404, 500, 502, 503, 504])
def test_an_error_page_is_a_servers_error_with_its_status(status):
    with pytest.raises(errors.ServerError, match=rf"HTTP {status}: Bad\n") as caught:
        parse_envelope("<h1>Bad</h1>", status=status, where=WHERE)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (403, "lets nobody through"),
        (404, "is it a Berlin server's"),
        (413, "context_limit"),
        (422, "read what it says"),
        (502, "server behind it is down: try again later"),
    ],
)
def test_an_error_page_is_told_with_what_its_status_leaves_to_do(status, says):
    with pytest.raises(errors.ServerError) as caught:
        parse_envelope("<h1>Bad</h1>", status=status, where=WHERE)
    assert says in str(caught.value)
    assert (status >= 500) is ("is down" in str(caught.value))


def test_a_time_to_come_back_is_named():
    with pytest.raises(errors.ServerError, match="try again in 3600 s"):
        parse_envelope("<h1>Busy</h1>", status=503, where=WHERE, retry_after=3600)
    error = envelope_error({"code": 5000, "message": "no engine"}, status=503, where=WHERE, retry_after=3600)
    assert "try again in 3600 s" in str(error)


@pytest.mark.parametrize(("status", "kind"), [(401, errors.NotAllowedError), (429, errors.RateLimitError)])
def test_a_page_with_401_or_429_is_what_the_status_says(status, kind):
    envelope = parse_envelope("<h1>No</h1>", status=status, where=WHERE)
    error = envelope_error(envelope, status=status, where=WHERE)
    assert type(error) is kind
    assert "<h1>No</h1>" in str(error)


def test_deeply_nested_json_is_an_incorrect_answer():
    with pytest.raises(errors.IncorrectAnswerError):
        parse_envelope("[" * 100_000, status=200, where=WHERE)


def test_every_envelope_comes_back_as_it_is():
    envelope = {"code": 5000, "data": [], "message": "x", "more": 1}
    assert parse_envelope(json.dumps(envelope), status=500, where=WHERE) == envelope


@pytest.mark.parametrize(
    ("given", "kind", "advice"),
    [
        # The engine does not accept the server's key: no matter of the user's token.
        ({"data": {"error": {"code": "invalid_api_key"}}, "status": 401}, errors.ServerError, "not yours"),
        (
            {"data": {"error": {"message": "Incorrect API key"}}, "status": 401},
            errors.ServerError,
            "not yours",
        ),
        ({"data": {"error": {"message": "no access to this project"}}, "status": 403}, errors.ServerError, "not yours"),
        ({"data": {"error": {"code": "insufficient_quota"}}, "status": 429}, errors.NoBalanceError, "not yours"),
        ({"data": {"error": {"code": "context_length_exceeded"}}, "status": 400}, errors.ServerError, "context_limit"),
        ({"message": "request entity too large", "code": 5000, "status": 500}, errors.ServerError, "%berlin reset"),
        ({"message": "管理员未配置对应AI模型", "status": 500}, errors.ModelUnknownError, "%berlin models"),
        ({"data": "管理员未配置对应AI模型", "status": 500}, errors.ModelUnknownError, "%berlin models"),
        (
            {"message": "违反了我们的规定…涉及敏感词：`x`", "status": 500},
            errors.ServerError,
            "forbids",
        ),
        ({"data": "违反了我们的规定", "status": 500}, errors.ServerError, "other words"),
        ({"message": "GPT4为超级会员使用或用积分", "status": 400}, errors.NoBalanceError, "top it up"),
    ],
)
def test_what_a_servers_words_tell_is_what_the_user_is_told_to_do(given, kind, advice):
    error = error_of(**given)
    assert type(error) is kind and advice in str(error)
    assert "try again" not in str(error) and len(str(error).splitlines()) < 5
