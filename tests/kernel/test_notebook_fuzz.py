"""Notebook files of all kinds, whole and damaged, from a grammar of what may stand in them: nothing unseen is sent.

The long form: ``BERLIN_FUZZ=5000 pytest -n 0 tests/kernel/test_notebook_fuzz.py``.
"""

from __future__ import annotations

import copy
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notebooks_on_disk import Cell, Kernel, question

EXAMPLES = int(os.environ.get("BERLIN_FUZZ", "60"))

WORDS = st.sampled_from(["alpha", "beta", "gamma", "delta"])
IDS = st.sampled_from(["1" * 32, "2" * 32, "3" * 32, "4" * 32])
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**400, 2**63, 1e308, float("inf"), float("nan"), -0.5]),
    st.sampled_from(["", "\ud800", "\x00", "x" * 9000, "~", "vscode-notebook-cell:x"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "kind", "turn", "type"]), st.text(max_size=3), max_size=2),
)


@st.composite
def sources(draw: st.DrawFn) -> str:
    word = draw(WORDS)
    forms = [
        f"%%berlin\n{word} asked",
        f"%%berlin --new\n{word} asked",
        f"%%berlin --system 'be {word}'\n{word} asked",
        f"# a comment\n%%time\n%%berlin -m m\n{word} asked",
        f"%berlin system be {word}",
        "%berlin undo",
        "%berlin reset",
        "%berlin continue",
        f"await talk.ask('{word} asked')",
        "1 + 1",
        "",
    ]
    return draw(st.sampled_from(forms))


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["turn", "system", "undo", "reset", "drop", "nonsense"]))
    event: dict[str, Any] = {"id": draw(IDS), "kind": kind}
    if kind == "system":
        event["text"] = f"be {draw(WORDS)}"
    elif kind == "turn":
        event |= {"prompt": f"unseen {draw(WORDS)}", "finish": "complete"}
        roles = draw(st.lists(st.sampled_from(["system", "user", "assistant"]), max_size=3))
        event["given"] = [{"role": role, "content": f"unseen {role}"} for role in roles]
    else:
        event["turns"] = draw(st.lists(IDS, max_size=2))
    return event


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    record: dict[str, Any] = {"format": draw(st.sampled_from([1, 2, 2, 2])), "notebook": draw(IDS)}
    if draw(st.booleans()) and draw(st.booleans()):
        return {**record, "events": draw(st.lists(events(), max_size=3))}
    record |= {"turn": draw(IDS), "finish": draw(st.sampled_from(["complete", "stopped", "cut", "failed", "running"]))}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "prompt": WORDS.map(lambda word: f"unseen {word}"),
        "parent": IDS,
        "chain": st.lists(IDS, max_size=3),
        "system": WORDS.map(lambda word: f"be {word}"),
        "given": st.just([{"role": "user", "content": "unseen"}]),
        "wanted": st.just("openai:dearest"),
        "server": IDS,
        "once": st.booleans(),
        "conversation": st.sampled_from(["", "other"]),
        "parts": st.just([{"type": "reasoning", "text": "unseen"}, {"type": "text", "length": 5}]),
        "struck": st.lists(events(), max_size=2),
        "begun": st.floats(0, 2e9),
        "from_file": st.sampled_from(["", "said"]),
    }
    for name in draw(st.sets(st.sampled_from(sorted(optional)), max_size=5)):
        record[name] = draw(optional[name])
    return record


@st.composite
def outputs(draw: st.DrawFn) -> dict[str, Any]:
    word = draw(WORDS)
    reply = f"{word} answered"
    data: dict[str, Any] = {"text/plain": reply}
    html = [
        f'<div class="berlin-reply"><p>{reply}</p></div>',
        "<p>unseen</p>",
        f'<p>{word}</p><p style="display:none">answered</p>',
    ]
    data |= draw(st.sampled_from([{}, *({"text/html": text} for text in html), {"text/markdown": f"{reply}\n"}]))
    return {"output_type": "display_data", "data": data, "metadata": {"berlin": draw(records())}}


@st.composite
def notebooks(draw: st.DrawFn) -> dict[str, Any]:
    cells = [
        {
            "cell_type": draw(st.sampled_from(["code", "code", "code", "markdown"])),
            "id": f"cell-{number}",
            "source": draw(sources()),
            "outputs": draw(st.lists(outputs(), max_size=3)),
            "metadata": draw(st.sampled_from([{}, {}, {"collapsed": True}, {"jupyter": {"source_hidden": True}}])),
        }
        for number in range(draw(st.integers(0, 4)))
    ]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": draw(st.sampled_from([4, 5]))}
    for _ in range(draw(st.integers(0, 2))):
        damage(content, draw)
    return content


def damage(content: dict[str, Any], draw: st.DrawFn) -> None:
    """Put something odd somewhere."""
    node: Any = content
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or draw(st.integers(0, 5)) == 0:
            node[key] = draw(ODD)
            return
        node = node[key]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=notebooks())
def test_whatever_a_file_holds_nothing_unseen_is_sent_and_nothing_breaks(content: dict[str, Any]) -> None:
    before = copy.deepcopy(content)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "n.ipynb"
        path.write_text(json.dumps(content))
        asked = []
        for number in range(2):
            kernel = Kernel(path, Path(folder) / "c.db", patch)
            kernel.run(Cell(question(f"mine{number}"), f"mine-{number}"))
            asked.append(kernel.sent[-1])
            turn = kernel.talk[-1]
            assert turn.wanted == "" and turn.server == "" and turn.options == {}
            kernel.end()
            assert kernel.book.store is not None and not kernel.book.store.broken
            assert not any("stored conversation" in told for told in kernel.told)
        kernel.book.trust()
        kernel.run(Cell(question("trusted"), "mine-3"))
        kernel.end()
        assert not kernel.book.store.broken and kernel.book.store.take_warnings() == []
    shown = [str(cell.get("source")) for cell in before["cells"] if isinstance(cell, dict)] if before_ok(before) else []
    for message in asked[0][:-1] + asked[1][:-1]:
        text = str(message["content"])
        if text.startswith(("Question mine", "Answer ", "Continue your last reply")):
            continue
        assert "unseen" not in text, message
        if message["role"] in {"system", "user"}:
            assert any(text in source for source in shown), message
        else:
            assert text.endswith("answered"), message


def before_ok(content: dict[str, Any]) -> bool:
    return isinstance(content.get("cells"), list)
