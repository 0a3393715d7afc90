"""Any provider from a cell: by the model's prefix, from the environment, from another package; in real kernels."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from completions import DONE, step, streamed, usage
from providers.test_documented_provider import install_example
from real_kernel.conftest import environment
from real_kernel.rig import Kernel, Message
from scripted import HEAD, Script, ScriptedServer, Then, reply, scripted_server

pytestmark = pytest.mark.kernel

CHAT = "/v1/chat/completions"
KEY = "canary-key-sk-4f4f4f"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"


class Engine:
    """A scripted server on a loop and thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self.server: ScriptedServer = asyncio.run_coroutine_threadsafe(
            self._stack.enter_async_context(scripted_server()), self._loop
        ).result(10)

    def answers(self, script: Script, path: str = CHAT) -> None:
        self.server.on(path, script)

    @property
    def asked(self) -> list[dict[str, object]]:
        return [request.json for request in self.server.to(CHAT)]

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.end()


@pytest.fixture(scope="module")
def kernels(running: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with OpenAI's variables set, and another package's provider installed."""
    folder = tmp_path_factory.mktemp("packages")
    install_example(folder)
    keys = {"OPENAI_BASE_URL": running.server.url, "OPENAI_API_KEY": KEY}
    kernel = Kernel(str(folder), env={**environment(tmp_path_factory), **keys})
    kernel.good("%load_ext berlin_magic")
    yield kernel
    kernel.close()


@pytest.fixture
def engine(running: Engine) -> Engine:
    running.server.requests.clear()
    running.answers([HEAD + streamed("Hello ", "you")])
    return running


@pytest.fixture
def kernel(kernels: Kernel, engine: Engine) -> Kernel:
    kernels.good("%config BerlinMagics.model = ''")
    kernels.good("%config BerlinMagics.provider = ''")
    kernels.good("%config BerlinMagics.url = ''")
    kernels.good("%berlin reset")
    return kernels


def seen(message: Message) -> str:
    return json.dumps(message.content, ensure_ascii=False)


def test_with_openais_variables_alone_its_server_is_asked(kernel: Kernel, engine: Engine) -> None:
    run = kernel.good("%%berlin -m gpt-4 -t 0.5 --max-tokens 7\nHello?")
    assert run.answer["text/plain"] == "Hello you"
    assert (run.metadata["provider"], run.metadata["model"]) == ("OpenAI", "gpt-4")
    assert engine.asked[0] == {
        "model": "gpt-4",
        "messages": [{"role": "user", "content": "Hello?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "max_tokens": 7,
    }
    assert engine.server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert not any(KEY in seen(message) for message in run.messages)


def test_images_of_a_reply_are_outputs_and_parts_of_the_turn(kernel: Kernel, engine: Engine) -> None:
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}}
    evil = {"type": "image_url", "image_url": {"url": "https://elsewhere.example/x.png"}}
    drawn = [step("A cat", role="assistant"), step("", images=[image, evil]), step(finish="stop"), DONE]
    engine.answers([HEAD + b"".join(drawn)])
    run = kernel.good("%%berlin -m m\nDraw a cat.")
    reply, shown, other = run.outputs
    assert reply["data"]["text/plain"] == "A cat" and reply["metadata"]["berlin"]["finish"] == "complete"
    assert shown["data"]["image/png"] == png and list(other["data"]) == ["text/plain"]
    assert "elsewhere" in other["data"]["text/plain"]
    assert png not in json.dumps(reply)
    value = "__import__('berlin_magic').conversation()[-1].images[0].url"
    assert png in kernel.value(value)
    shown_again = kernel.good("%berlin show").outputs
    assert shown_again[0]["data"]["text/plain"] == "A cat" and "berlin" not in shown_again[0]["metadata"]
    assert shown_again[1]["data"]["image/png"] == png and [*shown_again[2]["data"]] == ["text/plain"]
    again = kernel.good("%%berlin -m m --replay --new\nDraw a cat.")
    assert again.outputs[1]["data"]["image/png"] == png and len(engine.asked) == 1

    engine.answers([HEAD + step("", role="assistant", images=[image]) + step(finish="stop") + DONE])
    run = kernel.good("%%berlin -m m\nOnly draw it.")
    assert run.metadata["finish"] == "complete" and run.outputs[1]["data"]["image/png"] == png
    assert "the reply is empty" not in json.dumps(run.outputs[0])
    engine.answers([HEAD + streamed("Fine.")])
    kernel.good("%%berlin -m m\nThanks.")
    assert [one["content"] for one in engine.asked[-1]["messages"]] == [
        *("Draw a cat.", "A cat", "Only draw it.", "[an image]", "Thanks.")
    ]


def test_a_prefix_names_the_provider_for_one_question_and_use_for_all(kernel: Kernel, engine: Engine) -> None:
    kernel.good(f"from berlin_magic.providers.openai.services import Ollama; Ollama.url = {engine.server.url!r}")
    run = kernel.good("%%berlin -m ollama:qwen2.5:7b\nHello?")
    assert (run.metadata["provider"], run.metadata["model"]) == ("Ollama", "qwen2.5:7b")
    assert "authorization" not in engine.server.requests[0].headers
    assert "llama3.2 of Ollama" in kernel.good("%berlin use ollama:llama3.2").stdout
    kernel.good("%%berlin\nAnd now?")
    assert [body["model"] for body in engine.asked] == ["qwen2.5:7b", "llama3.2"]
    assert [message["content"] for message in engine.asked[1]["messages"]] == ["Hello?", "Hello you", "And now?"]
    state = kernel.good("%berlin").stdout
    assert "Ollama" in state and engine.server.url in state


def test_code_asks_as_the_cells_do(kernel: Kernel, engine: Engine) -> None:
    kernel.good("from berlin_magic import Conversation")
    kernel.good(f"talk = Conversation(model='vllm:m', url={engine.server.url!r})")
    assert kernel.value("await talk.ask('Hello')") == "'Hello you'"
    assert "authorization" not in engine.server.requests[0].headers


def test_reasoning_is_folded_and_no_part_of_reply_or_context(kernel: Kernel, engine: Engine) -> None:
    thinking = [step(reasoning_content="<b>Let me</b> see"), step("42"), step(finish="length"), usage(11, 3), DONE]
    engine.answers([HEAD, thinking[0], 3.0, b"".join(thinking[1:])])
    run = kernel.good("%%berlin -m gpt-4 -o answer\n6 times 7?")
    assert kernel.value("answer") == "'42'"
    data = run.answer
    assert data["text/plain"].strip() == "42" and "see" not in data["text/markdown"]
    assert "<details" in data["text/html"] and "&lt;b&gt;Let me&lt;/b&gt; see" in data["text/html"]
    for words in ("characters of reasoning", "3 tokens", "--max-tokens"):
        assert words in data["text/html"]
    assert any("thinking" in seen(message) for message in run.messages)
    assert (run.metadata["completion_tokens"], run.metadata["reason"]) == (3, "length")
    assert "see" not in json.dumps(run.metadata)
    engine.answers([HEAD + streamed("more")])
    kernel.good("%berlin use gpt-4")
    kernel.good("%berlin continue")
    assert len(engine.asked[-1]["messages"]) == 3
    assert "see" not in json.dumps(engine.asked[-1]["messages"])


def test_a_reply_that_was_cut_is_gone_on_with_by_whoever_began_it(kernel: Kernel, engine: Engine) -> None:
    kernel.good(f"from berlin_magic.providers.openai.services import Ollama; Ollama.url = {engine.server.url!r}")
    engine.answers([HEAD + step("so ")])
    run = kernel.run("%%berlin -m ollama:llama3.2\nHello?")
    assert run.status == "error" and "`%berlin continue` goes on" in run.error
    engine.answers([HEAD + streamed("far")])
    run = kernel.good("%berlin continue")
    assert (run.metadata["provider"], run.metadata["model"]) == ("Ollama", "llama3.2")
    assert [message["role"] for message in engine.asked[-1]["messages"]] == ["user", "assistant", "user"]


def test_a_busy_server_is_told_in_the_status_line_until_the_first_word(kernel: Kernel, engine: Engine) -> None:
    busy = reply(429, b'{"error": {"message": "later"}}', "Retry-After: 1")
    engine.server.on(CHAT, [busy], [HEAD + streamed("at last")])
    run = kernel.good("%%berlin -m gpt-4\nHello?")
    assert run.answer["text/plain"].strip() == "at last"
    assert any("busy" in seen(message) for message in run.messages)
    assert "busy" not in run.answer["text/markdown"]


def test_stop_ends_a_reply_that_has_only_thought_so_far(kernel: Kernel, engine: Engine) -> None:
    engine.answers([HEAD + step(reasoning_content="hmm"), Then.HOLD])
    request = kernel.send("%%berlin -m gpt-4\nHello?")

    def interrupt(message: Message) -> None:
        if "thinking" in seen(message) and not told:
            told.append(True)
            kernel.interrupt()

    told: list[bool] = []
    run = kernel.finish(request, watch=interrupt)
    assert told and run.error.splitlines() == ["Interrupted before the first word."]
    engine.answers([HEAD + streamed("fine")])
    assert kernel.good("%%berlin -m gpt-4\nStill there?").answer["text/plain"].strip() == "fine"
    assert len(engine.asked[-1]["messages"]) == 1


def test_another_packages_provider_is_one_like_any(kernel: Kernel, engine: Engine) -> None:
    engine.server.on("/ask", [PLAIN, "Grüße".encode()])
    kernel.good("%config BerlinMagics.provider = 'lines'")
    kernel.good(f"%config BerlinMagics.url = '{engine.server.url}/ask'")
    run = kernel.good("%%berlin -m some-model\nHello?")
    assert run.answer["text/plain"].strip() == "Grüße"
    assert (run.metadata["provider"], run.metadata["model"]) == ("Lines", "some-model")
    assert "Lines (the setting `provider`)" in kernel.good("%berlin").stdout
    kernel.good("%config BerlinMagics.url = ''")
    engine.server.on("/ask", [PLAIN, b"Es war einmal", Then.HOLD])
    kernel.good(f"import lines_provider; lines_provider.Lines.url = '{engine.server.url}/ask'")
    request = kernel.send("%%berlin -m lines:m\nHello?")

    def interrupt(message: Message) -> None:
        if "Es war einmal" in seen(message) and not told:
            told.append(True)
            kernel.interrupt()

    told: list[bool] = []
    run = kernel.finish(request, watch=interrupt)
    assert "Interrupted" in run.error and run.answer["text/plain"].startswith("Es war einmal")


def test_the_list_of_providers_comes_in_time_and_holds_no_key(kernel: Kernel, engine: Engine) -> None:
    engine.answers([reply(200, b'{"data": [{"id": "gpt-4"}]}')], "/v1/models")
    run = kernel.good("%berlin providers", timeout=30)
    lines = {line[2:].split()[0]: line for line in run.stdout.splitlines() if line[:2] in {"* ", "  "}}
    assert lines["openai"].startswith("* ") and "answers: 1 model" in lines["openai"]
    assert {"berlin", "ollama", "lines"} <= lines.keys()
    assert KEY not in run.stdout and run.stderr == ""


def test_a_broken_provider_is_two_lines_for_whoever_asks_it_and_nothing_for_the_others(
    running: Engine, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    install_example(tmp_path)
    (tmp_path / "lines_provider.py").write_text("import nowhere_to_be_found\n")
    running.answers([HEAD + streamed("Hello")])
    kernel = Kernel(str(tmp_path), env={**environment(tmp_path_factory), "OPENAI_BASE_URL": running.server.url})
    try:
        kernel.good("%load_ext berlin_magic")
        assert kernel.good("%%berlin -m m\nHello?").stderr == ""
        run = kernel.run("%%berlin -m lines:m\nHello?")
        assert run.error.startswith("NotConfiguredError: ") and len(run.error.splitlines()) < 5
        assert "nowhere_to_be_found" in run.error
        assert "can't be loaded" in kernel.good("%berlin providers", timeout=30).stdout
    finally:
        kernel.close()
