"""The server over real HTTP: every status, code and byte of the protocol page."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import sqlite3
from typing import Any

import aiohttp
import pytest
from server.scripted_engine import ScriptedEngine

from berlin_magic.messages import Image, Reasoning, Text, Usage
from berlin_magic.server.accounts.database import AccountFile
from berlin_magic.server.accounts.model import Account, OpenAccounts, SecretAccount
from berlin_magic.server.application import Limits, application
from berlin_magic.server.engine import EngineError
from berlin_magic.server.serving import listen
from berlin_magic.server.state import State
from berlin_magic.server.tokens import Tokens

JSON = {"Content-Type": "application/json"}


def objects(body: str) -> list[dict[str, Any]]:
    assert not body.endswith("\n")
    return [json.loads(part) for part in body.split("\n\n")]


async def next_object(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    return json.loads(await answer.content.readuntil(b"\n\n"))


async def test_login_gives_user_info_and_a_token_of_32_hexadecimal_digits(serve):
    client = await serve(ScriptedEngine())
    status, envelope = await client.ask("POST", "/api/login", {"account": "ada", "password": "pw", "invite_code": ""})
    assert (status, envelope["code"]) == (200, 0)
    assert re.fullmatch("[0-9a-f]{32}", envelope["data"]["token"])
    assert envelope["data"]["user_info"]["account"] == "ada"
    assert "pw" not in json.dumps(envelope["data"]["user_info"])
    assert not {"password", "ip"} & set(envelope["data"]["user_info"])


async def test_login_needs_no_invite_code(serve):
    await (await serve(ScriptedEngine())).ask("POST", "/api/login", {"account": "ada", "password": "pw"})


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"account": "ada", "invite_code": ""},
        {"account": "", "password": "pw"},
        {"account": "ada", "password": ""},
        {"account": 1, "password": 2},
        {"account": "ada", "password": "wrong"},
        {"account": "nobody", "password": "right"},
    ],
)
async def test_a_refused_login_is_406_with_code_minus_1(serve, body):
    client = await serve(ScriptedEngine(), SecretAccount("ada", "right"))
    status, envelope = await client.ask("POST", "/api/login", body)
    assert (status, envelope["code"], envelope["data"]) == (406, -1, [])
    assert envelope["message"]


async def test_the_reply_streams_as_start_text_and_stop_with_no_line_end_after_the_last(serve):
    client = await (await serve(ScriptedEngine("The ", "", "é\n🎉", None))).login()
    async with client.chat(parent="conv") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        chunks = objects(await answer.text())
    assert [chunk["segment"] for chunk in chunks] == ["start", "text", "text", "text", "stop"]
    assert [chunk["content"] for chunk in chunks] == ["", "The ", "", "é\n🎉", ""]
    assert {chunk["parentMessageId"] for chunk in chunks} == {"conv"}
    assert set(chunks[0]) == {"id", "role", "segment", "dateTime", "content", "parentMessageId"}


async def test_the_start_comes_in_one_write_with_the_first_text_and_alone_before_anything_else(serve):
    engine = ScriptedEngine("The ", "sea", None)
    client = await (await serve(engine)).login()
    async with client.chat() as answer:
        first, _ = await answer.content.readchunk()
        assert [part["segment"] for part in objects(first.decode().strip())] == ["start", "text"]
        await answer.read()
    engine.say(Image("https://example.com/a.png"))
    async with client.chat() as answer:
        assert (await next_object(answer))["segment"] == "start"
        engine.say("The ", None)
        assert (await next_object(answer))["segment"] == "text"
        await answer.read()


async def test_each_piece_arrives_while_the_engine_is_still_talking(serve):
    engine = ScriptedEngine()
    client = await (await serve(engine)).login()
    engine.say("one")
    async with client.chat() as answer:
        assert (await next_object(answer))["segment"] == "start"
        for word in ("one", "two", "three"):
            assert (await next_object(answer))["content"] == word
            engine.say({"one": "two", "two": "three"}.get(word))
        assert json.loads(await answer.content.read())["segment"] == "stop"


async def test_an_engine_that_says_nothing_gives_an_empty_reply(serve):
    client = await (await serve(ScriptedEngine(None))).login()
    async with client.chat() as answer:
        assert [chunk["segment"] for chunk in objects(await answer.text())] == ["start", "stop"]


async def test_half_a_surrogate_pair_survives_the_way(serve):
    client = await (await serve(ScriptedEngine("\ud83c", "\udf89", None))).login()
    async with client.chat() as answer:
        assert [chunk["content"] for chunk in objects(await answer.text())][1:3] == ["\ud83c", "\udf89"]


@pytest.mark.parametrize("token", ["", "not-a-token", "0" * 32, "é"])
async def test_a_token_that_is_missing_or_unknown_is_401_with_code_4001(serve, token):
    client = await serve(ScriptedEngine())
    client.headers = {"token": token} if token else {}
    assert (await client.refusal())[0] == 401
    for method, path in [("GET", "/api/user/info"), ("GET", "/api/user/messages"), ("DELETE", "/api/user/messages")]:
        status, envelope = await client.ask(method, path)
        assert (status, envelope["code"], envelope["data"]) == (401, 4001, [])


async def test_a_new_login_ends_the_accounts_previous_token_and_no_other(serve):
    client = await (await serve(ScriptedEngine())).login("bob")
    bobs = client.headers["token"]
    first = (await client.login("ada")).headers["token"]
    second = (await client.login("ada")).headers["token"]
    statuses = [(await client.ask("GET", "/api/user/info", headers={"token": t}))[0] for t in (bobs, first, second)]
    assert statuses == [200, 401, 200]


async def test_an_expired_token_is_401_with_code_4001(serve):
    now = [0.0]
    client = await (await serve(ScriptedEngine(), tokens=Tokens(State(), clock=lambda: now[0]))).login()
    now[0] = 30 * 24 * 3600 - 1
    assert (await client.ask("GET", "/api/user/info"))[0] == 200
    now[0] += 2
    assert (await client.ask("GET", "/api/user/info"))[0] == 401


class OneBalance(OpenAccounts):
    def __init__(self, balance: int) -> None:
        self.balance = balance
        self.charged: list[int] = []

    def find(self, name):
        return Account("ada", self.balance)

    async def charge(self, account, tokens):
        assert account.id == Account("ada").id
        await asyncio.sleep(0.05)  # as a file does
        self.charged.append(tokens)
        self.balance = max(0, self.balance - tokens)


async def test_an_account_without_balance_is_400_with_code_minus_1(serve):
    engine = ScriptedEngine()
    client = await (await serve(engine, OneBalance(0))).login()
    status, envelope = await client.refusal()
    assert (status, envelope["code"]) == (400, -1)
    assert "balance" in envelope["message"]
    assert engine.asked == []


async def test_a_reply_is_paid_from_the_balance_before_its_end_is_told_until_nothing_is_left(serve):
    client = await (await serve(ScriptedEngine("x" * 400, None), OneBalance(50))).login()
    async with client.chat() as answer:
        await answer.read()
    assert (await client.ask("GET", "/api/user/info"))[1]["data"]["integral"] == 0
    assert (await client.refusal())[0] == 400


async def test_what_the_engine_counts_is_paid_else_an_estimate_with_the_context(serve):
    engine = ScriptedEngine("Paris", Usage(20, 3), None, "x" * 400, None)
    accounts = OneBalance(1_000)
    client = await (await serve(engine, accounts)).login()
    for prompt in ("y" * 400, "z" * 40):
        async with client.chat(prompt) as answer:
            await answer.read()
    assert accounts.charged == [23, (400 + 5 + 40) // 4 + 100]


@pytest.mark.parametrize("how", ["cut", "left", "refused"])
async def test_a_reply_that_is_cut_or_left_is_paid_as_far_as_it_came_and_a_refusal_is_free(serve, how):
    engine = ScriptedEngine(*([] if how == "refused" else ["x" * 400]), *([] if how == "left" else [EngineError("x")]))
    accounts = OneBalance(1_000)
    client = await (await serve(engine, accounts)).login()
    if how == "refused":
        await client.refusal()
    else:
        async with client.chat("y" * 40) as answer:
            await next_object(answer)
            await next_object(answer)
    await asyncio.wait_for(engine.ended.wait(), 5)
    await client.runner.cleanup()
    assert accounts.charged == ([] if how == "refused" else [110])


async def test_a_question_that_is_left_before_the_first_word_is_paid_once_the_engine_has_accepted_it(serve):
    for script, charged in (([Usage()], [100]), ([], [])):
        engine, accounts = ScriptedEngine(*script), OneBalance(1_000)
        client = await (await serve(engine, accounts)).login()
        left = asyncio.create_task(client.refusal(prompt="x" * 400))
        await asyncio.wait_for(engine.started.wait(), 5)
        left.cancel()
        await asyncio.wait_for(engine.ended.wait(), 5)
        await client.runner.cleanup()
        assert accounts.charged == charged


async def test_a_question_that_is_refused_after_all_is_free_and_has_the_status_of_its_refusal(serve):
    accounts = OneBalance(1_000)
    client = await (await serve(ScriptedEngine(Usage(), EngineError("x", status=503)), accounts)).login()
    assert (await client.refusal())[0] == 503
    await client.runner.cleanup()
    assert accounts.charged == []


@pytest.mark.parametrize("script", [["x" * 60, "y" * 60], [Reasoning("x" * 60), Reasoning("y" * 60)]])
async def test_a_reply_without_end_is_ended_at_the_limit_said_so_kept_and_paid(serve, script):
    engine, accounts = ScriptedEngine(*script, *["z"] * 100), OneBalance(1_000)
    client = await (await serve(engine, accounts, limits=Limits(reply=100))).login()
    async with client.chat("q") as answer:
        chunks = objects(await answer.text())
    assert (chunks[-1]["segment"], chunks[-1]["finishReason"]) == ("stop", "length")
    assert len(chunks) == 4
    assert engine.ended.is_set()
    assert accounts.charged == [1 // 4 + 30]
    kept = (await client.ask("GET", "/api/user/messages"))[1]["data"][0]["data"]
    assert kept[1]["text"] == "".join(chunk["content"] for chunk in chunks)


async def test_a_balance_that_cannot_be_written_down_does_not_cost_the_reply(serve, caplog):
    class Full(OneBalance):
        async def charge(self, account, tokens):
            raise OSError(28, "canary")

    client = await (await serve(ScriptedEngine("x", None), Full(50))).login()
    async with client.chat() as answer:
        assert [chunk["segment"] for chunk in objects(await answer.text())] == ["start", "text", "stop"]
    assert "balances can't be saved" in caplog.text
    assert "canary" not in caplog.text


async def test_an_account_with_a_balance_has_few_replies_at_a_time_as_the_last_ones_overdraw_it(serve):
    engine = ScriptedEngine("a")
    client = await (await serve(engine, OneBalance(50), limits=Limits(counted_streams=1))).login()
    async with client.chat(parent="1") as one:
        assert (await client.refusal())[0] == 429
        engine.say(None)
        await one.read()
    engine.say("a", None)
    async with client.chat(parent="2") as two:
        assert two.status == 200


async def test_a_question_that_costs_more_than_is_left_is_refused_with_its_context(serve):
    engine = ScriptedEngine("x" * 40, None)
    client = await (await serve(engine, OneBalance(130))).login()
    status, envelope = await client.refusal(prompt="y" * 524)
    assert (status, envelope["code"]) == (400, -1)
    assert "Insufficient balance" in envelope["message"]
    assert engine.asked == []
    async with client.chat("y" * 400) as answer:
        await answer.read()
    assert (await client.refusal(prompt="z" * 40))[0] == 400


async def test_questions_asked_at_once_share_what_is_left(serve):
    engine = ScriptedEngine()
    client = await (await serve(engine, OneBalance(100))).login()
    first = asyncio.create_task(client.refusal(prompt="y" * 240, parent="1"))
    await asyncio.wait_for(engine.started.wait(), 5)
    assert (await client.refusal(prompt="y" * 240, parent="2"))[0] == 400
    engine.say(EngineError("x", status=503))
    assert (await first)[0] == 503
    engine.say("a", None)
    async with client.chat("y" * 240, parent="2") as answer:
        assert answer.status == 200


async def test_a_reply_is_ended_as_too_long_when_nothing_is_left_to_pay_it(serve):
    engine, accounts = ScriptedEngine(*["x" * 40] * 100), OneBalance(50)
    client = await (await serve(engine, accounts)).login()
    async with client.chat("y" * 40) as answer:
        chunks = objects(await answer.text())
    assert (chunks[-1]["segment"], chunks[-1]["finishReason"]) == ("stop", "length")
    assert engine.ended.is_set()
    assert accounts.charged == [60]
    assert len((await client.ask("GET", "/api/user/messages"))[1]["data"][0]["data"]) == 2


async def whole_text(client: Any, parent: str) -> str:
    async with client.chat(parent=parent) as answer:
        return await answer.text()


async def test_replies_under_way_share_what_is_left(serve, tmp_path):
    accounts = AccountFile(tmp_path / "accounts.json")
    accounts.add("ada", "pw", 50)
    client = await (await serve(ScriptedEngine(*["x" * 40] * 100), accounts)).login()
    ended = await asyncio.gather(*(whole_text(client, str(number)) for number in range(3)))
    assert "length" in "".join(ended)
    assert sum(text.count("x" * 40) for text in ended) <= 50 // 10 + 3
    assert accounts.find("ada").balance == 0


class Obedient(ScriptedEngine):
    """Replies with as many tokens as it may, all questions at the same pace."""

    most_at_once = 0
    running = 0
    total = 0

    async def stream(self, messages, options):
        self.asked.append((list(messages), dict(options)))
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            yield Usage()
            for _ in range(options["max_tokens"]):
                await asyncio.sleep(0)
                self.total += 1
                yield Text("xxxx")
            yield Usage(10, options["max_tokens"])
            self.total += 10
        finally:
            self.running -= 1


async def test_ten_kernels_that_ask_at_once_never_spend_more_than_is_left(serve, tmp_path):
    engine, accounts = Obedient(), AccountFile(tmp_path / "accounts.json")
    accounts.add("ada", "pw", 950)
    client = await (await serve(engine, accounts)).login()

    async def kernel(number: int) -> list[int]:
        statuses = []
        for _ in range(8):
            async with client.chat("y" * 40, parent=str(number), max_tokens=90) as answer:
                statuses.append(answer.status)
                text = await answer.text()
                if answer.status == 400:
                    assert "Insufficient balance" in text
                elif answer.status == 429:
                    assert answer.headers["Retry-After"] == "2" and "reserved" in text
        return statuses

    statuses = [status for told in await asyncio.gather(*map(kernel, range(10))) for status in told]
    assert engine.most_at_once > 1 and 429 in statuses
    assert engine.total <= 950 and accounts.find("ada").balance == 950 - engine.total
    await kernel(10)  # alone, it gets the rest
    assert engine.total == 950 and accounts.find("ada").balance == 0


async def test_the_last_reply_may_be_as_long_as_what_is_left_and_the_engine_is_told_so(serve):
    engine, accounts = ScriptedEngine("x" * 40, None), OneBalance(100)
    client = await (await serve(engine, accounts)).login()
    async with client.chat("y" * 40, max_completion_tokens=1888) as answer:
        assert answer.status == 200
        await answer.read()
    assert engine.asked[0][1]["max_completion_tokens"] == 90


async def test_a_turn_that_cannot_be_stored_does_not_cost_the_reply(serve, caplog, monkeypatch):
    async def full(*_: object) -> None:
        raise sqlite3.OperationalError("canary")

    client = await (await serve(ScriptedEngine("x", None))).login()
    monkeypatch.setattr("berlin_magic.server.context.Context.append", full)
    async with client.chat() as answer:
        assert [chunk["segment"] for chunk in objects(await answer.text())] == ["start", "text", "stop"]
    assert "turn can't be stored" in caplog.text
    assert "canary" not in caplog.text


class Full(State):
    """A state whose disk is full from the first login on."""

    async def run(self, work):
        if work.__qualname__.startswith("Tokens.load"):
            return await super().run(work)
        error = sqlite3.OperationalError("canary")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error


async def test_with_a_full_disk_a_login_is_valid_until_the_server_ends_and_the_reason_is_logged(serve, caplog):
    client = await (await serve(ScriptedEngine(), state=Full())).login()
    assert (await client.ask("GET", "/api/user/info"))[0] == 200
    assert "login can't be stored" in caplog.text
    assert "SQLITE_FULL" in caplog.text
    assert "canary" not in caplog.text


async def test_with_a_full_disk_what_can_not_be_deleted_or_read_is_the_servers_trouble_not_the_engines(serve, caplog):
    lines: list[str] = []
    client = await (await serve(ScriptedEngine(), state=Full(), log=lines.append)).login()
    caplog.clear()
    for method, path in (("DELETE", "?parent_message_id=p"), ("GET", "")):
        status, envelope = await client.ask(method, "/api/user/messages" + path)
        assert (status, envelope["code"]) == (500, 5000)
        assert "whoever runs it" in envelope["message"]
        assert "engine" not in envelope["message"]
    assert caplog.text.count("SQLITE_FULL") == 2
    assert lines[-1].endswith("failed: SQLITE_FULL")


@pytest.mark.parametrize("failure", [OSError(28, "full"), BrokenPipeError(), ValueError("closed file")])
async def test_a_log_that_can_not_be_written_costs_no_answer(serve, failure):
    def write(_: str) -> None:
        raise failure

    client = await (await serve(ScriptedEngine("x", None), log=write)).login()
    async with client.chat() as answer:
        assert objects(await answer.text())[-1]["segment"] == "stop"


async def test_what_the_model_thinks_keeps_the_stream_alive_and_is_no_text(serve):
    client = await (await serve(ScriptedEngine(Reasoning("hm"), "42", Usage(1, 2), None))).login()
    async with client.chat() as answer:
        assert [chunk["content"] for chunk in objects(await answer.text())] == ["", "", "42", ""]


async def test_logins_and_conversations_survive_a_restart_of_the_server(serve, tmp_path):
    client = await (await serve(ScriptedEngine("Paris", None), state=State(tmp_path / "class.db"))).login()
    async with client.chat("France?") as answer:
        await answer.read()
    await client.runner.cleanup()
    engine = ScriptedEngine("Rome", None)
    again = await serve(engine, state=State(tmp_path / "class.db"))
    again.headers = client.headers
    async with again.chat("Italy?") as answer:
        await answer.read()
    assert [message["content"] for message in engine.asked[0][0]] == ["France?", "Paris", "Italy?"]


async def test_another_password_or_another_account_of_the_same_name_ends_the_login(serve):
    class Changing(OpenAccounts):
        account = Account("ada", id="1", mark="a")

        def find(self, name):
            return self.account

        async def check(self, name, password):
            return self.account

    accounts = Changing()
    client = await (await serve(ScriptedEngine("secret", None, "x", None), accounts)).login()
    async with client.chat() as answer:
        await answer.read()
    for changed in (Account("ada", id="1", mark="b"), Account("ada", id="2", mark="a")):
        accounts.account = changed
        assert (await client.ask("GET", "/api/user/info"))[0] == 401
    await client.login()
    assert (await client.ask("GET", "/api/user/messages"))[1]["data"] == []


async def test_an_unknown_model_is_500_with_code_5000(serve):
    client = await (await serve(ScriptedEngine())).login()
    assert await client.refusal(model="gpt-9") == (
        500,
        {"code": 5000, "data": [], "message": "Model gpt-9 is not supported"},
    )


@pytest.mark.parametrize("model", [None, "", "gpt-3.5-turbo"])
async def test_a_client_whose_user_chose_no_model_gets_its_own_default_where_that_is_served(serve, model):
    engine = ScriptedEngine(None, models=("m-1", "gpt-3.5-turbo"))
    client = await (await serve(engine)).login()
    async with client.chat(model=model) as answer:
        assert answer.status == 200
    assert engine.asked[0][1]["model"] == "gpt-3.5-turbo"


@pytest.mark.parametrize("model", [None, "", "gpt-3.5-turbo"])
async def test_a_client_whose_user_chose_no_model_gets_the_first(serve, model):
    engine = ScriptedEngine(None)
    client = await (await serve(engine)).login()
    async with client.chat(model=model) as answer:
        assert answer.status == 200
    assert engine.asked[0][1]["model"] == "m-1"


async def test_any_model_goes_to_an_engine_that_does_not_tell_its_models(serve):
    engine = ScriptedEngine(None, models=())
    client = await (await serve(engine)).login()
    async with client.chat(model="whatever") as answer:
        assert answer.status == 200
    assert engine.asked[0][1]["model"] == "whatever"


async def test_what_the_engine_refuses_is_passed_on(serve):
    data = {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}
    limited = EngineError("", status=429, code=-1, data=data, retry_after="7")
    engine = ScriptedEngine(limited, limited, EngineError("unreachable"))
    client = await (await serve(engine)).login()
    async with client.chat() as answer:
        assert answer.headers["Retry-After"] == "7"
    assert await client.refusal() == (429, {"code": -1, "data": data, "message": ""})
    assert await client.refusal() == (500, {"code": 5000, "data": [], "message": "unreachable"})


async def test_an_engine_that_breaks_is_an_envelope_without_its_words(serve):
    client = await (await serve(ScriptedEngine(KeyError("a secret")))).login()
    assert await client.refusal() == (500, {"code": 5000, "data": [], "message": "The engine failed"})


async def test_an_absent_conversation_is_500_with_code_5000(serve):
    client = await (await serve(ScriptedEngine())).login()
    status, envelope = await client.ask("POST", "/api/chat/completions", {"prompt": "x", "options": {}})
    assert (status, envelope["code"]) == (500, 5000)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"parentMessageId": "p"}',
        b'{"parentMessageId": "p", "prompt": 1}',
        b'{"parentMessageId": "p", "prompt": "x", "options": []}'.replace(b"[]", b"[1]"),
        b'{"prompt": "x", "parentMessageId": "' + b"p" * 300 + b'"}',
        b'{"parentMessageId": "p", "prompt": "x", "options": {"temperature": NaN}}',
        b'{"parentMessageId": "p", "prompt": "x", "options": {"of another engine": [-Infinity]}}',
    ],
)
async def test_a_body_that_makes_no_sense_is_400(serve, body):
    client = await (await serve(ScriptedEngine())).login()
    url = client.url + "/api/chat/completions"
    async with client.session.post(url, data=body, headers={**client.headers, **JSON}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, -1)


async def test_a_body_over_the_limit_is_413_and_an_unknown_path_404_in_envelopes(serve):
    client = await (await serve(ScriptedEngine(), limits=Limits(body=1000))).login()
    status, envelope = await client.refusal(prompt="x" * 2000)
    assert (status, envelope["code"]) == (413, -1)
    assert "shorten it" in envelope["message"]
    assert (await client.ask("GET", "/nowhere"))[1]["code"] == -1
    assert (await client.ask("GET", "/api/login"))[0] == 405


@pytest.mark.parametrize("failure", [EngineError("cut"), RuntimeError("broke")])
async def test_an_engine_that_dies_in_the_middle_cuts_the_connection_after_what_it_said(serve, failure):
    engine = ScriptedEngine("The ", "answer ", failure)
    client = await (await serve(engine)).login()
    async with client.chat() as answer:
        contents = [(await next_object(answer))["content"] for _ in range(3)]
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert contents == ["", "The ", "answer "]
    engine.say(None)
    async with client.chat() as answer:
        await answer.read()
    assert engine.asked[1][0] == [{"role": "user", "content": "Hello"}], "a cut turn is not context"


async def test_a_client_that_leaves_a_silent_engine_ends_it(serve):
    engine = ScriptedEngine("first")
    client = await (await serve(engine)).login()
    async with client.chat() as answer:
        await next_object(answer)
        answer.close()
    await asyncio.wait_for(engine.ended.wait(), 5)


async def test_a_client_that_leaves_before_the_first_word_ends_the_engine(serve):
    engine = ScriptedEngine()
    client = await (await serve(engine)).login()
    task = asyncio.create_task(client.refusal())
    await asyncio.wait_for(engine.started.wait(), 5)
    task.cancel()
    await asyncio.wait_for(engine.ended.wait(), 5)


async def test_a_client_that_does_not_read_is_cut_and_its_engine_ended(serve):
    engine = ScriptedEngine(*["x" * 100_000] * 400)
    client = await (await serve(engine, limits=Limits(stall=0.2, reply=10**9))).login()
    body = json.dumps({"prompt": "x", "parentMessageId": "p", "options": {}})
    host, port = client.url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)  # else a system may take the whole reply
        connection.connect((host, int(port)))
        head = f"POST /api/chat/completions HTTP/1.1\r\nHost: localhost\r\ntoken: {client.headers['token']}\r\n"
        connection.sendall(
            f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await asyncio.wait_for(engine.started.wait(), 5)
        await asyncio.wait_for(engine.ended.wait(), 10)
        assert not engine.script.empty()
        async with asyncio.timeout(5):
            while len(client.runner.server.connections) > 1:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)  # until only the one that the login left open is there


async def test_more_streams_than_the_limit_are_429_until_one_ends(serve):
    engine = ScriptedEngine("a")
    client = await (await serve(engine, limits=Limits(streams=1))).login()
    async with client.chat() as one:
        assert one.status == 200
        assert (await client.refusal())[0] == 429
        engine.say(None)
        await one.read()
    engine.say(None)
    async with client.chat() as three:
        assert three.status == 200


async def test_two_hundred_streams_at_once_are_neither_lost_nor_mixed(serve):
    class Echo(ScriptedEngine):
        async def stream(self, messages, options):
            for _ in range(20):
                yield Text(messages[-1]["content"])
                await asyncio.sleep(0.01)

    client = await (await serve(Echo())).login()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def reply(name: str) -> str:
            body = {"prompt": name, "parentMessageId": name, "options": {}}
            url = client.url + "/api/chat/completions"
            async with session.post(url, json=body, headers=client.headers) as answer:
                return "".join(chunk["content"] for chunk in objects(await answer.text()))

        names = [f"<{number}>" for number in range(200)]
        assert await asyncio.gather(*map(reply, names)) == [name * 20 for name in names]


async def test_the_same_conversation_is_sent_again_in_the_right_order(serve):
    engine = ScriptedEngine("Paris", None, "Rome", None, "?", None)
    client = await (await serve(engine)).login()
    for prompt, parent in [("France?", "a"), ("Italy?", "a"), ("France?", "b")]:
        async with client.chat(prompt, parent) as answer:
            await answer.read()
    assert [[message["content"] for message in messages] for messages, _ in engine.asked] == [
        ["France?"],
        ["France?", "Paris", "Italy?"],
        ["France?"],
    ]
    assert [message["role"] for message in engine.asked[1][0]] == ["user", "assistant", "user"]


async def test_no_account_sees_or_continues_anothers_conversation(serve):
    engine = ScriptedEngine("secret", None, "?", None)
    client = await (await serve(engine)).login("ada")
    async with client.chat(parent="a") as answer:
        await answer.read()
    await client.login("bob")
    assert (await client.ask("GET", "/api/user/messages"))[1]["data"] == []
    async with client.chat("mine", parent="a") as answer:
        await answer.read()
    assert len(engine.asked[1][0]) == 1


async def test_stored_conversations_are_listed_as_the_original_does_and_can_be_dropped(serve):
    engine = ScriptedEngine("Paris", None, "Rome", None, "again", None)
    client = await (await serve(engine)).login()
    for prompt, parent in [("France?", "a"), ("Italy?", "b")]:
        async with client.chat(prompt, parent, temperature=0) as answer:
            await answer.read()
    _, envelope = await client.ask("GET", "/api/user/messages")
    assert [(talk["id"], talk["path"], talk["name"]) for talk in envelope["data"]] == [
        ("b", "b", "Italy?"),
        ("a", "a", "France?"),
    ]
    rows = envelope["data"][1]["data"]
    assert [(row["role"], row["text"], row["status"]) for row in rows] == [
        ("user", "France?", "pass"),
        ("assistant", "Paris", "pass"),
    ]
    assert rows[0]["requestOptions"]["parentMessageId"] == "a"
    assert rows[0]["requestOptions"]["options"]["temperature"] == 0
    only = {"parent_message_id": "a"}
    assert len((await client.ask("GET", "/api/user/messages", params=only))[1]["data"]) == 1
    assert (await client.ask("DELETE", "/api/user/messages", params=only))[1]["code"] == 0
    assert (await client.ask("DELETE", "/api/user/messages"))[0] == 400
    assert [talk["id"] for talk in (await client.ask("GET", "/api/user/messages"))[1]["data"]] == ["b"]
    async with client.chat("France?", "a") as answer:
        await answer.read()
    assert len(engine.asked[2][0]) == 1


async def test_config_lists_the_models_without_a_token(serve):
    client = await serve(ScriptedEngine())
    status, envelope = await client.ask("GET", "/api/config")
    assert (status, envelope["code"]) == (200, 0)
    assert envelope["data"]["chat_models"] == [
        {"label": name, "value": name, "type": "chat", "app": "openai"} for name in ("m-1", "m-2")
    ]


async def test_user_info_has_account_and_balance(serve):
    client = await (await serve(ScriptedEngine(), OneBalance(70))).login()
    _, envelope = await client.ask("GET", "/api/user/info")
    assert (envelope["data"]["account"], envelope["data"]["integral"]) == ("ada", 70)


async def refused_logins(client: Any, times: int, account: str = "x", **headers: str) -> list[int]:
    body = {"account": account, "password": "y"}
    return [(await client.ask("POST", "/api/login", body, headers=headers))[0] for _ in range(times)]


async def test_wrong_passwords_are_slowed_down_for_that_account_alone(serve):
    client = await serve(ScriptedEngine(), SecretAccount("ada", "right"))
    assert await refused_logins(client, 11) == [406] * 10 + [429]
    await client.login("ada", "right")


async def test_wrong_passwords_tried_at_once_are_slowed_down_as_those_one_after_the_other(serve):
    class Slow(SecretAccount):
        checked = 0

        async def check(self, name, password):
            self.checked += 1
            await asyncio.sleep(0.05)
            return await super().check(name, password)

    accounts = Slow("ada", "right")
    client = await serve(ScriptedEngine(), accounts)
    statuses = await asyncio.gather(*(refused_logins(client, 1, "ada") for _ in range(40)))
    assert sorted(statuses) == [[406]] * 10 + [[429]] * 30
    assert accounts.checked == 10


async def test_a_right_password_is_no_failed_try(serve):
    client = await serve(ScriptedEngine(), SecretAccount("ada", "right"))
    for _ in range(15):
        await client.login("ada", "right")


async def test_whoever_fails_under_a_name_behind_a_proxy_on_this_machine_does_not_lock_its_owner_out(serve):
    client = await serve(ScriptedEngine(), SecretAccount("ada", "right"))
    assert (await refused_logins(client, 11, "ada", **{"X-Forwarded-For": "192.0.2.1"}))[-1] == 429
    assert (await refused_logins(client, 1, "ada", **{"X-Forwarded-For": "forged, 192.0.2.1"})) == [429]
    await client.login("ada", "right")


async def test_a_name_typed_in_two_ways_is_one_account(serve):
    client = await serve(ScriptedEngine(), SecretAccount("Jos\u00e9", "right"))
    await client.login("Jose\u0301", "right")


async def test_a_login_of_more_than_a_few_kilobytes_or_one_that_never_ends_is_refused(serve):
    client = await serve(ScriptedEngine(), limits=Limits(login_time=0.1))
    assert (await client.ask("POST", "/api/login", {"account": "ada", "password": "x" * 10_000}))[0] == 413
    reader, writer = await asyncio.open_connection(*client.url.removeprefix("http://").split(":"))
    head = b"POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    writer.write(head + b"{")
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_an_open_server_answers_to_no_foreign_name(serve):
    """A web page can make its own name resolve to this machine; its requests still carry that name."""
    client = await serve(ScriptedEngine())
    for host, status in [("evil.example", 403), ("localhost:80", 200), ("127.0.0.1", 200), ("[::1]:8731", 200)]:
        assert (await client.ask("GET", "/api/config", headers={"Host": host}))[0] == status
    behind_nginx = {"Host": "127.0.0.1:8731", "X-Forwarded-For": "192.0.2.1"}
    assert (await client.ask("GET", "/api/config", headers=behind_nginx))[0] == 403
    client = await serve(ScriptedEngine(), SecretAccount("ada", "right"))
    assert (await client.ask("GET", "/api/config", headers={"Host": "school.example"}))[0] == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://127.0.0.1:1", "http://localhost.evil.example", "null", "", "http://[", "\xff"],
)
async def test_an_open_server_answers_no_web_page(serve, origin):
    """A page may send a login as text that calls itself nothing special; it would end the account's token."""
    client = await (await serve(ScriptedEngine("x", None))).login()
    body = {"account": "ada", "password": "pw"}
    assert (await client.ask("POST", "/api/login", body, headers={"Origin": origin}))[0] == 403
    assert (await client.ask("GET", "/api/user/info"))[0] == 200, "the token is still good"
    assert (await client.ask("GET", "/api/user/info", headers={"Origin": client.url}))[0] == 200


async def test_a_server_with_accounts_takes_the_origin_that_a_proxy_in_front_passes_on(serve):
    client = await serve(ScriptedEngine(), SecretAccount("ada", "right"))
    client.headers = {"Origin": "https://berlin.school.example"}
    await client.login("ada", "right")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
@pytest.mark.parametrize("accounts", [OpenAccounts(), SecretAccount("ada", "right")])
async def test_a_body_that_does_not_call_itself_json_is_415_and_does_nothing(serve, kind, accounts):
    client = await (await serve(ScriptedEngine(), accounts)).login("ada", "right")
    login = json.dumps({"account": "ada", "password": "right"}).encode()
    skip = [] if kind else ["Content-Type"]
    for path, body in (("/api/login", login), ("/api/chat/completions", b'{"prompt": "x", "parentMessageId": "p"}')):
        headers = {**client.headers, **({"Content-Type": kind} if kind else {})}
        async with client.session.post(client.url + path, data=body, headers=headers, skip_auto_headers=skip) as answer:
            assert (answer.status, (await answer.json())["code"]) == (415, -1)
    assert (await client.ask("GET", "/api/user/info"))[0] == 200, "the token is still good"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-unknown", "gzip, gzip"])
@pytest.mark.parametrize("body", [b"{}", gzip.compress(b"{}", mtime=0), b""])
async def test_a_compressed_body_is_415_in_an_envelope_whether_it_is_one_or_not(serve, encoding, body):
    client = await (await serve(ScriptedEngine())).login()
    for path in ("/api/login", "/api/chat/completions"):
        headers = {**client.headers, **JSON, "Content-Encoding": encoding}
        async with client.session.post(client.url + path, data=body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["message"]) == (
                415,
                "This server takes no compressed request: send it as it is",
            )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("temperature", value) for value in (-1, "5", [0.5], True, 1e400, 10**400, {})),
        *(("max_tokens", value) for value in (-1, 0, "5", 5.5, [[5]], False)),
        *(("top_p", value) for value in (1.5, -0.1, "1")),
        *(("stop", value) for value in (5, [["x"]], [5], {"x": "y"}, ["x"] * 2_000, "x" * 2_000)),
        *(("logit_bias", value) for value in ([5], {"5": "1"}, {"5": [1]}, {"5": 1e400})),
        *(("response_format", value) for value in ("json", [[]], {"x": 1e400}, {"x": "y" * 200_000})),
        *(("seed", value) for value in (0.5, "1", 10**30)),
        *(("presence_penalty", value) for value in ("0", [0], 1e400)),
        *(("reasoning_effort", value) for value in (5, ["low"])),
        ("model", ["m-1"]),
    ],
)
async def test_an_option_of_the_wrong_kind_is_400_and_is_not_sent_to_the_engine(serve, name, value):
    engine = ScriptedEngine()
    client = await (await serve(engine)).login()
    body = {"prompt": "x", "parentMessageId": "p", "options": {name: value}}
    raw = json.dumps(body).replace("Infinity", "1e400")
    headers = {**client.headers, **JSON}
    async with client.session.post(client.url + "/api/chat/completions", data=raw, headers=headers) as answer:
        envelope = await answer.json()
    assert (answer.status, envelope["code"]) == (400, -1)
    assert envelope["message"].startswith(f"The option {name} must be a")
    assert engine.asked == []


async def test_options_of_the_right_kind_and_those_of_no_engine_are_no_mistake(serve):
    right = {
        "temperature": 0, "top_p": 1, "top_k": -1, "seed": -1, "stop": ["a", "b"], "logit_bias": {"50256": -100},
        "presence_penalty": -2, "max_tokens": 1888, "response_format": {"type": "json_schema", "a": [[1]]},
        "reasoning_effort": None, "of another client": [["x"]],
    }  # fmt: skip
    engine = ScriptedEngine(None)
    client = await (await serve(engine)).login()
    async with client.chat(**right) as answer:
        assert answer.status == 200
    assert engine.asked[0][1].items() >= right.items()


async def test_the_log_says_who_and_how_it_ended_and_nothing_that_was_said(serve):
    lines: list[str] = []
    all_there = asyncio.Event()

    def write(line: str) -> None:
        lines.append(line)
        if len(lines) == 5:
            all_there.set()

    engine = ScriptedEngine("PARIS", None, "PARIS", EngineError("x"), "PARIS")
    client = await (await serve(engine, log=write)).login("ada", "PASSWORD")
    async with client.chat("FRANCE", "CONVERSATION") as answer:
        await answer.read()
    with pytest.raises(aiohttp.ClientPayloadError):
        async with client.chat("FRANCE", "CONVERSATION") as answer:
            await answer.read()
    async with client.chat("FRANCE", "CONVERSATION") as answer:
        await next_object(answer)
        answer.close()
    await asyncio.wait_for(engine.ended.wait(), 5)
    await client.ask("GET", "/SECRET?x=SECRET")
    await asyncio.wait_for(all_there.wait(), 5)
    assert [line.split(" ", 2)[2].split(" ", 4)[:3] for line in lines[:2]] == [
        ["ada", "POST", "/api/login"],
        ["ada", "POST", "/api/chat/completions"],
    ]
    ends = [re.split(r"\ds ", line)[1] for line in lines[1:4]]
    assert ends == ["complete, 2 tokens", "cut: x, 5 tokens", "left by its client, 5 tokens"]
    assert not re.search("PARIS|FRANCE|CONVERSATION|PASSWORD|SECRET|" + client.headers["token"], "\n".join(lines))


async def test_the_log_says_why_there_was_no_reply(serve):
    lines: list[str] = []
    refusal = EngineError("", status=429, code=-1, data={"error": {"message": "FRANCE"}}, reason="rate_limit")
    client = await (await serve(ScriptedEngine(refusal, KeyError("FRANCE")), log=lines.append)).login()
    for _ in range(2):
        await client.refusal()
    await client.refusal(model="FRANCE")
    ends = [re.split(r"\ds ", line)[1] for line in lines[1:]]
    assert ends == ["refused: rate_limit", "failed: KeyError", "refused: no such model"]


async def test_the_engine_is_closed_with_the_server():
    engine = ScriptedEngine()
    runner, _ = await listen(application(engine, OpenAccounts()), ("127.0.0.1", 0))
    await runner.cleanup()
    assert engine.closed


async def test_what_is_not_http_is_refused_and_quoted_in_no_log(serve, caplog, capfd):
    client = await serve(ScriptedEngine())
    reader, writer = await asyncio.open_connection(*client.url.removeprefix("http://").split(":"))
    writer.write(b"GET / HTTP/1.1\r\ntoken canary\r\n\r\n")
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert "canary" not in caplog.text + "".join(capfd.readouterr())
