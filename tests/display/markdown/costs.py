"""What it costs to show a reply made to be dear: each construct repeated, nested and left open, once and twice as long.

    python tests/display/markdown/costs.py --size 250000 --rounds 200

For each text, in each form (HTML, Markdown, growing document, plain text), the CPU time for half of it and for all of
it is taken. What grows by more than 2.2 times, or takes more than 2 s a megabyte (and more than half a second), is
named.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3])]

from cpu_time import measured  # noqa: E402 - the script finds it by the line above

from berlin_magic.display.markdown import Document, to_html, to_markdown, to_plain  # noqa: E402

__all__ = ["CONSTRUCTS", "FORMS", "Construct", "composed", "repeated", "seconds"]

Construct = tuple[str, str, str]  # what comes first, what is repeated, what comes last
_UNITS = [
    "[",
    "![",
    "](",
    "[a](",
    "[a](b",
    "[a][",
    "[a]:",
    "[[]]",
    "![[]]()",
    "[a](<b",
    '[a]("b',
    "(",
    "<a<",
    "<!--",
    "<?",
    "<![CDATA[",
    "<https://",
    "<a@b",
    "*",
    "**",
    "***",
    "a**",
    "a*b",
    "**a_",
    "_a_",
    "__",
    "~~",
    "~~a",
    "*a_",
    "`a",
    "``",
    "\\`",
    "\\",
    "&",
    "&#",
    "&a;",
    "&#1;",
    "$",
    "$a",
    "$$",
    "$$a",
    "$a$",
    "\\(",
    "\\[",
    "\\(a\\(",
    "\\begin{align}",
    "\\begin{align}\\begin{gather}",
    "<sub>",
    "<sub>a</sub>",
    "</sub>",
    "<kbd>*a</kbd>*",
    "<br>",
    "<details>",
    "</details>",
    "<summary>",
    "https://",
    "https://a",
    "https://a/(",
    "www.",
    "a@b.c",
    "|",
    "a|",
    "\\|",
    "语",
    "**语",
    "语**",
    "*“",
    "a\t",
    "]",
    ")",
    ">",
    ":",
    ":-",
    "---",
    "===",
    "",
]
_LINES = [
    "",
    "- ",
    "a ",
    "- ",
    "",
    "a -",
    " - ",
    "1. ",
    "> ",
    ">> ",
    "- - - ",
    "* * ",
    "# ",
    "## a ## ",
    "### ",
    "```",
    "```py",
    "~~~",
    "a",
    "a  ",
    "a\\",
    "    a",
    "\ta",
    "     ",
    "\t",
    "---",
    "===",
    "***",
    "- [ ] ",
    "[a]: b",
    "[a]: <b",
    '[a]: b "c',
    "[^1]: ",
    "$$",
    "$$ a",
    "a $$",
    "\\[",
    "\\begin{align}",
    "\\end{align}",
    "<details>",
    "<details><summary>a",
    "<summary>",
    "</details>",
    "a</details>",
    "- a",
    "  - a",
    "1. a",
    "1) a",
    "> a",
    ">a",
    "",
    " a ",
    "",
    " ",
    "-",
    "",
    "",
    "a",
    "b",
    "",
]

CONSTRUCTS: dict[str, Construct] = {
    "blank lines in indented code": ("    a\n", "\n", "    b\n"),
    "a code block": ("```\n", "a = 1\n", "```"),
    "blank lines in an item": ("- a\n", "\n", "  b\n"),
    "blank lines in a quote": ("", ">\n", "> a\n"),
    "spaces": ("a", " ", "b"),
    "spaces at the end of a line": ("", "a" + " " * 200 + "\n", ""),
    "spaces before a closing tag": ("<details>\n", " " * 3000 + "</details>x\n", ""),
    "tabs": ("", "\t", "a"),
    "nested lists": ("", "", "".join("  " * n + "- a\n" for n in range(500))),
    "nested brackets": ("", "[", "]"),
    "balanced brackets": ("", "[[a]]", ""),
    "brackets and links": ("", "[a](b) [", ""),
    "links in links": ("", "[a", "](b)" * 10),
    "code spans of every length": ("", "".join("`" * n + " " for n in range(1, 60)), ""),
    "rule of three": ("", "a**b" + "c* ", ""),
    "emphasis that changes": ("", "*a **a _a __a ", ""),
    "long table": ("| a | b |\n|---|---|\n", "| $x|y$ | `a` |\n", ""),
    "wide table": ("|a" * 127 + "|\n" + "|-" * 127 + "|\n", "|a\n", ""),
    "table of empty rows": ("|a|\n|-|\n", "||\n", ""),
    "long formula": ("$$\n", "a + b\n", "$$"),
    "formulas that never end": ("", "$$ a\n", ""),
    "formulas that never end, in items": ("", "- $$ a\n", ""),
    "environments that never end": ("", "\\begin{align}\na\n\n", ""),
    "pipes in a formula": ("|a|\n|-|\n", "| $" + "( | " * 100 + "$ |\n", ""),
    "chemistry": ("", "$\\ce{" + "\\ce{" * 20 + "}" * 21 + "$ ", ""),
    "long summary": ("<details>\n<summary>", "a\n", "</summary>"),
    "escape sequences": ("", "\x1b]0;", ""),
    "other escape sequences": ("", "\x9d", ""),
    "half escape sequences": ("", "\x1b[0", ""),
    "bidirectional controls": ("", "\u202e", ""),
    "definitions": ("", "[a{}]: b\n", "[a1]"),
    "definitions in one paragraph": ("", "[a]: b 'c' ", ""),
    "definition that goes on": ("[a]: b\n'", "c\n", ""),
    "autolinks": ("", "https://a.b/c(d ", ""),
    "an address without end": ("https://a.b/", "(", ""),
    "digits": ("", "1", ". a"),
    "one word": ("", "a", ""),
    "surrogates": ("", "\ud800", ""),
    "fences in fences": ("", "```\n~~~\n", ""),
    "a fence of growing marks": ("`" * 30 + "\n", "`" * 29 + "\n", ""),
    "entities": ("", "&amp;&#1234;&", ""),
    "emphasis in Chinese": ("", "语**语", ""),
    "lazy lines": ("> " * 30, "a\n", ""),
    "quotes that begin and end": ("", "> a\n\n", ""),
    "lists of every kind": ("", "- a\n+ b\n* c\n1. d\n2) e\n", ""),
    **{f"{unit!r} in a line": ("", unit, "") for unit in _UNITS if unit},
    **{f"{unit!r} with spaces": ("", unit + " ", "") for unit in _UNITS if unit},
    **{f"{unit!r} in lines": ("", unit + "\n", "") for unit in _UNITS if unit},
    **{f"lines {line!r}": ("", line + "\n", "") for line in _LINES},
    **{f"lines {line!r} and blank ones": ("", line + "\n\n", "") for line in _LINES},
}
"""Texts that are dear to parsers; what the test suites of cmark, commonmark.js and markdown-it have is among them."""


def repeated(construct: Construct, size: int) -> str:
    """Return that construct as a text of about `size` characters."""
    first, unit, last = construct
    if "{}" in unit:
        return first + "".join(unit.replace("{}", str(n)) for n in range(size // len(unit))) + last
    return first + unit * (size // max(1, len(unit))) + last


def composed(seed: int) -> Construct:
    """Return the construct of that number: pieces of several ones, repeated together; the same for ever."""
    choice = random.Random(seed)
    pieces = [choice.choice([*_UNITS, *(line + "\n" for line in _LINES)]) for _ in range(choice.randint(2, 5))]
    first, *unit = pieces if choice.random() < 0.5 else ["", *pieces]
    if choice.random() < 0.3:
        at = choice.randrange(len(unit))
        unit[at] *= choice.choice([2, 5, 30])
    return first, choice.choice(["", " ", "\n"]).join(unit), choice.choice(["", *_UNITS])


def grown(text: str, step: int = 5000) -> None:
    """Show a text while it arrives, drawn after so many characters, and before the first one."""
    document = Document()
    document.patches()
    for at in range(0, len(text), step):
        document.feed(text[at : at + step])
        document.patches()
    document.finish()


def late(text: str) -> None:
    """Show the beginning of a text, then all of it at once."""
    document = Document()
    for piece in (text[:100], text[100:]):
        document.feed(piece)
        document.patches()
    document.finish()


FORMS: dict[str, Callable[[str], object]] = {
    "HTML": to_html,
    "Markdown": to_markdown,
    "growing": grown,
    "late": late,
    "plain": to_plain,
}


def seconds(form: Callable[[str], object], text: str) -> float:
    """Return the CPU time that it takes to write a text in one form."""
    with measured() as taken:
        form(text)
    return taken[0]


def main() -> int:
    """Run the long form."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", type=int, default=250_000, help="characters of the whole text")
    options.add_argument("--rounds", type=int, default=200, help="constructs put together by chance")
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--only", default="")
    chosen = options.parse_args()
    constructs = dict(CONSTRUCTS) if not chosen.first else {}
    for seed in range(chosen.first, chosen.first + chosen.rounds):
        constructs[f"{seed}: {composed(seed)!r}"] = composed(seed)
    bad = 0
    for name, construct in constructs.items():
        if chosen.only not in name:
            continue
        for form, render in FORMS.items():
            half, whole = repeated(construct, chosen.size // 2), repeated(construct, chosen.size)
            least, most = seconds(render, half), seconds(render, whole)
            limit = max(2e-6 * len(whole), 0.5)
            if (most > 2.2 * least and most > 0.1) or most > limit:  # once more: the machine may be busy
                least, most = min(least, seconds(render, half)), min(most, seconds(render, whole))
            times, pace = most / max(least, 1e-4), most * 1e6 / len(whole)
            if (times > 2.2 and most > 0.1) or most > limit:
                bad += 1
                sys.stdout.write(f"{form:9} {times:6.2f} times, {pace:7.2f} s/MB  {name[:120]}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{len(constructs)} constructs, {bad} too dear\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
