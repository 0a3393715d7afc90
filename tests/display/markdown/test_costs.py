"""The cost of a reply made to be dear grows with its length; `costs.py` is the long form.

Process time, and the best of several attempts, as a busy machine makes everything slower but never faster: what grows
with the square takes four times as long for twice the size in each of them.
"""

from __future__ import annotations

import pytest
from display.markdown.costs import CONSTRUCTS, FORMS, Construct, composed, repeated, seconds
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.display.markdown import Document, to_html, to_markdown, to_plain
from berlin_magic.display.markdown.blocks import EFFORT

SIZE = 10_000
CHEAP = {"blank lines in indented code": 10, "a code block": 40, "tabs": 10, "digits": 10}
CHEAP["long formula"] = 2  # up to `MATH_LIMIT` it is one, and costs nothing; then it is a paragraph
NAMED = [name for name in CONSTRUCTS if "'" not in name]
MARKS = ["[" * 200_000, "- a\n" * 50_000, "|a" * 100 + "|\n" + "|-" * 100 + "|\n" + "|a\n" * 20_000]
pytestmark = pytest.mark.slow
LINEAR, ATTEMPTS = 2.8, 6


def grows_with_the_square(form: str, construct: Construct, times: int = 1) -> bool:
    half, whole = (repeated(construct, size * times) for size in (SIZE, 2 * SIZE))
    return all(
        (most := seconds(FORMS[form], whole)) > 0.05 and most > LINEAR * seconds(FORMS[form], half)
        for _ in range(ATTEMPTS)
    )


@pytest.mark.parametrize("name", NAMED)
def test_twice_the_text_costs_about_twice_as_much(name):
    assert [form for form in FORMS if grows_with_the_square(form, CONSTRUCTS[name], CHEAP.get(name, 1))] == []


@given(st.integers(0, 10**9).map(composed), st.sampled_from(sorted(FORMS)))
@settings(max_examples=40, deadline=None)
def test_twice_of_any_text_costs_about_twice_as_much(construct, form):
    assert not grows_with_the_square(form, construct)


def growing(text: str) -> float:
    """Return the seconds that a text costs while it grows by 100 characters a draw, and at its end."""

    def show(text: str) -> None:
        document = Document()
        for at in range(0, len(text), 100):
            document.feed(text[at : at + 100])
            document.patches()
        to_html(text)

    return min(seconds(show, text) for _ in range(3))


@pytest.mark.parametrize("part", ["[a [b ", "*a **b ", "![a](", "<a<", "~~a ", "[a [b ] ", "_a __b "])
def test_marks_that_nothing_closes_cost_at_most_a_few_times_what_prose_does(part):
    prose = "Berlin is a city, and *this* is a sentence about it with `code` and a [link](https://e.example/).\n\n"
    assert growing(part * (5000 // len(part))) < 6 * growing(prose * (5000 // len(prose)))


@pytest.mark.parametrize("text", MARKS, ids=["brackets", "items", "empty cells"])
def test_a_text_of_little_but_marks_is_shown_as_it_is_from_where_it_costs_too_much(text):
    for written in (to_html(text), to_markdown(text)):
        assert len(written) < 12 * len(text) + 200 * EFFORT
        assert written.count("- a\n") > 20_000 or "[[[[[" in written or "|a\n|a\n" in written
    document = Document()
    document.feed(text)
    document.patches()
    document.feed("\nthe end\n")
    assert document.patches()[-1][-1].endswith("\nthe end\n")


def test_a_long_ordinary_reply_is_never_cut_short():
    words = "- **Berlin** is a city, and [this](https://e.org) is `code`.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    prose = "Berlin is a city, and *this* is a sentence about it, which goes on for a while.\n\n"
    assert "<pre" not in to_html((words + 3 * prose) * 1200)


@pytest.mark.parametrize(
    "start", ["\x1b]", "\x1b[", "\x1b[0;", "\x1bP", "\x9b", "\x9d", "\x90", "\x98", "\x9b0", "\x1b "]
)
def test_escape_sequences_that_never_end_cost_little_more_than_letters(start):
    size = 100_000
    letters = min(seconds(to_plain, "a" * size) for _ in range(3))
    assert min(seconds(to_plain, start * (size // len(start))) for _ in range(3)) < 300 * letters + 0.2
