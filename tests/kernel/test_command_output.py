"""What a command shows: text for a terminal, HTML for a notebook."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.kernel.command_output import CommandOutput, inline_html, paragraph, table

ATTACKS = [
    "<script>alert(1)</script>",
    "`<img src=x onerror=alert(1)>`",
    '"><b onclick="x">',
    "&lt;b&gt;",
    "``</code><b>``",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_no_text_becomes_markup_but_code_in_backquotes(text: str) -> None:
    for html in (inline_html(text), table([("name", text)]).html):
        assert "<script" not in html and "<img" not in html and "<b" not in html


def test_code_in_backquotes_is_code() -> None:
    assert inline_html("`%berlin use m` asks `m`") == "<code>%berlin use m</code> asks <code>m</code>"


def test_a_table_has_columns_as_text_and_wraps_the_last_between_words() -> None:
    output = table([("*", "a", "word " * 40), (" ", "longer", "x")], after="`%berlin use` chooses.")
    first, second, *rest = output.text.splitlines()
    assert first.startswith("* a       word word") and second.startswith("          word")
    assert max(map(len, output.text.splitlines())) <= 100
    assert rest[-2:] == ["  longer  x", "`%berlin use` chooses."]
    assert output.html.count("<tr>") == 2 and "text-align:left" in output.html


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_any_texts_make_a_table_without_control_characters(rows: list[tuple[str, str]]) -> None:
    output = table(rows, header=("a", "b"))
    assert output.html.count("<tr>") == len(rows) + 1
    assert "\x1b" not in output.text + output.html


class Publisher:
    def __init__(self) -> None:
        self.published: list[Any] = []

    def publish(self, data: object, metadata: object) -> None:
        self.published.append((data, metadata))


def test_a_terminal_gets_the_text_and_a_notebook_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    output = CommandOutput("two <words>", record={"format": 2})
    output.show(SimpleNamespace(kernel=None))
    assert capsys.readouterr().out == "two <words>\n"
    publisher = Publisher()
    output.show(SimpleNamespace(kernel=object(), display_pub=publisher))
    ((data, metadata),) = publisher.published
    assert data["text/plain"] == "two <words>" and "two &lt;words&gt;" in data["text/html"]
    assert metadata == {"berlin": {"format": 2}}
    assert capsys.readouterr().out == ""


def test_nothing_is_shown_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    publisher = Publisher()
    CommandOutput("").show(None)
    CommandOutput("").show(SimpleNamespace(kernel=object(), display_pub=publisher))
    assert capsys.readouterr().out == "" and not publisher.published


@pytest.mark.parametrize("math", ["$x$", r"\(\href{https://stranger.example}{x}\)", "$$y$$", r"\[z\]"])
def test_no_typesetter_of_math_finds_a_formula_in_what_a_command_shows(math: str) -> None:
    for output in (table([(math, math)], header=(math, "b"), after=math), CommandOutput(math, paragraph(math))):
        assert math not in output.html and math in output.text
