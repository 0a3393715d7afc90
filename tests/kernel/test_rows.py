"""A question for every row, from code and from a cell, with a server that says what the test wants."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
from completions import DONE, step, usage
from IPython.core.error import UsageError
from scripted import HEAD, Request, ScriptedServer, reply
from shells import new_shell

import berlin_magic
from berlin_magic.errors import BudgetError, NotStoredError, PromptError, RateLimitError, ReplyFormatError, ServerError
from berlin_magic.kernel.magics import BerlinMagics
from berlin_magic.results.rows import Rows

pytestmark = pytest.mark.slow

CHAT = "/v1/chat/completions"
WORDS = [f"word {number}" for number in range(20)]


class Model:
    """Answers a prompt with its last word in capitals, and counts what it was asked."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.asked: Counter[str] = Counter()
        self.refuse: Callable[[str], bytes | None] = lambda _prompt: None
        self.hold: dict[str, asyncio.Event] = {}
        server.on(CHAT, self._script)

    def _script(self, request: Request) -> list[Any]:
        prompt = request.json["messages"][-1]["content"]
        self.asked[prompt] += 1
        if (refused := self.refuse(prompt)) is not None:
            return [refused]
        said = step(f"{prompt.split()[-1].upper()} {self.asked[prompt]}") + step(finish="stop") + usage(10, 2) + DONE
        return [HEAD, *([self.hold[prompt]] if prompt in self.hold else []), said]

    @property
    def requests(self) -> int:
        return self.asked.total()


@pytest.fixture
def model(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    monkeypatch.setenv("BERLIN_MODEL", "openai:m")
    return Model(server)


@pytest.fixture
def magics(model: Model) -> BerlinMagics:
    shell = new_shell()
    shell.run_line_magic("load_ext", "berlin_magic")
    return shell.magics_manager.registry["BerlinMagics"]  # type: ignore[no-any-return]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - whatever the condition is
            await asyncio.sleep(0.005)


async def test_a_list_of_prompts_gives_a_list_of_replies_in_its_order(model: Model) -> None:
    rows = await berlin_magic.map(WORDS, concurrency=4)
    assert isinstance(rows, Rows) and rows.errors == {}
    assert rows == [f"{number} 1" for number in range(20)]


async def test_a_second_run_gives_what_is_stored_and_again_asks_anew(model: Model) -> None:
    await berlin_magic.map(WORDS)
    rows = await berlin_magic.map([*WORDS, "one more"])
    assert model.requests == 21 and rows[-1] == "MORE 1" and rows[3] == "3 1"
    assert (await berlin_magic.map(WORDS, again=True))[3] == "3 2"
    assert (await berlin_magic.map(WORDS))[3] == "3 2"


@pytest.mark.parametrize("other", [{"model": "openai:other"}, {"temperature": 0.5}, {"system": "Be brief."}])
async def test_another_model_option_or_system_prompt_is_another_request(model: Model, other: dict[str, Any]) -> None:
    await berlin_magic.map(["a", "b"])
    await berlin_magic.map(["a", "b"], **other)
    assert model.requests == 4


async def test_rows_that_ask_the_same_each_have_a_reply_of_their_own_and_keep_it(model: Model) -> None:
    first = await berlin_magic.map(["joke"] * 5)
    assert sorted(first) == [f"JOKE {number}" for number in range(1, 6)]
    assert list(await berlin_magic.map(["joke"] * 5)) == list(first)


async def test_a_template_is_filled_in_with_each_row(model: Model) -> None:
    rows = await berlin_magic.map("Say {{ row.text }}", pd.DataFrame({"text": ["red", "blue"], "n": [1, 2]}))
    assert rows == ["RED 1", "BLUE 1"]
    assert rows.to_frame().to_dict("list") == {"text": ["red", "blue"], "n": [1, 2], "reply": ["RED 1", "BLUE 1"]}


async def test_a_template_that_is_wrong_is_an_error_before_anything_is_sent(model: Model) -> None:
    with pytest.raises(PromptError, match="no column 'txt'"):
        await berlin_magic.map("Say {{ row.txt }}", [{"text": "red"}])
    with pytest.raises(ValueError, match="one prompt needs rows"):
        await berlin_magic.map("Say red")
    with pytest.raises(ValueError, match="a list of texts"):
        await berlin_magic.map(["red", 5])
    assert model.requests == 0


async def test_a_row_that_can_not_be_filled_in_is_an_error_of_its_own(model: Model) -> None:
    rows = await berlin_magic.map("Say {{ row.text.upper() }}", [{"text": "red"}, {"text": None}, {"text": "blue"}])
    assert list(rows.errors) == [1] and isinstance(rows.errors[1], PromptError)
    assert rows == ["RED 1", None, "BLUE 1"]


async def test_one_row_in_ten_fails_and_is_the_only_one_that_is_asked_again(model: Model) -> None:
    error = reply(400, b'{"error": {"message": "this one is too long"}}')
    model.refuse = lambda prompt: error if prompt in {"word 3", "word 13"} else None
    rows = await berlin_magic.map(WORDS)
    assert list(rows.errors) == [3, 13] and all(isinstance(one, ServerError) for one in rows.errors.values())
    assert [number for number, value in enumerate(rows) if value is None] == [3, 13]
    model.refuse = lambda _prompt: None
    rows = await berlin_magic.map(WORDS)
    assert rows.errors == {} and model.requests == 22


async def test_a_429_with_retry_after_pauses_all_rows_and_none_fails(model: Model) -> None:
    busy = [reply(429, b'{"error": {"message": "slow down"}}', "Retry-After: 0")] * 2
    model.refuse = lambda prompt: busy.pop() if prompt == "word 5" and busy else None
    rows = await berlin_magic.map(WORDS, concurrency=4)
    assert rows.errors == {} and rows[5] == "5 3" and model.requests == 22


async def test_while_a_server_wants_a_pause_no_row_is_sent(model: Model, server: ScriptedServer) -> None:
    order: list[str] = []
    refused = reply(429, b'{"error": {"message": "slow down"}}', "Retry-After: 0.3")

    def script(request: Request) -> list[Any]:
        prompt = request.json["messages"][-1]["content"]
        order.append(prompt)
        if order == ["word 0"]:
            return [refused]
        told = order.index("word 0")  # the second row is answered when the first one was refused
        return [
            *([server.to(CHAT)[told].over] if prompt == "word 1" else []),
            HEAD,
            step("So.") + step(finish="stop"),
            DONE,
        ]

    server.on(CHAT, script)
    rows = await berlin_magic.map(WORDS, concurrency=2)
    assert rows.errors == {} and len(order) == 21
    assert order.index("word 0", 1) < 10  # with a pause of its own it would be the last


async def test_a_row_is_sent_only_when_a_reply_that_has_come_is_on_disk(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "rows.db"
    monkeypatch.setenv("BERLIN_DATABASE", str(database))
    await berlin_magic.map(["to make the database"])
    model.hold = {word: asyncio.Event() for word in WORDS[:2]}
    task = asyncio.create_task(berlin_magic.map(WORDS, concurrency=2))
    await until(lambda: model.requests >= 3)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # nobody else can write
        for held in model.hold.values():
            held.set()
        for number in range(5):  # each takes as long as a row would
            await berlin_magic.Conversation().ask(f"time goes by {number}")
        assert [prompt for prompt in model.asked if prompt in WORDS] == WORDS[:2]
        other.execute("COMMIT")
        assert (await task).errors == {}


async def test_a_row_that_was_refused_takes_nothing_of_a_budget(model: Model) -> None:
    error = reply(400, b'{"error": {"message": "no"}}')
    model.refuse = lambda prompt: error if prompt in WORDS[:8] else None
    rows = await berlin_magic.map(WORDS, budget="150 tokens", max_tokens=2, concurrency=1)
    assert rows.stopped is None and len(rows.errors) == 8


async def test_an_interrupt_keeps_what_has_arrived_and_the_next_run_asks_the_rest(model: Model) -> None:
    model.hold = {word: asyncio.Event() for word in WORDS[12:]}
    task = asyncio.create_task(berlin_magic.map(WORDS, concurrency=4))
    await until(lambda: model.requests == 16)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for held in model.hold.values():
        held.set()
    model.hold = {}
    rows = await berlin_magic.map(WORDS, concurrency=4)
    assert rows.errors == {}
    assert [model.asked[word] for word in WORDS] == [1] * 12 + [2] * 4 + [1] * 4


async def test_a_budget_of_the_call_stops_before_the_row_that_would_break_it(model: Model) -> None:
    rows = await berlin_magic.map(WORDS, budget="150 tokens", max_tokens=2, concurrency=1)
    assert isinstance(rows.stopped, BudgetError)
    assert model.requests == 12 and list(rows.errors) == list(range(12, 20))  # 12 of them make 144 tokens
    rows = await berlin_magic.map(WORDS, budget=100, max_tokens=2)
    assert rows.errors == {} and model.requests == 20


class Counted:
    """Counts the tokens of what it is asked, as a server does, and answers with as many as it may."""

    def __init__(self, server: ScriptedServer) -> None:
        self.requests: list[int] = []
        server.on(CHAT, self._script)

    def _script(self, request: Request) -> list[Any]:
        said = request.json["max_tokens"]
        self.requests.append(PROMPT + said)
        return [HEAD, step("so " * said) + step(finish="stop") + usage(PROMPT, said) + DONE]


PROMPT, REPLY = 17, 10  # tokens of a row: the thirty-eighth would be the first beyond a thousand
FIFTY = [f"Is review {number:02} of the table good or bad?" for number in range(50)]


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_a_thousand_tokens_over_fifty_rows_end_before_the_row_that_would_break_them(
    model: Model, server: ScriptedServer, concurrency: int
) -> None:
    counted = Counted(server)
    rows = await berlin_magic.map(FIFTY, budget="1000 tokens", max_tokens=REPLY, concurrency=concurrency)
    assert sum(counted.requests) <= 1000 < sum(counted.requests) + PROMPT + REPLY
    assert len(counted.requests) == 37 == len([one for one in rows if one is not None])
    assert isinstance(rows.stopped, BudgetError) and list(rows.errors) == list(range(37, 50))
    rows = await berlin_magic.map(FIFTY, budget="1000 tokens", max_tokens=REPLY, concurrency=concurrency)
    assert rows.errors == {} and len(counted.requests) == 50


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_a_budget_of_a_thousand_tokens_ends_a_cell_of_fifty_rows_in_the_same_way(
    magics: BerlinMagics, model: Model, server: ScriptedServer, concurrency: int
) -> None:
    counted = Counted(server)
    magics.budget, magics.max_tokens = "1000 tokens/notebook", REPLY
    magics.shell.user_ns["reviews"] = FIFTY
    with pytest.raises(BudgetError, match="of the budget of 1,000 tokens/notebook"):
        await magics.awaited_cell(f"--each reviews -o result --concurrency {concurrency}", "{{ row }}")
    asked = len(counted.requests)
    assert sum(counted.requests) <= 1000 and asked == len([one for one in magics.shell.user_ns["result"] if one])
    assert magics.notebook.costs.used() == f"{sum(counted.requests):,} tokens of 1,000 tokens/notebook"
    with pytest.raises(BudgetError):
        await magics.awaited_cell("--each reviews -o result", "{{ row }}")
    assert sum(counted.requests) <= 1000


async def test_rows_at_the_same_time_wait_for_what_others_have_reserved(model: Model) -> None:
    rows = await berlin_magic.map(WORDS, budget=500, max_tokens=200, concurrency=8)
    assert rows.errors == {} and model.requests == 20


async def test_with_a_budget_in_money_and_an_unknown_price_nothing_is_asked(magics: BerlinMagics, model: Model) -> None:
    rows = await berlin_magic.map(WORDS, budget="2 USD")
    assert "the price of this model is not known" in str(rows.errors[0]) and len(rows.errors) == 20
    magics.budget = "2 USD/day"
    with pytest.raises(BudgetError, match="the price of this model is not known"):
        await magics.awaited_cell("", "Hello there")
    assert model.requests == 0


async def test_rows_that_are_not_stored_are_not_asked_in_a_replay(magics: BerlinMagics, model: Model) -> None:
    shell = magics.shell
    shell.user_ns["words"] = WORDS[:2]
    await magics.awaited_cell("--each words", "Say {{ row }}")
    magics.replay = "only"
    await magics.awaited_cell("--each words -o same", "Say {{ row }}")
    assert shell.user_ns["same"] == ["0 1", "1 1"]
    await magics.awaited_cell("--each words -o other", "Tell {{ row }}")
    assert isinstance(shell.user_ns["other"].errors[0], NotStoredError) and model.requests == 2


async def test_a_cell_asks_for_each_row_outside_of_the_conversation(
    magics: BerlinMagics, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = magics.shell
    shell.user_ns |= {"df": pd.DataFrame({"text": ["red", "blue", "green"]}), "row": "the user's own"}
    await magics.awaited_cell("--each df[:2] -o result --concurrency 2", "Say {{ row.text }}")
    result = shell.user_ns["result"]
    assert shell.user_ns["_"] is result
    assert result == ["RED 1", "BLUE 1"] and list(result.to_frame()["text"]) == ["red", "blue"]
    assert shell.user_ns["row"] == "the user's own"
    assert len(magics.conversation) == 0
    out = capsys.readouterr().out
    assert "2 of 2 rows" in out and "RED 1" in out and "24 tokens" in out
    await magics.awaited_cell("--each df -o result", "Say {{ row.text }}")
    assert model.requests == 3 and "2 from the store" in capsys.readouterr().out
    await magics.awaited_cell("--each df -o result --again", "Say {{ row.text }}")
    assert model.requests == 6


async def test_a_dry_run_estimates_and_sends_nothing(
    magics: BerlinMagics, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    magics.prices = {"m": "10 20 EUR"}
    magics.shell.user_ns["words"] = WORDS
    await magics.awaited_cell("--each words --dry-run --max-tokens 100", "Say {{ row }}")
    out = capsys.readouterr().out
    assert model.requests == 0
    assert "rows     20; 0 of them are stored" in out and "at most 2,000 for the replies" in out
    assert "EUR" in out and "Say word 0" in out


@pytest.mark.parametrize(
    "line",
    [
        "--each df --bg",
        "--each df -c other",
        "--each 5",
        "--each df --concurrency 0",
        "--each df --check True",
        "--each df --rounds 1",
        "--concurrency 2",
        "--again",
    ],
)
async def test_what_does_not_go_together_is_refused(magics: BerlinMagics, model: Model, line: str) -> None:
    magics.shell.user_ns["df"] = ["a"]
    with pytest.raises(UsageError):
        await magics.awaited_cell(line, "Say {{ row }}")
    with pytest.raises(PromptError, match="can't be evaluated: NameError"):
        await magics.awaited_cell("--each nothing", "Say {{ row }}")
    assert model.requests == 0


async def test_a_budget_that_stops_a_cell_fails_it_and_keeps_the_replies(magics: BerlinMagics, model: Model) -> None:
    magics.budget = "100 tokens/notebook"
    magics.max_tokens = 5
    magics.shell.user_ns["words"] = WORDS
    with pytest.raises(BudgetError, match=r"of the budget of 100 tokens/notebook are spent or reserved"):
        await magics.awaited_cell("--each words -o result --concurrency 4", "Say {{ row }}")
    result = magics.shell.user_ns["result"]
    asked = model.requests
    assert 5 <= asked <= 8 and len([one for one in result if one]) == asked and len(result.errors) == 20 - asked
    with pytest.raises(BudgetError):
        await magics.awaited_cell("", "One more question?")
    assert model.requests == asked
    magics.budget = "1000 tokens/notebook"
    await magics.awaited_cell("--each words -o result", "Say {{ row }}")
    assert magics.shell.user_ns["result"].errors == {} and model.requests == 20


async def test_neither_key_nor_prompt_is_in_the_store_of_rows(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BERLIN_DATABASE", str(tmp_path / "rows.db"))
    await berlin_magic.map(["a private prompt"])
    await berlin_magic.map(["a private prompt"])  # which reads, so that all is written
    with sqlite3.connect(tmp_path / "rows.db") as connection:
        rows = connection.execute("SELECT * FROM asked_rows").fetchall()
    connection.close()
    assert len(rows) == 1 and "private" not in repr(rows) and "canary" not in repr(rows)


async def test_a_server_that_refuses_everything_is_not_asked_for_every_row(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.refuse = lambda _prompt: reply(429, b'{"error": {"message": "no"}}', "Retry-After: 3600")
    rows = await berlin_magic.map(WORDS, concurrency=2)
    assert all(isinstance(error, RateLimitError) for error in rows.errors.values())


async def test_each_reply_is_a_value_of_the_type_and_one_that_does_not_fit_is_corrected_once(
    model: Model, server: ScriptedServer
) -> None:
    replies = {"red": ["warm"], "blue": ["I think it is cold", "cold"], "grey": ["neither", "nor"]}
    asked: list[list[dict[str, Any]]] = []

    def script(request: Request) -> list[Any]:
        messages = request.json["messages"]
        asked.append(messages)
        word = messages[0]["content"].split()[1]
        return [HEAD, step(replies[word].pop(0)) + step(finish="stop") + usage(10, 2) + DONE]

    server.on(CHAT, script)
    table = [{"word": word} for word in replies]
    rows = await berlin_magic.map("Is {{ row.word }} warm?", table, as_=Literal["warm", "cold"], concurrency=1)
    assert rows == ["warm", "cold", None] and isinstance(rows.errors[2], ReplyFormatError)
    assert [len(messages) for messages in asked] == [1, 1, 3, 1, 3]
    assert "JSON schema" in asked[0][0]["content"] and "does not fit" in asked[2][2]["content"]
    replies["grey"] = ["cold"]
    assert await berlin_magic.map("Is {{ row.word }} warm?", table, as_=Literal["warm", "cold"]) == [
        "warm",
        "cold",
        "cold",
    ]
    assert len(asked) == 6


async def test_a_typed_row_that_ended_at_its_limit_is_not_asked_for_again(model: Model, server: ScriptedServer) -> None:
    asked: list[Request] = []

    def script(request: Request) -> list[Any]:
        asked.append(request)
        return [HEAD, step('{"value": "wa') + step(finish="length") + usage(10, 2) + DONE]

    server.on(CHAT, script)
    rows = await berlin_magic.map("Is {{ row }} warm?", ["red"], as_=Literal["warm", "cold"], max_tokens=2)
    assert len(asked) == 1 and "limit of its length: raise max_tokens" in str(rows.errors[0])


async def test_a_cell_gives_values_of_a_type_and_the_server_is_told_the_schema(
    magics: BerlinMagics, server: ScriptedServer
) -> None:
    formats: list[Any] = []

    def script(request: Request) -> list[Any]:
        formats.append(request.json.get("response_format"))
        return [HEAD, step('{"value": "warm"}') + step(finish="stop") + usage(10, 2) + DONE]

    server.on(CHAT, script)
    magics.shell.user_ns |= {"Warmth": Literal["warm", "cold"], "words": ["red", "blue"]}
    await magics.awaited_cell("--each words --as Warmth -o found", "Is {{ row }} warm?")
    assert magics.shell.user_ns["found"] == ["warm", "warm"]
    assert len(formats) == 2 and all(one["type"] == "json_schema" for one in formats)
    with pytest.raises(UsageError, match="don't go together"):
        await magics.awaited_cell("--each words -f code", "Is {{ row }} warm?")
