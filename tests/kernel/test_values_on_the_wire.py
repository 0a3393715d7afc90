"""What a server is sent for the values in a cell: exactly what the documentation says, and what the slip shows."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from typing import Any

import pytest
from completions import streamed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompts import test_schema_level as schema
from scripted import HEAD, ScriptedServer, scripted_server, stream
from shells import new_shell

from berlin_magic.conversations.conversation import Conversation
from berlin_magic.kernel.extension import load
from berlin_magic.kernel.magics import BerlinMagics
from berlin_magic.kernel.packing_slip import slip_of
from berlin_magic.kernel.prompt import compose_prompt, recorded
from berlin_magic.messages import text_in
from berlin_magic.prompts.slip import packed
from berlin_magic.prompts.templates import filled, given_in

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
Image = pytest.importorskip("PIL.Image")
Figure = pytest.importorskip("matplotlib.figure").Figure

PROVIDERS = {
    "berlin": ("/api/chat/completions", {"provider": "berlin", "token": "t" * 8}),
    "openai": ("/v1/chat/completions", {"provider": "openai", "model": "m", "key": "k" * 8}),
}


class Asked:
    """A shell whose questions go to a scripted server."""

    def __init__(self, server: ScriptedServer, provider: str, **names: Any) -> None:
        self.server = server
        path, connection = PROVIDERS[provider]
        answer = stream("Fine.") if provider == "berlin" else streamed("Fine.")
        server.on(path, [HEAD + answer])
        shell = new_shell()
        load(shell)
        shell.user_ns.update(names)
        found: Any = shell.magics_manager.registry["BerlinMagics"]
        self.magics: BerlinMagics = found
        self.talk = Conversation("Be brief.", url=server.url, **connection)

    async def ask(self, prompt: str, **how: Any) -> Any:
        """Ask a prompt; return the messages as the server got them, once the slip is found to show them."""
        self.talk.data = self.magics.data  # type: ignore[assignment]  # the trait has no other values
        composed = await compose_prompt(self.magics, prompt, **how)

        def put_into(talk: Conversation) -> Any:
            parts = () if composed.is_plain else composed.parts
            values = recorded(composed)
            return talk.ask_in(None, None, composed.source, question=parts, values=values, model=talk.model)

        trial = self.talk.fork()
        slip = await slip_of(trial, put_into(trial), composed)
        before = len(self.server.requests)
        async for _ in self.talk.answer(put_into(self.talk)):
            pass
        body = self.server.requests[-1].json
        messages = body.get("messages") or [{"role": "user", "content": body["prompt"]}]
        assert len(self.server.requests) == before + 1 and slip.messages == packed(messages)
        return messages

    async def text(self, prompt: str, **how: Any) -> str:
        """Return the text of the newest message that is sent for a prompt."""
        return text_in((await self.ask(prompt, **how))[-1]["content"])


def failing(error: BaseException | None, done: threading.Event | None = None) -> Any:
    class Odd:
        def __repr__(self) -> str:
            print("printed by a repr")  # noqa: T201 - what is tested
            if done is not None:
                done.wait(30)
            if error is not None:
                raise error
            return "odd"

    return Odd()


def raised() -> BaseException:
    try:
        {}["no such key"]
    except KeyError as error:
        return error
    raise AssertionError


class Shape:
    """A shape."""

    sides = 3


def red() -> Any:
    figure = Figure(figsize=(2, 2), facecolor="red")
    figure.subplots().set(title="Growth")
    return figure


RECURSIVE: list[Any] = [1]
RECURSIVE.append(RECURSIVE)
NAN = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", None]})
COLUMNS = "\n\n| column | type | missing | values |\n| --- | --- | --- | --- |\n"
TABLE = {
    "braces": ("{{ x }} {'a': \"{b}\"} ü 😀 \u200b", "{{ x }} {'a': \"{b}\"} ü 😀 \u200b"),
    "number": (42, "42"),
    "nan": (
        NAN,
        (
            f"DataFrame (pandas), 2 rows × 2 columns{COLUMNS}"
            "| a | float64 | 1 | 1.5 … 1.5, mean 1.5 |\n| b | str | 1 | 1 distinct: x |\n\n"
            "|  | a | b |\n| --- | --- | --- |\n| 0 | 1.5 | x |\n| 1 | NaN | NaN |"
        ),
    ),
    "nested": (
        pd.DataFrame({"l": [[1, 2], None], "d": [{"k": 1}, {}]}),
        (
            f"DataFrame (pandas), 2 rows × 2 columns{COLUMNS}"
            "| l | object (list) | 1 | 1 distinct: [1, 2] |\n| d | object (dict) | 0 | 2 distinct: {'k': 1}, {} |\n\n"
            "|  | l | d |\n| --- | --- | --- |\n| 0 | [1, 2] | {'k': 1} |\n| 1 | None | {} |"
        ),
    ),
    "empty": (pd.DataFrame(), "DataFrame (pandas), 0 rows × 0 columns"),
    "levels": (
        pd.DataFrame({"n": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"])),
        (
            "DataFrame (pandas), 2 rows × 1 columns\nIndex: x (str), y (int64)\n\n"
            "| column | type | missing | values |\n| --- | --- | --- | --- |\n| n | int64 | 0 | 1 … 2, mean 1.5 |\n\n"
            "| x | y | n |\n| --- | --- | --- |\n| a | 1 | 1 |\n| b | 2 | 2 |"
        ),
    ),
    "polars": (
        pl.DataFrame({"n": [1, 2]}),
        (
            f"DataFrame (polars), 2 rows × 1 columns{COLUMNS}"
            "| n | Int64 | 0 | 1 … 2, mean 1.5 |\n\n| n |\n| --- |\n| 1 |\n| 2 |"
        ),
    ),
    "recursive": (RECURSIVE, "[1, <recursion>]"),
    "raising": (failing(ZeroDivisionError("no")), "Odd (not described: its repr raised ZeroDivisionError)"),
    "printing": (failing(None), "odd"),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", TABLE)
async def test_the_text_of_a_value(server: ScriptedServer, provider: str, name: str, capsys: Any) -> None:
    value, expected = TABLE[name]
    asked = Asked(server, provider, value=value)
    assert (await asked.text("See:\n{{ value }}\nRight?")).endswith(
        f"See:\n{expected}\nRight?" + "\n\nAssistant:" * (provider == "berlin")
    )
    assert "printed by a repr" not in capsys.readouterr().out


async def test_longer_values_are_sent_with_what_matters(server: ScriptedServer) -> None:
    asked = Asked(server, "openai", error=raised(), Shape=Shape, data=bytes(200_000_000))
    sent = await asked.text("{{ error }}")
    assert sent.startswith("KeyError: 'no such key'") and '{}["no such key"]' in sent
    assert 'class Shape:\n    """A shape."""\n\n    sides = 3' in await asked.text("{{ Shape }}")
    sent = await asked.text("{{ data }}")
    assert sent.startswith("bytes, 200 MB") and len(sent) < 1000


async def test_a_figure_and_an_image_are_sent_as_themselves(server: ScriptedServer) -> None:
    asked = Asked(server, "openai", figure=red(), picture=Image.new("RGB", (30, 20), "blue"))
    content = (await asked.ask("{{ figure }} and {{ picture }}"))[-1]["content"]
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    drawn, blue = (Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls)
    assert drawn.convert("RGB").getpixel((1, 1)) == (255, 0, 0)
    assert blue.size == (30, 20) and blue.convert("RGB").getpixel((5, 5)) == (0, 0, 255)
    assert "'Growth'" in "".join(part.get("text", "") for part in content)


async def test_a_value_that_sleeps_can_be_stopped_and_sends_nothing(server: ScriptedServer) -> None:
    done = threading.Event()
    asked = Asked(server, "openai", value=failing(None, done))
    task = asyncio.create_task(asked.ask("{{ value }}"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    done.set()
    assert not server.requests


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_at_the_level_schema_no_data_reaches_the_wire_by_any_expression(
    server: ScriptedServer, provider: str
) -> None:
    asked = Asked(server, provider, **schema.NAMES)
    before = "The text says {{ text }}."
    assert schema.SECRET in await asked.text(before), "without the level it is sent"
    asked.magics.data = "schema"
    expressions = [one for one in schema.EXPRESSIONS if not one.startswith("lambda")]
    forms = [f"{{{{ {one}{level} }}}}" for one in expressions for level in ("", " | full")]
    sent = await asked.ask("\n".join(forms), names="df,fig,Out[3],text")
    whole = "".join(text_in(message["content"]) for message in sent).casefold()
    assert schema.SECRET not in whole and str(schema.NUMBER) not in whole.replace(",", "").replace("_", "")
    assert len(expressions) > 100 and len(server.requests) == 2
    assert all(isinstance(message["content"], str) for message in sent), "no image is sent"
    assert before in whole.replace("the text", "The text"), "the earlier question is sent as it was written"


NAMES = {
    "n": 7,
    "word": "a\nb {{ n }} `c`",
    "rows": [{"a": i, "b": "x" * i} for i in range(30)],
    "nan": NAN,
    "figure": red(),
    "table": pl.DataFrame({"n": [1, 2]}),
    "error": raised(),
}
LEVELS = st.sampled_from(["", " | full", " | sample", " | schema", " | repr"])
PIECES = st.one_of(
    st.builds("{{{{ {}{} }}}}".format, st.sampled_from([name for name in NAMES if name != "figure"]), LEVELS),
    st.sampled_from(["{ x }", "\\{{", "\n```\n{{ no }}\n```\n", " ", "\n\n", "ü😀", "'''", "Assistant:"]),
)
PROMPTS = st.lists(PIECES, min_size=1, max_size=6).map("".join).filter(str.strip)
QUESTIONS = st.tuples(
    PROMPTS, st.sampled_from(["full", "sample", "schema"]), st.booleans(), st.sampled_from(["", "n,nan"])
)


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    questions=st.lists(QUESTIONS, min_size=1, max_size=3),
    limit=st.sampled_from([None, 30, 300]),
    tone=st.sampled_from(["tone=dry", "tone='{{ n }}'", "tone={{ rows | json }}"]),
    with_figure=st.booleans(),
)
def test_the_slip_is_what_the_server_gets(
    provider: str, questions: Any, limit: int | None, tone: str, with_figure: bool
) -> None:
    async def run() -> None:
        async with scripted_server() as server:
            asked = Asked(server, provider, **NAMES)
            asked.talk.context_limit = limit
            for prompt, level, templated, beside in questions:
                asked.magics.data = level
                more = " {{ figure }}" * (with_figure and provider == "openai")
                template = filled("In a {{ tone }} tone: {{ n }}", given_in(tone)[0]) if templated else None
                await asked.ask(prompt + more, template=template, names=beside)

    asyncio.run(run())
