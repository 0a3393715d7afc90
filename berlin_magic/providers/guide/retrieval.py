"""Search for the sections of the documentation that answer a question.

BM25 over three fields (questions, headings, text) gives the order. The relevance, the part of the question that a
section covers, shows whether the question is about this package at all. The same question always has the same answer.

What was tried in its place: SQLite's FTS5 is not compiled in everywhere, gives no measure of relevance, and without
`SAME` puts another section first for 6 of the 43 questions in test_answers.py. The relevance alone, without BM25, finds
the right section for 83 of 300 questions that were taken out of questions.toml; with BM25 it is 95.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from berlin_magic.providers.guide.documentation import Section

__all__ = ["EMPTY", "SAME", "WEAK", "Match", "Retriever", "stem", "terms", "words"]


def words(text: str) -> frozenset[str]:
    """Return the words of `text`, separated by white space."""
    return frozenset(text.split())


EMPTY = words("""
between difference meaning written wrote
a able about actually all also am an and any anybody anyone anything anyway are as at be
because been being best bit but by can can't cannot could did do does doesn't doing don't easily
else ever every everything exactly explain few for from get gets getting give gives go going gone
good got had happen happens has have having he hello help her here hey hi him his how i i'd i'll i'm
i've if in into is isn't it it's its itself just kind know let like likely lot made make makes
making many may maybe me mean means might more most much must my myself need needed no nor not of
off ok okay on one only or other our out over per please possible properly quickly really
recommended right same see shall she should show simply so some somebody somehow someone something
still such supposed sure tell than thank thanks that that's the their them then there these they
thing things this those to too try trying under until up us very want wants was way ways we well
were what what's when where where's which who whose why will with within without won't would
wouldn't yes yet you your yours
""")
"""Words that do not show what a question is about."""

WEAK = words("""
notebook again while
answer ask asked berlin best big build call change code come computer cost data day end example file
find first free function good high jupyter keep language last line list live long look loop low
machine model name new number open page people person place point price program python question read
run safe said save say set small start stay take talk test text three time turn two use used user
using version word work world write year
""")
"""Words that are too general: a question with no others may be about anything."""

SAME = tuple(
    words(line)
    for line in """
stop halt cancel abort kill quit end terminate cease
interrupt ctrl-c sigint
answer reply response respond
show display render view appear visible
conversation chat dialogue dialog talk discussion thread session
reset clear forget erase wipe restart fresh anew delete
remember memory recall context history
save store keep persist stored kept
password passphrase credential secret login
token key credential
login log-in sign-in signin authenticate logon
model llm gpt ai engine
setting option configuration config preference configure customize parameter
environment env
variable name
connect attach link hook plug
install setup pip
start launch run begin boot
error exception failure fail problem crash
freeze hang block stuck frozen unresponsive
slow lag long
wait pending
server backend host service
cost price free pay charge expensive cheap
private privacy confidential secrecy
local offline laptop locally
partial half incomplete unfinished
cut truncate broken lost drop
stream live incremental
async asynchronous asyncio await
sync synchronous blocking
list show display
length size limit maximum max short shorten
terminal console shell
instruction persona role behave
safe secure security danger dangerous trust
share publish
upload send transmit sent
table dataframe
ollama llama
document documentation docs manual
default standard
background meanwhile while parallel concurrent
""".strip().splitlines()
)
"""Groups of words that mean the same in a question about this package."""


# The questions in examples ("Why is the sky blue?") are not about the topic of their section.
_EXAMPLE = re.compile(r"^```text\n.*?^```$", re.DOTALL | re.MULTILINE)
_TOKEN = re.compile(r"%{0,2}[a-z0-9][a-z0-9_'.]*(?:-[a-z0-9_]+)*|--?[a-z][a-z-]*|■")

_HEADING, _ASKED, _TEXT = 2.5, 2.0, 1.0
_K1, _B = 1.4, 0.6
_SHORT = 3
_SYNONYM = 0.6
_WEAK_WEIGHT = 0.3


@dataclass(frozen=True, slots=True)
class Match:
    """A section that may answer a question.

    Attributes
    ----------
    section : Section
        The section.
    score : float
        The order of the matches; larger is better.
    relevance : float
        From 0 (nothing in common) to 1 (one of the section's own questions).
    """

    section: Section
    score: float
    relevance: float


def stem(word: str) -> str:
    """Return `word` (lower case) without the endings of English inflection; short words stay as they are."""
    word = word.removesuffix("'s").strip("'.")
    if not word.isalpha() or len(word) <= _SHORT:
        return word
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x")):
        if word.endswith(ending):
            return word.removesuffix(ending) + instead
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        root = word.removesuffix(ending)
        if root != word and len(root) >= _SHORT and re.search(r"[aeiouy]", root):
            if len(root) > _SHORT and root[-1] == root[-2] and root[-1] not in "lsz":
                root = root[:-1]
            word = root
            break
    return word.removesuffix("e") if len(word) > _SHORT + 1 else word


def terms(text: str) -> list[str]:
    """Return the stemmed words of `text` without those in `EMPTY`, in order; of compounds also the parts."""
    found: list[str] = []
    for token in _TOKEN.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")):
        plain = token.strip(".'")
        if plain in EMPTY or not plain:
            continue
        whole = plain.lstrip("-") if not plain.startswith("--") else plain
        is_compound = not re.fullmatch(r"[a-z0-9]+(?:'[a-z]+)?", plain)
        parts = [part for part in re.split(r"[^a-z0-9]+", plain) if part != whole] if is_compound else []
        found.append(stem(whole))
        found.extend(stem(part) for part in parts if part not in EMPTY and len(part) > 1)
    return found


def _wording(text: str) -> str:
    """Return `text` in lower case and without punctuation, for a comparison of words."""
    return " ".join(re.findall(r"[%\w'-]+", text.lower()))


def _synonyms() -> dict[str, frozenset[str]]:
    groups = [frozenset(stem(word) for word in group) for group in SAME]
    words = frozenset().union(*groups)
    return {word: frozenset().union(*(group for group in groups if word in group)) - {word} for word in words}


_SYNONYMS = _synonyms()
_WEAK_STEMS = frozenset(stem(word) for word in WEAK)


class _Entry:
    """The entry of a section in the index."""

    def __init__(self, section: Section) -> None:
        asked = [terms(phrase) for phrase in section.questions]
        headed = terms(section.heading)
        self.section = section
        self.wordings = frozenset(_wording(phrase) for phrase in [section.heading, *section.questions])
        self.phrases = [frozenset(phrase) for phrase in [headed, *asked] if phrase]
        self.strong = frozenset(headed).union(*asked)
        self.counts: Counter[str] = Counter()
        for words, weight in (
            (headed, _HEADING),
            (terms(section.topic), _TEXT),
            (terms(_EXAMPLE.sub("", section.text)), _TEXT),
        ):
            for word in words:
                self.counts[word] += weight  # type: ignore[assignment]  # Counter is typed for int, adds floats
        for word in {word for phrase in asked for word in phrase}:
            self.counts[word] += _ASKED  # type: ignore[assignment]
        self.length = float(sum(self.counts.values()))


class Retriever:
    """An index that ranks sections by a question.

    Parameters
    ----------
    sections : iterable of Section
        The sections to search.
    """

    def __init__(self, sections: Iterable[Section]) -> None:
        self._entries = [_Entry(section) for section in sections]
        frequency = Counter(word for entry in self._entries for word in entry.counts)
        total = len(self._entries)
        self._rarity = {word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in frequency.items()}
        self._unknown = math.log(1 + (total - 0.5) / 1.5)  # that of a word in one section
        self._mean = sum(entry.length for entry in self._entries) / max(total, 1)
        self._phrases = [[(phrase, self._sum(phrase)) for phrase in entry.phrases] for entry in self._entries]

    def rank(self, question: str) -> Sequence[Match]:
        """Return the sections that share a word with `question`, best first; none if it has no such word."""
        asked = list(dict.fromkeys(terms(question)))
        wording = _wording(question)
        matches: list[Match] = []
        for entry, phrases in zip(self._entries, self._phrases, strict=True):
            # "What can you do?" has no word that carries meaning, and yet it is known.
            if wording in entry.wordings:
                matches.append(Match(entry.section, math.inf, 1.0))
            elif (score := self._score(asked, entry)) > 0:
                likeness = self._likeness(asked, phrases)
                matches.append(
                    Match(entry.section, score * (1 + 2 * likeness), self._relevance(asked, entry, likeness))
                )
        return sorted(matches, key=lambda match: -match.score)

    def _weight(self, word: str) -> float:
        """Return the weight of a word. Unknown words have the highest: the question is about something else."""
        return self._rarity.get(word, self._unknown) * (_WEAK_WEIGHT if word in _WEAK_STEMS else 1)

    def _score(self, asked: Sequence[str], entry: _Entry) -> float:
        scale = _K1 * (1 - _B + _B * entry.length / self._mean)
        score = 0.0
        for word in asked:
            options = [(word, 1.0), *((other, _SYNONYM) for other in sorted(_SYNONYMS.get(word, ())))]
            score += max(
                share * self._rarity.get(option, 0.0) * entry.counts[option] / (entry.counts[option] + scale)
                for option, share in options
            )
        return score

    def _sum(self, words: Iterable[str]) -> float:
        return sum(self._weight(word) for word in words)

    def _likeness(self, asked: Sequence[str], phrases: Sequence[tuple[frozenset[str], float]]) -> float:
        """Return the similarity of `asked` to the most similar of the phrases, given with their weights; 0 to 1."""
        weights = [(word, self._weight(word)) for word in asked]
        mine = sum(weight for _, weight in weights)
        best = 0.0
        for phrase, theirs in phrases:
            shared = sum(weight * self._nearness(word, phrase) for word, weight in weights)
            best = max(best, shared / max(mine + theirs - shared, 1e-9))
        return best

    @staticmethod
    def _nearness(word: str, words: frozenset[str]) -> float:
        if word in words:
            return 1.0
        return _SYNONYM if words & _SYNONYMS.get(word, frozenset()) else 0.0

    def _relevance(self, asked: Sequence[str], entry: _Entry, likeness: float) -> float:
        mine = self._sum(asked)
        text = frozenset(entry.counts)
        covered = sum(
            self._weight(word) * max(self._nearness(word, entry.strong), 0.5 * self._nearness(word, text))
            for word in asked
        )
        found = 0.5 * covered / max(mine, 1e-9) + 0.5 * likeness
        return found / 2 if _WEAK_STEMS.issuperset(asked) else found
