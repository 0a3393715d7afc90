"""The embedded engine streams the guide's answers and refuses models that it is not."""

import asyncio
import re
from contextlib import aclosing
from importlib import resources

import pytest

from berlin_magic import Berlin
from berlin_magic.errors import ModelUnknownError
from berlin_magic.providers.guide.answers import answer
from berlin_magic.server.accounts.model import SecretAccount
from berlin_magic.server.embedded import EmbeddedEngine
from berlin_magic.server.engine import Engine

QUESTION = [{"role": "user", "content": "How do I stop a reply?"}]
TEN = [
    "How do I install it?",
    "How do I stop a reply?",
    "Where is my password stored?",
    "How do I connect Ollama?",
    "How can I get the answer into a variable?",
    "Does it remember what I asked?",
    "How do I start over?",
    "Which options does %%berlin take?",
    "What happens when the connection breaks in the middle?",
    "How do I ask from Python without await?",
    "What is berlin-server?",
    "Are you a language model?",
]


async def pieces(messages, engine=None, **options):
    engine = engine or EmbeddedEngine(pace=0)
    async with aclosing(engine.stream(messages, options)) as stream:
        return [event.text async for event in stream]


async def text(question, **options):
    return "".join(await pieces([{"role": "user", "content": question}], **options))


async def test_different_questions_have_different_answers_that_quote_the_documentation():
    folder = resources.files("berlin_magic") / "documentation"
    files = "\n".join(file.read_text(encoding="utf-8") for file in folder.iterdir())
    answers = [await text(question) for question in TEN]
    assert len(set(answers)) == len(TEN)
    for question, given in zip(TEN, answers, strict=True):
        sentences = re.findall(r"[A-Z][^.|\n]{40,}\.", given.rsplit("\n\n", 1)[0])
        assert any(sentence in files for sentence in sentences), question


async def test_the_pieces_joined_are_the_whole_answer():
    for question in ("How do I stop a reply?", "show me everything", "count to 5"):
        messages = [{"role": "user", "content": question}]
        assert "".join(await pieces(messages)) == "".join(part.text for part in answer(messages))


async def test_a_piece_is_about_a_word():
    given = await pieces(QUESTION)
    assert max(len(piece.split()) for piece in given) == 1
    assert all(given)


async def test_the_same_messages_have_the_same_answer():
    assert await pieces(QUESTION, temperature=0) == await pieces(QUESTION, EmbeddedEngine(pace=0), temperature=1)


async def test_the_first_piece_does_not_wait_for_the_pace():
    stream = EmbeddedEngine(pace=3600).stream(QUESTION, {})
    async with aclosing(stream), asyncio.timeout(10):
        assert await anext(stream)


async def test_the_second_piece_waits_for_the_pace():
    stream = EmbeddedEngine(pace=3600).stream(QUESTION, {})
    async with aclosing(stream):
        await anext(stream)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)


async def test_other_tasks_run_between_the_pieces_even_without_a_pace():
    turns = 0

    async def tick():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(tick())
    given = await pieces(QUESTION)
    task.cancel()
    assert turns >= len(given) - 1


async def test_two_conversations_are_answered_at_the_same_time():
    engine = EmbeddedEngine(pace=0)
    other = [{"role": "user", "content": "Where is my password stored?"}]
    first, second = await asyncio.gather(pieces(QUESTION, engine), pieces(other, engine))
    assert (first, second) == (await pieces(QUESTION), await pieces(other))


async def test_it_lists_no_model_that_it_is_not():
    assert list(await EmbeddedEngine().models()) == ["berlin-guide"]


@pytest.mark.parametrize("model", ["gpt-4", "gpt-3.5-turbo", "llama3.2", "berlin-guide2"])
async def test_another_model_is_refused_with_how_to_connect_one(serve, model):
    client = await serve(EmbeddedEngine(pace=0), SecretAccount("ada", "right"), unnamed="")
    generator = Berlin.create_async_generator(model, QUESTION, url=client.url, account="ada", password="right")
    with pytest.raises(ModelUnknownError, match="%berlin use ollama:") as refusal:
        await anext(generator)
    assert f"Model {model} is not supported: nothing is connected here but the built-in guide" in str(refusal.value)
    assert "`%berlin providers` lists them all”" in str(refusal.value), "it is quoted whole"


async def test_clients_that_name_a_model_for_users_who_chose_none_are_answered(serve):
    client = await (await serve(EmbeddedEngine(pace=0))).login()
    for model in ("gpt-3.5-turbo", "", None):
        async with client.chat("How do I stop a reply?", model=model) as answer:
            assert "berlin-guide" in await answer.text()
    status, envelope = await client.refusal(model="gpt-4")
    assert (status, envelope["code"]) == (500, 5000)


async def test_max_tokens_limits_the_words_and_says_so():
    given = await text("How do I stop a reply?", max_tokens=5)
    assert given == "Click **Stop** under the reply …\n\n*Cut after 5 words, as max_tokens asked.*"


async def test_a_code_block_that_is_cut_is_closed():
    given = await text("show me some code", max_tokens=12)
    assert given.count("```") == 2


@pytest.mark.parametrize("limit", [1888, 0, -1, None, True, "5"])
async def test_a_limit_that_is_large_or_none_changes_nothing(limit):
    assert await text("How do I stop a reply?", max_tokens=limit) == await text("How do I stop a reply?")


async def test_closing_the_stream_in_the_middle_ends_it():
    engine: Engine = EmbeddedEngine(pace=0)
    stream = engine.stream(QUESTION, {})
    await anext(stream)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await engine.close()
