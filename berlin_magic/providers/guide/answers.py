"""Answer from the documentation.

The same messages always have the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from berlin_magic.messages import AnyMessage
from berlin_magic.providers.guide.documentation import Section, documentation
from berlin_magic.providers.guide.examples import EXAMPLES
from berlin_magic.providers.guide.exchanges import Context, question_and_context, report, summary
from berlin_magic.providers.guide.retrieval import Match, Retriever, stem, words

__all__ = ["GUIDE", "Passage", "answer"]

GUIDE = "berlin-guide"

# The least relevance of a section that is quoted, which is lower if the question names a part of this package. Sections
# with `_PERHAPS` of that are mentioned. Measured on the questions of tests/providers/guide/test_answers.py.
_CERTAIN, _CERTAIN_IF_ABOUT_THIS_PACKAGE, _PERHAPS = 0.5, 0.35, 0.8
_NAMES = words("""
reply replies response model notebook kernel cell prompt conversation chat server guide package extension magic jupyter
jupyterlab ipython token upstream embedded berlin-server berlin_magic ipykernel
""")
_ABOUT_THIS_PACKAGE = frozenset(stem(name) for name in _NAMES)
_OPTION_OR_COMMAND = re.compile(r"%berlin|\bBERLIN_|(?<!\S)--?[a-z]")

_COUNT_LIMIT = 200
_COUNT_PAUSE = 12.0  # a quarter of a second at the usual pace: slow enough to try the Stop button on
_COUNT_WORDS = 10  # a longer question that has "count to 3" in it is about something else

_FILLERS = words("""
a all also an and another at bit block can could display do draw example examples for formatted formatting give i in
just let like made make me now of one or piece please print python quick sample short show simple small some something
that the this to try us want will with would write you your
""")
_SHOWN_BY = {
    "table": words("table tables"),
    "code": words("code snippet snippets"),
    "math": words("math maths mathematics formula formulas formulae equation equations latex"),
    "markdown": words("markdown list lists heading headings quote quotes quotation"),
}
_EVERYTHING = words("everything demo demonstration showcase tricks")
_LONG = words("long longer very really quite answer reply response text")
_MORE = words("tell me more please and go on continue what else anything next is there about it that")
_ASKS_FOR_MORE = words("more else continue on next")
_GREETING = words("hi hello hey good morning afternoon evening day there welcome greetings")
_THANKS = words("thanks thank bye goodbye cheers")
_POLITE = words("you very much so a lot great cool nice ok okay perfect")

_HOW = re.compile(r"\s*(?:so\s+|and\s+|but\s+)?(?:how|where|when|why|can\s+i|do\s+i|is\s+there)\b", re.IGNORECASE)
_COUNTING = re.compile(r"\bcount\b(?:\s+\w+){0,3}?\s+(?:to|until|till)\s+(\d{1,9})\b", re.IGNORECASE)
_ABOUT_CONTEXT = re.compile(
    r"""what\s+(?:\w+\s+){0,3}(?:did|have|had)\s+i\s+(?:\w+\s+)?(?:ask|asked|say|said|write|written|tell|told)\b
    | \b(?:my|the)\s+(?:very\s+)?(?:first|last|previous|earlier|former)\s+(?:question|message|prompt)s?\b
    | \bwhat\s+(?:\w+\s+){0,2}(?:were|was|have|had|did)\s+(?:you\s+)?(?:been\s+)?(?:sent|given|receive|get|told)\b
    | \b(?:context|messages|history|system\s+prompt)\b.*\b(?:you|were|was)\b.*\b(?:sent|given|received?|got|get)\b
    | \bwhat(?:'s|\s+is|\s+was)\s+(?:my|your)\s+(?:current\s+)?(?:context|system\s+(?:prompt|message))\b
    | \bwhat\s+do\s+you\s+(?:remember|know\s+about\s+(?:this|our)\s+conversation)\b
    | \b(?:report|show|repeat|quote)\s+(?:me\s+)?(?:the|your|my)\s+context\b
    | \bwhat\s+(?:are|were)\s+we\s+(?:talking|speaking)\s+about\b""",
    re.IGNORECASE | re.VERBOSE,
)


class Passage(NamedTuple):
    """A part of an answer: Markdown, and how long each of its words takes, as a multiple of the usual."""

    text: str
    pause: float = 1.0


def answer(messages: Sequence[AnyMessage]) -> list[Passage]:
    """Return the answer to the last question of `messages`.

    Parameters
    ----------
    messages : sequence of mapping
        Oldest first; a labelled prompt among them is read as the conversation that it holds.

    Returns
    -------
    list of Passage
        Their texts, joined, are the whole answer.
    """
    question, context = question_and_context(messages)
    signature = (
        f"*{GUIDE}, the built-in guide: not a language model, it quotes this package's documentation. "
        f"Sent along: {summary(context)}.*"
    )
    return [*_passages(question, context), Passage(f"\n\n{signature}")]


def _passages(question: str, context: Context) -> list[Passage]:
    used = frozenset(re.findall(r"[a-z']+", question.lower()))
    if not _HOW.match(question):
        if _ABOUT_CONTEXT.search(question):
            return [Passage(report(question, context))]
        if example := _example(question, used):
            return example
    if _wants_more(used):
        return [Passage(_more(context))]
    return [Passage(_from_documentation(question) if question.strip() else _nothing_asked())]


def _example(question: str, used: frozenset[str]) -> list[Passage]:
    """Return an example of output, or a greeting; empty if the question asks for neither."""
    if len(question.split()) <= _COUNT_WORDS and (counting := _COUNTING.search(question)):
        return _count(int(counting[1]))
    rest = used - _FILLERS
    if rest and rest <= _EVERYTHING.union(*_SHOWN_BY.values()):
        shown = [name for name in EXAMPLES if rest & (_SHOWN_BY[name] | _EVERYTHING)]
        return [Passage("\n\n".join(EXAMPLES[name] for name in shown))]
    if "long" in rest and rest <= _LONG:
        return [Passage(_tour())]
    if used & _THANKS and used <= _THANKS | _POLITE:
        return [Passage("You are welcome.")]
    if used and used <= _GREETING:
        return [Passage("Hello. Ask how to use this package, for instance “How do I stop a reply?”")]
    return []


def _count(last: int) -> list[Passage]:
    top = min(last, _COUNT_LIMIT)
    parts = [Passage(", ".join(map(str, range(1, top + 1))) + ".", _COUNT_PAUSE)] if top else []
    if last > top or not top:
        parts.append(Passage(f"\n\nThe guide counts from 1, and to {_COUNT_LIMIT} at most."))
    return parts


def _tour() -> str:
    """Return the first section of every file: long enough, at the usual pace, to try the Stop button on."""
    first = {section.source: section for section in reversed(documentation())}
    chosen = [first[source] for source in sorted(first)]
    tour = "\n\n".join(f"### {section.heading}\n\n{section.text}" for section in chosen)
    return f"A tour of the documentation, one section a topic. Stop it whenever you like.\n\n{tour}"


@cache
def _retriever() -> Retriever:
    return Retriever(documentation())


def _section(heading: str) -> Section:
    return next(section for section in documentation() if section.heading == heading)


def _source(section: Section) -> str:
    return f"From “{section.heading}” in {section.source}."


def _nothing_asked() -> str:
    section = _section("What the guide can do")
    return f"There is no question in what was sent.\n\n{section.text}\n\n*{_source(section)}*"


def _needed(question: str) -> float:
    """Return the least relevance of a section that is quoted as the answer to `question`."""
    named = _ABOUT_THIS_PACKAGE.intersection(stem(word) for word in re.findall(r"[a-z_-]+", question.lower()))
    about_this_package = bool(named) or _OPTION_OR_COMMAND.search(question) is not None
    return _CERTAIN_IF_ABOUT_THIS_PACKAGE if about_this_package else _CERTAIN


def _from_documentation(question: str) -> str:
    matches = _retriever().rank(question)
    needed = _needed(question)
    if not matches or matches[0].relevance < needed:
        return _cannot_serve([match.section for match in matches[:3] if match.relevance >= needed * _PERHAPS])
    best, *others = matches
    enough = min(best.score, others[0].score if others else 0.0) / 2
    also = [match.section for match in others[:2] if match.relevance >= _CERTAIN and match.score >= enough]
    names = ", ".join(f"“{section.heading}”" for section in also)
    return f"{best.section.text}\n\n*{_source(best.section)}{f' See also {names}.' if also else ''}*"


def _wants_more(used: frozenset[str]) -> bool:
    return bool(used & _ASKS_FOR_MORE) and used <= _MORE


def _more(context: Context) -> str:
    """Return the next section for the latest question that does not ask for more."""
    further = 1
    for exchange in reversed(context.earlier):
        question = exchange.question
        if _wants_more(frozenset(re.findall(r"[a-z']+", question.lower()))):
            further += 1
            continue
        matches: Sequence[Match] = _retriever().rank(question)
        if len(matches) > further and matches[0].relevance >= (needed := _needed(question)):
            if matches[further].relevance < needed * _PERHAPS:
                break
            section = matches[further].section
            return f"{section.text}\n\n*{_source(section)}*"
        break
    section = _section("What the guide can do")
    return f"The documentation has nothing more on that.\n\n{section.text}\n\n*{_source(section)}*"


def _cannot_serve(nearest: Sequence[Section]) -> str:
    connect = _section("Which models can be connected")
    lines = [
        "This package's documentation has no answer to that, and nothing else is known here.",
        f"A real model has one, once you connect it. {connect.text}",
        "Ask “How do I use Ollama?”, “How do I use OpenAI?” or “How do I connect a Berlin server?” for the steps.",
        f"*{_source(connect)}*",
    ]
    if nearest:
        names = ", ".join(f"“{section.heading}”" for section in nearest)
        lines.insert(1, f"If it is about this package, the nearest sections are {names}: ask for one by its name.")
    return "\n\n".join(lines)
