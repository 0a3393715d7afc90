from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.display.markdown import Document
from berlin_magic.display.patches import ShortPatches, utf16_prefix

PIECES = st.sampled_from(
    ["word ", "\n", "\n\n", "**", "`", "\N{GRINNING FACE}", "é", "- ", "```\n", "| a | b |\n|---|---|\n", "x" * 30]
)


def long_form(patches, tails):
    """Undo `ShortPatches`, as the page does."""
    for kind, slot, *rest in patches:
        tail = tails.pop(slot, "")
        if kind == "tail":
            tails[slot] = utf16_prefix(tail, rest[0]) + rest[1]
        yield ["add", slot, utf16_prefix(tail, rest[0]) + rest[1]] if kind == "keep" else [kind, slot, *rest]


@given(st.lists(PIECES, max_size=60), st.integers(1, 7))
def test_short_patches_say_the_same(pieces, size):
    document, short, tails = Document(), ShortPatches(), {}
    for at in range(0, len(pieces), size):
        document.feed("".join(pieces[at : at + size]))
        patches = document.patches()
        assert list(long_form(short.of(patches), tails)) == patches


def test_a_paragraph_that_is_finished_is_not_sent_again():
    document, short = Document(), ShortPatches()
    document.feed("A paragraph that has been shown for a while")
    [[_, _, _, html]] = short.of(document.patches())
    document.feed(".\n\n")
    assert short.of(document.patches()) == [["keep", 0, html.index("</p>"), ".</p>\n"]]


def test_the_characters_that_are_kept_are_counted_as_javascript_does():
    document, short = Document(), ShortPatches()
    document.feed("\N{GRINNING FACE}" * 30)
    [[_, _, _, html]] = short.of(document.patches())
    document.feed(".\n\n")
    assert short.of(document.patches()) == [["keep", 0, html.index("</p>") + 30, ".</p>\n"]]
