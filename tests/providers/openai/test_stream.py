"""The answer to a chat completion: the same deltas however its bytes were cut."""

from __future__ import annotations

import json

import pytest
from completions import DONE, completion, event, step, streamed, usage
from hypothesis import given
from hypothesis import strategies as st
from scripted import slices

from berlin_magic.errors import BerlinError
from berlin_magic.providers.openai.delta import Delta
from berlin_magic.providers.openai.stream import CompletionDecoder


def merged(deltas: list[Delta]) -> list[Delta]:
    """Return those that say something, and texts that follow each other as one: how many come at once is the cuts'."""
    found: list[Delta] = []
    for delta in deltas:
        if found and delta == Delta(text=delta.text) and found[-1] == Delta(text=found[-1].text):
            found[-1] = Delta(text=found[-1].text + delta.text)
        elif delta != Delta():
            found.append(delta)
    return found


def decoded(*reads: bytes, limit: int = 2**26) -> tuple[list[Delta], bool, str]:
    """Return the deltas that say something, whether the reply is complete, and the error that ended it."""
    decoder, deltas = CompletionDecoder(limit), []
    try:
        for read in reads:
            for delta in decoder.feed(read):
                deltas.append(delta)  # noqa: PERF402 - extend() loses them all when the iterator raises
        for delta in decoder.flush():
            deltas.append(delta)  # noqa: PERF402
    except BerlinError as error:
        return merged(deltas), False, f"{type(error).__name__}: {error}"
    return merged(deltas), decoder.finished or decoder.done, ""


def text(*reads: bytes) -> str:
    deltas, complete, error = decoded(*reads)
    assert complete, error
    return "".join(delta.text for delta in deltas)


def assert_same_at_every_cut(data: bytes) -> None:
    whole = decoded(data)
    assert decoded(*slices(data, 1)) == whole
    for cut in range(len(data)):
        assert decoded(data[:cut], b"", data[cut:]) == whole, cut


@pytest.mark.parametrize(
    "data",
    [
        streamed("Hello ", "you 🎉"),
        b"\xef\xbb\xbf" + streamed("Hello ", "you 🎉"),
        b": OPENROUTER PROCESSING\n\n" + streamed("Hello ", "you 🎉"),
        b"\n\n" + streamed("Hello ", "you 🎉"),
        b"event: message\nid: 1\n" + streamed("Hello ", "you 🎉"),
        streamed("Hello ", "you 🎉").replace(b"\n", b"\r\n"),
        streamed("Hello ", "you 🎉").replace(b"data: ", b"data:"),
        streamed("Hello ", "you 🎉").removesuffix(DONE),
        streamed("Hello ", "you 🎉").removesuffix(b"\n\n"),
        streamed("Hello ", "you 🎉").removesuffix(DONE).removesuffix(b"\n\n"),
        step("Hello ") + step("you 🎉") + DONE,
        json.dumps(completion("Hello you 🎉")).encode(),
        b"\xef\xbb\xbf \n" + json.dumps(completion("Hello you 🎉"), indent=2, ensure_ascii=False).encode() + b"\n",
    ],
)
def test_every_form_of_an_answer_gives_its_text_at_every_cut(data):
    assert text(data) == "Hello you 🎉"
    assert_same_at_every_cut(data)


def test_a_delta_is_out_with_the_blank_line_of_its_event():
    decoder = CompletionDecoder()
    assert [delta.text for delta in decoder.feed(step("a"))] == ["a"]


def test_usage_after_the_last_word_is_told():
    deltas, complete, _ = decoded(step("a"), step(finish="stop"), usage(3, 2), DONE)
    assert complete
    assert deltas[-1].usage is not None
    assert deltas[-1].usage.prompt_tokens == 3


def test_what_follows_done_is_not_read():
    assert text(step("a"), DONE, step("b"), b"data: garbage\n\n") == "a"


def test_halves_of_a_character_in_two_events_are_put_together():
    data = b"".join(b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % half for half in (b"a\\ud83c", b"\\udf89b"))
    assert text(data, DONE) == "a🎉b"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbf\n",
        step("a"),
        step("a") + step("b")[:-20],
        step("a") + b"data: ",
        step("a") + b'data: {"choices"',
        b": ping\n\n",
        json.dumps(completion("a")).encode()[:-10],
        b'{"choices": [{"mess',
    ],
)
def test_an_end_before_the_reply_is_complete_is_an_incomplete_reply(data):
    deltas, complete, error = decoded(data)
    assert not complete
    assert error.startswith("IncompleteReplyError")
    assert "".join(delta.text for delta in deltas) == ("a" if data.startswith(b"data: {") else "")
    assert_same_at_every_cut(data)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"<!doctype html><title>Sign in</title>", "Sign in"),
        (b"Bad Gateway", "Bad Gateway"),
        (b"oops", "oops"),
        (b"[1, 2]", "[1, 2]"),
        (b'{"status": "ok"}', '{"status": "ok"}'),
        (b"{no json}", "{no json}"),
        (b'{"segment": "start", "content": ""}\n\n{"segment": "stop"}', "segment"),
        (step("a") + b'data: {"choices": [{"del\n\n' + step("b"), "del"),
        (step("a") + b"data: <html>no</html>\n\n" + step("b"), "html"),
        (b"data: oops\n\n", "oops"),
        (b'data: {"x": 1}\n\n', '{"x": 1}'),
        (b'data: {"x": 1}\n\n' + DONE, '{"x": 1}'),
    ],
)
def test_what_is_no_chat_completion_is_named_at_every_cut(data, named):
    _, _, error = decoded(data)
    assert error.startswith("IncorrectAnswerError")
    assert named in error
    assert_same_at_every_cut(data)


def test_an_error_in_the_stream_comes_out_as_a_delta_in_its_place():
    deltas, _, _ = decoded(step("a"), event({"error": {"message": "overloaded"}}))
    assert [delta.text for delta in deltas] == ["a", ""]
    assert deltas[1].error == {"message": "overloaded"}


@pytest.mark.parametrize("data", [step("x" * 500), json.dumps(completion("x" * 500)).encode()])
def test_an_object_beyond_the_limit_is_refused(data):
    assert decoded(data, limit=300)[2].startswith("ReplyTooLargeError")
    assert decoded(*slices(data, 7), limit=300)[2].startswith("ReplyTooLargeError")


_parts = st.one_of(
    st.text(max_size=10).map(step),
    st.sampled_from([DONE, step(finish="stop"), usage(1, 2), b": ping\n\n", b"\n", b"\r\n"]),
    st.binary(max_size=5),
)


@given(st.lists(_parts, max_size=8).map(b"".join), st.lists(st.integers(0, 800), max_size=6))
def test_any_cuts_of_any_bytes_give_the_same(data, cuts):
    places = sorted({min(cut, len(data)) for cut in cuts})
    reads = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    assert decoded(*reads) == decoded(data) == decoded(*slices(data, 1))


STRAY = [b": keepalive", b"ping", b"null", b'"ping"', b"[]", b"1", b"[1, 2]", b"{}", b'{"type": "ping"}', b"oops", b""]


@pytest.mark.parametrize("stray", STRAY)
def test_what_gateways_put_between_the_chunks_is_passed_over(stray):
    line = b"data: " + stray + b"\n\n"
    for data in (line + streamed("ab"), step("a") + line + step("b") + step(finish="stop"), streamed("ab") + line):
        assert text(data) == "ab"
        assert_same_at_every_cut(data)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_without_blank_lines_is_read_line_by_line(end):
    chunks = [step("a", end=b""), step("b", end=b""), step(finish="stop", end=b""), b"data: [DONE]"]
    data = b"".join(chunk + end for chunk in chunks)
    assert text(data) == "ab"
    assert_same_at_every_cut(data)
    decoder = CompletionDecoder()
    assert [delta.text for delta in decoder.feed(chunks[0] + end + chunks[1] + end)] == [
        "a"
    ]  # a line late, not at the end


def test_an_object_over_several_lines_of_data_is_one():
    lines = json.dumps(completion("Hello"), indent=1).encode().splitlines()
    data = b"".join(b"data: " + line + b"\n" for line in lines) + b"\n" + DONE
    assert text(data) == "Hello"


@pytest.mark.parametrize("indent", [None, 1])
def test_an_error_that_is_sent_bare_after_chunks_keeps_its_words(indent):
    bare = json.dumps({"error": {"message": "out of memory", "code": 500}}, indent=indent).encode()
    for end in (b"", b"\n", b"\n\n"):
        deltas, _, _ = decoded(step("a") + bare + end)
        assert deltas[0].text == "a" and deltas[-1].error == {"message": "out of memory", "code": 500}


def test_reasoning_details_alone_are_reasoning():
    details = [
        [{"type": "reasoning.text", "text": "Hm, ", "index": 0}],
        [{"type": "reasoning.summary", "summary": "well", "index": 0}],
        [{"type": "reasoning.encrypted", "data": "opaque", "index": 0}],
        [{"type": "reasoning.text", "text": "", "signature": "signed", "index": 0}],
        "nothing",
        [7],
    ]
    deltas, _, _ = decoded(b"".join(step(reasoning_details=entry) for entry in details) + streamed("42"))
    assert "".join(delta.reasoning for delta in deltas) == "Hm, well"
    assert [delta.signature for delta in deltas if delta.signature] == ["opaque", "signed"]


def test_reasoning_that_is_told_twice_counts_once():
    told = step(reasoning="Hm", reasoning_details=[{"type": "reasoning.text", "text": "Hm"}])
    deltas, _, _ = decoded(told + streamed("42"))
    assert [delta.reasoning for delta in deltas if delta.reasoning] == ["Hm"]
