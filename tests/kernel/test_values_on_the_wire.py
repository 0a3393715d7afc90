"""What a server is sent for the values in a cell: exactly what the documentation says, and what the slip shows."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from completions import streamed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompts import test_schema_level as schema
from scripted import HEAD, ScriptedServer, scripted_server, stream
from shells import new_shell

from berlin_magic.conversations.conversation import Conversation
from berlin_magic.errors import PromptError
from berlin_magic.kernel.extension import load
from berlin_magic.kernel.magics import BerlinMagics
from berlin_magic.kernel.packing_slip import slip_of, slip_output
from berlin_magic.kernel.prompt import compose_prompt, recorded
from berlin_magic.messages import text_in
from berlin_magic.prompts.documents import Document
from berlin_magic.prompts.slip import packed
from berlin_magic.prompts.templates import filled, given_in

pytestmark = pytest.mark.slow

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


PDF = b"%PDF-1.4\n1 0 obj << /Type /Page >> endobj\n2 0 obj << /Type /Pages >> endobj\xff secret of mine"


async def test_a_pdf_is_sent_as_a_file_if_the_provider_takes_one(server: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "paper.pdf"
    path.write_bytes(PDF)
    prompt = f"Sum up {{{{ file({str(path)!r}) }}}} for {{{{ n }}}}."
    content = (await (asked := Asked(server, "openai", n=3)).ask(prompt))[-1]["content"]
    url = "data:application/pdf;base64," + base64.b64encode(PDF).decode()
    assert content == [
        {"type": "text", "text": "Sum up "},
        {"type": "file", "file": {"filename": "paper.pdf", "file_data": url}},
        {"type": "text", "text": " for 3."},
    ]
    (before,) = asked.talk
    assert before.values[0]["level"] == "full" and str(before.values[0]["kind"]).startswith("PDF file, ")
    record = json.loads(json.dumps(asked.talk.record()))
    again = Conversation()
    again.read(record)
    assert again[0].question == before.question, "the store holds it"

    for level in ("sample", "schema"):
        asked.magics.data = level
        sent = json.dumps(await asked.ask(prompt + " Again."))
        assert "base64" not in sent and f"PDF file, {len(PDF)} bytes" in sent, "neither this one nor the one before"
    asked.magics.data = "full"
    assert json.dumps(await asked.ask("And now?")).count(url) == 1

    for provider in ("berlin", "ollama"):
        other = Asked(server, "berlin", n=3)
        other.talk = Conversation(url=server.url, provider=provider, model="m")
        count = len(server.requests)
        with pytest.raises(PromptError, match="takes no files"):  # from the slip
            await other.ask(prompt)
        turn = other.talk.ask_in(None, None, "q", question=before.question, model="m")
        with pytest.raises(PromptError, match="takes no files"):
            async for _ in other.talk.answer(turn):
                pass
        assert len(server.requests) == count


async def test_the_slip_names_a_file_and_does_not_hold_it(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "paper<b>.pdf").write_bytes(PDF)
    asked = Asked(server, "openai", folder=tmp_path)
    composed = await compose_prompt(asked.magics, "{{ file(folder / 'paper<b>.pdf') }}")
    trial = asked.talk.fork()
    turn = trial.ask_in(None, None, "q", question=composed.parts, values=recorded(composed), model="m")
    slip = await slip_of(trial, turn, composed)
    shown = slip_output(slip)
    assert "[file paper<b>.pdf, " in shown.text and "[file paper&lt;b&gt;.pdf, " in shown.html
    assert "base64" not in shown.text + shown.html and "<b>" not in shown.html
    assert slip.messages[-1].tokens == 2000 and "2,000 tokens" in shown.text, "one page"


PASTED = {
    "Python": "print({'foo': 'bar'}); f\"{x}\"",
    "Rust": 'fn main() { let x = vec![1]; println!("{:?} {x}", x); match x { _ => {} } }',
    "LaTeX": "\\frac{a}{b} \\textbf{x_{i}} $\\sum_{i=1}^{n} x^{2}$ \\begin{cases} {a} \\end{cases}",
    "JSON": '{"a": {"b": [1, {"c": null} ]} }',
    "Rust in a fence": '```rust\nprintln!("{{}} {{x}}");\n```',
    "LaTeX in a fence": "```latex\n\\newcommand{\\x}{{a b}}\n```",
    "Jinja in a fence": "```jinja\n{{ user.name }}{% for x in y %}\n```",
}
REFUSED = {
    "Rust": ('One line,\nprintln!("{{}}");', "Line 2"),
    "Rust with words": ('println!("{{ a struct }}");', "Line 1"),
    "LaTeX": ("\\newcommand{\\x}{{\\bf a}}", "Line 1"),
    "LaTeX with a name": ("x^{{nobody}}", "nobody"),
    "Jinja": ("a\nb {{ user name }}", "Line 2"),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED.keys())
async def test_pasted_code_goes_out_unchanged(server: ScriptedServer, provider: str, pasted: str) -> None:
    ending = "\n\nAssistant:" * (provider == "berlin")
    assert (await Asked(server, provider).text(pasted)).endswith(pasted + ending)


@pytest.mark.parametrize(("pasted", "said"), REFUSED.values(), ids=REFUSED.keys())
async def test_pasted_braces_that_are_no_expression_are_an_error_and_go_out_if_that_is_wanted(
    server: ScriptedServer, pasted: str, said: str
) -> None:
    asked = Asked(server, "openai")
    with pytest.raises(PromptError) as caught:
        await asked.ask(pasted)
    assert said in str(caught.value) and "--no-expand" in str(caught.value) and not server.requests
    assert await asked.text(pasted, expand=False) == pasted


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
    "paper": Document("paper.pdf", PDF),
}
LEVELS = st.sampled_from(["", " | full", " | sample", " | schema", " | repr"])
PIECES = st.one_of(
    st.builds(
        "{{{{ {}{} }}}}".format, st.sampled_from([name for name in NAMES if name not in {"figure", "paper"}]), LEVELS
    ),
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
                more = " {{ figure }} or {{ paper }}" * (with_figure and provider == "openai")
                template = filled("In a {{ tone }} tone: {{ n }}", given_in(tone)[0]) if templated else None
                await asked.ask(prompt + more, template=template, names=beside)

    asyncio.run(run())
