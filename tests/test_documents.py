"""The documents that a newcomer reads first: what they name is there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import berlin_magic

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "berlin_magic"
FUTURE = {"prompts/", "results/", "providers/NAME/"}  # rooms that the table foresees, and a name to be chosen
WORDS_OF_THE_README = 700


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").split()) <= WORDS_OF_THE_README


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)]+)\)", text_of(name))
    assert [link for link in links if not (ROOT / link).exists()] == []


def table() -> str:
    """Return the part of CONTRIBUTING.md that says where a change goes."""
    return text_of("CONTRIBUTING.md").partition("## Where a change goes")[2].partition("\n## ")[0]


def test_every_file_that_a_change_goes_into_exists() -> None:
    named = {path for path in re.findall(r"`([\w./*]+/[\w./*]*)`", text_of("CONTRIBUTING.md")) if path[0] not in "./"}
    assert len(named) > 30
    missing = [
        path for path in named - FUTURE if not any([*ROOT.glob(path), *PACKAGE.glob(path), *PACKAGE.glob(f"{path}.py")])
    ]
    assert missing == []


def test_every_test_to_copy_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", table()))
    there = {
        name
        for path in ROOT.glob("tests/**/test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    }
    assert len(named) >= 5
    assert named - there == set()


def test_every_public_name_is_in_the_reference() -> None:
    reference = (PACKAGE / "documentation" / "reference.rst").read_text(encoding="utf-8")
    named = set(re.findall(r"auto\w+:: berlin_magic\.(\w+)$", reference, re.MULTILINE))
    for module in re.findall(r"automodule:: (\S+)", reference):
        named |= set(import_module(module).__all__)
    assert set(berlin_magic.__all__) - named == set()
