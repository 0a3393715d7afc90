"""What the guide answers: quotations where the documentation has an answer, a plain refusal where it has none."""

import re

import pytest

from berlin_magic.messages import flatten
from berlin_magic.providers.guide.answers import answer
from berlin_magic.providers.guide.documentation import documentation

REFUSED = "This package's documentation has no answer to that"

ON_TOPIC = {
    "How do I stop a reply?": "Stopping a reply",
    "Is there a button to make it stop talking?": "Stopping a reply",
    "why did my kernel interrupt kill the other cells": "Interrupting the kernel",
    "can I get the answer into a variable?": "A reply in a variable",
    "where is my password stored?": "Where your password is kept",
    "how do I use ollama": "Connecting Ollama",
    "where do I put my OpenAI key": "Connecting OpenAI",
    "I have LM Studio running, how do I point this at it?": "Connecting vLLM, llama.cpp, LM Studio and others",
    "which provider does it ask, and why": "Which provider is asked",
    "how do I list the providers": "The list of providers",
    "can I write my own provider?": "Writing a provider",
    "where is the reasoning of the model": "What a model thinks before it answers",
    "what does ended at the length limit mean": "What the status line tells",
    "our school has a Berlin server, how do I log in": "Connecting a Berlin server",
    "How do I install this?": "Installing it",
    "can I have a model without an account and without network": "A small model in two lines",
    "where do I put my gguf files": "Asking a local model",
    "how do I use my graphics card": "Settings of a local model",
    "does the local model run in my kernel": "The process of a local model",
    "what is berlin_magic?": "What berlin_magic is",
    "how do i start over": "Starting again",
    "Make the model forget what I said": "Starting again",
    "Which options does %%berlin have?": "The options of %%berlin",
    "how can I make the answers shorter": "Limiting the length of an answer",
    "What happens to the conversation if I restart the kernel?": "How long it is remembered",
    "can my other cells run while it answers": "Other work while a reply streams",
    "is it free?": "What it costs",
    "does it work in vs code": "Where it works",
    "Are you ChatGPT?": "The built-in guide",
    "what can you do?": "What the guide can do",
    "what does error 4001 mean": "Logged out again and again",
    "connection refused, what now?": "The server cannot be reached",
    "how do I give it a persona": "The system prompt",
    "Can I tell the model to always answer in Spanish?": "The system prompt",
    "what is --once for": "A question outside the conversation",
    "how do i stream in python code": "Streaming piece by piece",
    "I don't want to use await": "Asking without await",
    "how can I save the conversation to a file": "The list of messages",
    "port 8731 is already in use": "The port is in use",
    "do you collect any telemetry": "Nothing phones home",
    "who can see my prompts?": "Where your questions go",
    "Cell magic `%%berlin` not found": '"Cell magic %%berlin not found"',
    "may my company use it": "Licence",
    "can I use %%time with it": "Under %%time, %%capture and in functions",
    "does it work with papermill": "In headless runs",
    "list all commands": "The commands of %berlin",
    "model not supported error": "The model is not known",
    "BERLIN_TOKEN": "Environment variables",
    "too many requests error": "Too many requests",
}

OFF_TOPIC = [
    "What is the capital of France?",
    "Write a poem about the sea",
    "What is 2+2?",
    "What is the population of Berlin?",
    "How many people live in Berlin?",
    "When was the Berlin wall built?",
    "How do I write a for loop in Python?",
    "Write a python function that reverses a string",
    "Translate 'good morning' into German",
    "Why is the sky blue?",
    "Explain the difference between a list and a tuple",
    "Sort a list in Python",
    "How do I stop smoking?",
    "How do I cancel my Netflix subscription?",
    "How do I reset my iPhone?",
    "How do I save money?",
    "What is a good password manager?",
    "What is the temperature on Mars?",
    "Who is the president of the United States?",
    "Write a haiku about jupyter notebooks",
    "What is a Jupyter notebook?",
    "Show me code for quicksort",
    "Give me a table of planets",
    "How do I count to ten in Spanish?",
    "xyzzy",
    "???",
]


def said(question: str, *earlier: dict[str, str]) -> str:
    return "".join(part.text for part in answer([*earlier, {"role": "user", "content": question}]))


def quoted(question: str, *earlier: dict[str, str]) -> str | None:
    """The heading of the section that the answer begins with."""
    text = said(question, *earlier)
    return next((section.heading for section in documentation() if text.startswith(section.text)), None)


@pytest.mark.parametrize(("question", "heading"), ON_TOPIC.items())
def test_a_question_about_the_package_is_answered_by_the_section_on_it(question, heading):
    assert quoted(question) == heading
    assert f"From “{heading}” in " in said(question)


@pytest.mark.parametrize("question", OFF_TOPIC)
def test_a_question_that_it_cannot_serve_is_told_so_with_what_to_do(question):
    text = said(question)
    assert text.startswith(REFUSED)
    assert "%berlin use ollama:" in text and "%berlin providers" in text
    assert "berlin-server --upstream" in text


def test_every_section_is_found_by_each_way_in_which_it_is_said_to_be_asked():
    missed = [
        (phrase, section.heading)
        for section in documentation()
        for phrase in section.questions
        if not said(phrase).startswith(("Your", "No earlier")) and said(phrase).startswith(REFUSED)
    ]
    assert missed == []


def test_every_section_is_found_by_its_heading():
    assert [section.heading for section in documentation() if quoted(section.heading) != section.heading] == []


def test_different_questions_have_different_answers():
    assert len({said(question) for question in ON_TOPIC}) >= len(set(ON_TOPIC.values())) >= 30


@pytest.mark.parametrize("question", [*ON_TOPIC, *OFF_TOPIC, "hello", "show me a table", "count to 3"])
def test_every_answer_says_in_its_last_line_that_no_language_model_gave_it(question):
    assert "berlin-guide, the built-in guide: not a language model" in said(question).splitlines()[-1]


def test_the_last_line_says_what_was_sent_along():
    earlier = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How do I install it?"},
        {"role": "assistant", "content": "With pip."},
    ]
    last = said("How do I stop a reply?", *earlier).splitlines()[-1]
    assert "2 earlier messages, the first `How do I install it?`; and a system prompt" in last


@pytest.mark.parametrize("question", [*OFF_TOPIC, "hello", "thanks", "show me a table", "more", "count to 300", ""])
def test_who_answers_is_said_once_in_what_is_no_quotation(question):
    assert len(re.findall("built-in guide|language model|berlin-guide", said(question))) == 3


def test_a_conversation_in_one_labelled_prompt_is_answered_as_the_same_in_messages():
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How do I install it?"},
        {"role": "assistant", "content": "With pip."},
        {"role": "user", "content": "What did I ask before?"},
    ]
    folded = answer([{"role": "user", "content": flatten(talk)}])
    assert folded == answer(talk)
    assert folded[0].text.startswith("Your previous question was `How do I install it?`.")


@pytest.mark.parametrize(
    "question",
    [
        "what did I ask before?",
        "What was my first question?",
        "What context were you sent?",
        "what was my last question",
        "Which messages were you given?",
        "What do you remember?",
        "What have I asked so far?",
        "what is your system prompt?",
    ],
)
def test_a_question_about_the_context_is_answered_from_the_context(question):
    earlier = [{"role": "user", "content": "Zanzibar?"}, {"role": "assistant", "content": "An island, perhaps."}]
    text = said(question, *earlier)
    assert "`Zanzibar?`" in text
    assert "An island, perhaps." in text.rsplit("\n\n", 1)[0]


@pytest.mark.parametrize("question", ["How do I ask my first question?", "How do I see the history?"])
def test_a_question_about_how_to_do_it_is_answered_from_the_documentation(question):
    assert quoted(question, {"role": "user", "content": "Zanzibar?"}) in {"Your first answer", "Seeing the history"}


def test_more_on_the_same_question_is_another_section_each_time():
    talk = [{"role": "user", "content": "How do I stop a reply?"}]
    first = quoted("tell me more", *talk)
    second = quoted("more", *talk, {"role": "user", "content": "tell me more"})
    assert len({"Stopping a reply", first, second} - {None}) == 3


def test_more_of_nothing_is_said_to_be_nothing():
    assert said("tell me more").startswith("The documentation has nothing more on that.")


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("show me a table", ["|---"]),
        ("Show me some code, please", ["```python"]),
        ("show me math", ["$$"]),
        ("a table and a formula", ["|---", "$$"]),
        ("show me everything", ["### ", "- a list", "> ", "|---", "```python", "$$"]),
        ("demo", ["|---", "$$"]),
    ],
)
def test_it_shows_off_what_is_asked_for(question, shown):
    text = re.sub(r"\|[-:|]+", "|---", said(question))
    assert [mark for mark in shown if mark not in text] == []


def test_it_counts_slower_than_it_speaks():
    parts = answer([{"role": "user", "content": "Please count to 20"}])
    assert parts[0].text == ", ".join(map(str, range(1, 21))) + "."
    assert parts[0].pause > 5


@pytest.mark.parametrize("last", [0, 201, 999_999_999])
def test_it_counts_no_further_than_it_says(last):
    text = said(f"count to {last}")
    assert "to 200 at most" in text
    assert len(text) < 2000


def test_a_long_answer_is_long_enough_to_be_stopped_in():
    assert len(said("Give me a long answer, please").split()) > 400


def test_a_greeting_is_returned_with_what_can_be_asked():
    assert said("Hi there!").startswith("Hello. Ask how to use this package")
    assert said("thank you very much").startswith("You are welcome.")


@pytest.mark.parametrize("messages", [[], [{"role": "user", "content": " "}], [{"role": "system", "content": "x"}]])
def test_where_nothing_was_asked_it_says_so(messages):
    assert "".join(part.text for part in answer(messages)).startswith("There is no question in what was sent.")
