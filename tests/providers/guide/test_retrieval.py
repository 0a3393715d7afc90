"""Ranking: what is asked for comes first, and how far a section covers a question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.providers.guide.documentation import Section, documentation
from berlin_magic.providers.guide.retrieval import Retriever, stem, terms

STOP = Section("a.md", "Topic", "Stopping a reply", "Click the button.", ("how do I cancel it", "abort"))
SAVE = Section("b.md", "Topic", "Saving a notebook", "It is stored with every reply in it.", ("keep the file",))
PIES = Section("c.md", "Kitchen", "Baking pies", "Flour, butter, cherries.", ("recipe",))


@pytest.mark.parametrize(
    ("word", "like"),
    [("stopped", "stop"), ("stopping", "stops"), ("replies", "reply"), ("caching", "cache"), ("settings", "setting")],
)
def test_forms_of_a_word_have_one_stem(word, like):
    assert stem(word) == stem(like)


def test_words_that_say_nothing_are_no_terms():
    assert terms("How do I do this, please?") == []


def test_an_identifier_is_a_term_as_a_whole_and_in_its_parts():
    assert {"berlin_url", "url"} <= set(terms("What is BERLIN_URL?"))
    assert "--into" in terms("what is --into for")


def test_the_section_with_the_words_of_the_question_comes_first():
    first, *_ = Retriever([SAVE, STOP, PIES]).rank("How do I stop a reply?")
    assert first.section is STOP


def test_a_word_that_means_the_same_finds_the_section():
    first, *_ = Retriever([SAVE, STOP, PIES]).rank("halt the answer")
    assert first.section is STOP


def test_a_section_is_found_by_what_people_ask_although_its_text_says_it_otherwise():
    first, *_ = Retriever([SAVE, STOP, PIES]).rank("recipe")
    assert first.section is PIES


def test_a_question_in_the_very_words_of_a_section_is_wholly_relevant():
    first, *_ = Retriever(documentation()).rank("What can you do?")
    assert (first.section.heading, first.relevance) == ("What the guide can do", 1.0)


def test_a_question_without_a_known_word_finds_nothing():
    assert list(Retriever([STOP, SAVE]).rank("xylophone zebra")) == []
    assert list(Retriever([]).rank("stop")) == []


def test_unknown_words_lower_the_relevance():
    retriever = Retriever(documentation())
    asked = retriever.rank("How do I stop a reply?")[0].relevance
    strayed = retriever.rank("How do I stop a reply from a xylophone in Zanzibar?")[0].relevance
    assert strayed < asked


@given(st.text())
def test_any_question_is_ranked_without_an_error_and_within_bounds(question):
    matches = Retriever([STOP, SAVE, PIES]).rank(question)
    assert all(0 <= match.relevance <= 1 for match in matches)
    assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)
