"""The Berlin stream: bytes in, chunks out, the same however the bytes were cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import chunk, slices, stream

from berlin_magic.errors import BerlinError, IncompleteReplyError, IncorrectAnswerError, ReplyTooLargeError
from berlin_magic.providers.berlin.stream import Chunk, Decoder, Refusal

Item = Chunk | Refusal


def merged(items: list[Item]) -> list[Item]:
    """Return `items` with texts that follow each other as one: how many come at once depends on the cuts."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, Chunk) and item.segment == "text" and not item.finish:
            if not item.content:
                continue
            if found and isinstance(found[-1], Chunk) and found[-1].segment == "text" and not found[-1].finish:
                found[-1] = Chunk("text", found[-1].content + item.content)
                continue
        found.append(item)
    return found


def decoded(*reads: bytes, limit: int = 2**26) -> tuple[list[Item], str]:
    """Return what came out, and the error that ended it."""
    decoder, items = Decoder(limit), []
    try:
        for read in reads:
            for item in decoder.feed(read):
                items.append(item)  # noqa: PERF402 - extend() loses them all when the iterator raises
        decoder.flush()
    except BerlinError as error:
        return merged(items), f"{type(error).__name__}: {error} {error.body}"
    return merged(items), ""


def texts(*reads: bytes) -> list[str]:
    items, error = decoded(*reads)
    assert not error
    return [item.content for item in items if item.content]


def joined(*reads: bytes) -> str:
    return "".join(texts(*reads))


def assert_same_at_every_cut(data: bytes) -> None:
    whole = decoded(data)
    assert decoded(*slices(data, 1)) == whole
    for cut in range(len(data)):
        assert decoded(data[:cut], b"", data[cut:]) == whole, cut


def test_an_object_is_out_as_soon_as_its_brace_is_closed():
    decoder = Decoder()
    data = chunk("The ")
    brace = data.index(b"}") + 1
    assert list(decoder.feed(data[: brace - 1])) == []
    assert list(decoder.feed(data[brace - 1 : brace])) == [Chunk("text", "The ")]


def test_several_objects_in_one_read_come_out_in_order():
    assert joined(stream("a", "b", "c")) == "abc"


def test_the_last_object_needs_no_newline_after_it():
    items, error = decoded(chunk("a"), chunk("", "stop", end=b""))
    assert items[-1].last
    assert not error


@pytest.mark.parametrize("segment", ["stop", "end"])
def test_stop_and_end_say_that_the_reply_is_complete(segment):
    items, _ = decoded(chunk("", "start"), chunk("a"), chunk("", segment))
    assert [item.last for item in items] == [False, False, True]


@pytest.mark.parametrize("between", [b"", b"\n", b"\n\n", b"\r\n", b"\r\n\r\n", b" \t\n", b"\n\n\n\n"])
def test_objects_are_told_apart_whatever_stands_between(between):
    data = b"".join(chunk(content, end=between) for content in ("a", "b", "c"))
    assert joined(data) == "abc"
    assert_same_at_every_cut(data)


@pytest.mark.parametrize(
    "text", ["Привет 你好 🎉", 'quotes " and \\ and \\"', "\n\t\x00", "}{", '{"segment": "stop"}', "\\u007d"]
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_utf8_escapes_and_braces_in_a_string_may_be_cut_anywhere(text, ascii_only):
    data = json.dumps({"segment": "text", "content": text}, ensure_ascii=ascii_only).encode() + b"\n\n"
    assert joined(data, data) == text + text
    assert_same_at_every_cut(data + data)


def test_objects_within_objects_do_not_end_it():
    data = b'{"pluginInfo": {"a": {"b": [{}, "}"]}}, "segment": "text", "content": "x"}{"segment":"stop"}'
    assert texts(data) == ["x"]
    assert_same_at_every_cut(data)


@pytest.mark.parametrize("content", [None, ""])
def test_null_and_empty_content_is_no_text_and_no_end(content):
    items = list(Decoder().feed(chunk(content, "start") + chunk(content) + chunk("a") + chunk(content)))
    assert [item.content for item in items] == ["", "", "a", ""]
    assert not any(item.last for item in items)


def test_an_object_without_content_has_none():
    assert decoded(b'{"segment": "start"}') == ([Chunk("start", "")], "")


def test_unknown_keys_and_segments_are_no_matter():
    assert texts(b'{"segment": "thinking", "content": "a", "pluginInfo": null, "x": [1, 2]}') == ["a"]


def test_text_in_the_last_chunk_counts():
    assert texts(chunk("a"), chunk("b", "stop")) == ["a", "b"]


def as_events(*objects: bytes, line_end: bytes = b"\n") -> bytes:
    """Return a stream as older servers send it."""
    return b"".join(b"data: " + data.strip() + 2 * line_end for data in objects)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_chunks_that_come_as_server_sent_events_are_the_same(line_end):
    data = as_events(chunk("", "start"), chunk("a: data"), chunk("b"), chunk("", "stop"), line_end=line_end)
    assert joined(data) == "a: datab"
    assert decoded(data)[0][-1].last
    assert_same_at_every_cut(data)


def test_what_events_hold_beside_their_data_is_no_matter():
    data = b": hello {\n\nid: 7\nevent: chunk\nretry: 10\ndata:" + chunk("a") + b": ping\n\n" + as_events(chunk("b"))
    assert joined(data) == "ab"
    assert_same_at_every_cut(data)
    assert_same_at_every_cut(data + b": never ended")


def test_done_says_that_the_reply_is_complete():
    data = as_events(chunk("a"), b"[DONE]")
    items, error = decoded(data)
    assert items[-1].last
    assert not error
    assert_same_at_every_cut(data)


def test_an_event_is_out_with_its_brace_and_needs_no_blank_line():
    assert list(Decoder().feed(b"data: " + chunk("a", "end", end=b""))) == [Chunk("end", "a")]


def test_a_comment_without_end_takes_no_room():
    decoder = Decoder()
    for _ in range(100):
        assert list(decoder.feed(b":" + b"x" * 1000)) == []
    assert len(decoder._buffer) == 1


def test_older_servers_say_text_in_place_of_content():
    assert joined(b'{"segment": "text", "text": "a"}', b'{"segment": "text", "content": "b", "text": "c"}') == "ab"


def test_a_byte_order_mark_before_the_stream_is_skipped():
    data = b"\xef\xbb\xbf" + stream("a")
    assert texts(data) == ["a"]
    assert_same_at_every_cut(data)


def test_a_byte_order_mark_alone_is_an_empty_stream():
    assert decoded(b"\xef\xbb") == ([], "")
    assert decoded(b"\xef\xbb\xbf\n") == ([], "")


def test_an_empty_read_changes_nothing():
    assert texts(b"", chunk("a"), b"") == ["a"]


def test_halves_of_a_character_in_two_chunks_are_put_together():
    data = b'{"segment":"text","content":"a\\ud83c"}\n{"segment":"text","content":"\\udf89b"}'
    assert joined(data) == "a🎉b"
    assert_same_at_every_cut(data)


def test_the_second_half_is_waited_for_across_empty_chunks():
    assert (
        joined(b'{"segment":"text","content":"\\ud83c"}', chunk(None), b'{"segment":"text","content":"\\udf89"}')
        == "🎉"
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"segment":"text","content":"a\\ud83c"}{"segment":"text","content":"b"}', "a�b"),
        (b'{"segment":"text","content":"\\udf89b"}', "�b"),
        (b'{"segment":"text","content":"\\ud83c"}{"segment":"stop","content":""}', "�"),
        (b'{"segment":"text","content":"\\ud83c\\ud83c\\udf89"}', "�🎉"),
    ],
)
def test_a_half_that_stays_alone_is_replaced_so_that_the_text_can_be_saved(data, text):
    assert joined(data) == text
    joined(data).encode()
    assert_same_at_every_cut(data)


def test_an_envelope_in_the_stream_comes_out_as_a_refusal_after_the_text_before_it():
    data = chunk("a") + b'{"code": 4001, "data": [], "message": "x"}'
    assert decoded(data) == ([Chunk("text", "a"), Refusal({"code": 4001, "data": [], "message": "x"})], "")
    assert_same_at_every_cut(data)


def test_a_chunk_with_a_code_is_a_chunk():
    assert texts(b'{"segment": "text", "content": "a", "code": 0}') == ["a"]


@pytest.mark.parametrize(
    ("garbage", "named"),
    [
        (b"<!doctype html>\n<title>Sign in</title>", "<!doctype html>"),
        (b"Bad Gateway", "Bad Gateway"),
        (b"data: {}\n\n", "{}"),
        (b"data: hello\n\n", "hello"),
        (b"date: x\n\n", "date: x"),
        (b"[1, 2]", "[1, 2]"),
        (b'"text"\n', '"text"'),
        (b"}", "}"),
        (b"\xff\xfe\n", "\ufffd"),
        ("<html>\u202e\x1b[31m".encode(), "<html> [31m"),
        (b"x" * 1000, "x" * 300),
        (b"\xef\xbb\xbfx", "x"),
        (b'{"id": 1}', '{"id": 1}'),
        (b"{}", "{}"),
        (b'{"segment": 1}', '{"segment": 1}'),
        (b'{"segment": "text", "content": 1}', '"content": 1'),
        (b'{"segment": "text", "content": ["a"]}', '"content": ["a"]'),
        (b"{no json}", "{no json}"),
        (b'{"segment": "text", "content": "\xff"}', "content"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, '{"a":'),
    ],
)
def test_what_is_neither_a_chunk_nor_blank_is_named_the_same_at_every_cut(garbage, named):
    data = chunk("before") + garbage
    items, error = decoded(data)
    assert items == [Chunk("text", "before")]
    assert error.startswith("IncorrectAnswerError")
    assert named in error
    assert decoded(*slices(data, 1)) == (items, error)
    for cut in range(0, len(data), max(1, len(data) // 200)):
        assert decoded(data[:cut], data[cut:]) == (items, error), cut


def test_text_before_garbage_is_out_before_the_error_also_in_one_read():
    items = Decoder().feed(chunk("a") + chunk("b") + b"garbage\n" + chunk("c"))
    assert next(items).content == "ab"
    with pytest.raises(IncorrectAnswerError, match="garbage"):
        next(items)


@pytest.mark.parametrize("cut", range(1, len(chunk("a", end=b""))))
def test_an_end_within_an_object_is_an_incomplete_reply(cut):
    decoder = Decoder()
    assert [item.content for item in decoder.feed(chunk("before") + chunk("a")[:cut])] == ["before"]
    with pytest.raises(IncompleteReplyError):
        decoder.flush()


def test_an_object_of_several_megabytes_comes_out_whole():
    text = 'ab"\\ {} é' * 400_000
    data = chunk(text)
    assert len(data) > 4_000_000
    assert texts(*slices(data, 65_536)) == [text]


def test_each_byte_is_looked_at_once_however_small_the_reads():
    """The searches go on where the last one ended: what they look at adds up to the object, not to its square."""
    decoder = Decoder()
    looked_at = 0
    data = chunk("x" * 5_000)
    for read in slices(data, 10):
        before = decoder._position
        list(decoder.feed(read))
        looked_at += max(decoder._position - before, 0)
    assert looked_at <= len(data)


def test_an_object_beyond_the_limit_is_refused_the_same_at_every_cut():
    data = chunk("a") + chunk("x" * 200)
    error = decoded(data, limit=150)
    assert error[0] == [Chunk("text", "a")]
    assert error[1].startswith("ReplyTooLargeError")
    assert decoded(*slices(data, 1), limit=150) == error
    with pytest.raises(ReplyTooLargeError):
        list(Decoder(150).feed(b'{"endless": "' + b"x" * 200))


def test_many_objects_together_may_exceed_the_limit_of_one():
    assert decoded(chunk("x" * 50) * 100, limit=150) == ([Chunk("text", "x" * 5000)], "")


_content = st.one_of(st.none(), st.text(max_size=20))
_segment = st.sampled_from(["start", "text", "stop", "end"])
_object = st.builds(
    lambda segment, content, more, ascii_only: json.dumps(
        {"segment": segment, "content": content, **more}, ensure_ascii=ascii_only
    ).encode("utf-8", "surrogatepass"),
    _segment,
    _content,
    st.dictionaries(st.sampled_from(["id", "pluginInfo", "dateTime"]), st.text(max_size=5), max_size=2),
    st.booleans(),
)
_between = st.sampled_from(
    [b"\n", b"\n\n", b"\r\n", b" ", b"data: ", b": ping\n", b"event: x\r\n", b"data: [DONE]\n\n"]
)
_part = st.one_of(_object, _object, _between, st.binary(max_size=6))


@given(st.lists(_part, max_size=8).map(b"".join), st.lists(st.integers(0, 400), max_size=8))
def test_any_cuts_of_any_bytes_give_the_same(data, cuts):
    places = sorted({min(cut, len(data)) for cut in cuts})
    reads = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    assert decoded(*reads) == decoded(data) == decoded(*slices(data, 1))


@given(st.lists(st.text(), max_size=6), st.sampled_from([b"", b"\n", b"\n\n", b"\r\n"]))
def test_any_texts_come_out_as_they_went_in(contents, between):
    data = b"".join(chunk(content, end=between) for content in contents)
    assert joined(*slices(data, 3)) == "".join(contents)


@pytest.mark.parametrize(
    "odd",
    [
        b'{"segment":"text","content":"b"},{"segment":"text","content":"c"}',
        b'{"segment":"text","content":"b}\n\n{c"}',
        b'{"segment":"text","content":["b"]}',
        b'{"segment":"text"}',
        b'{"segment":"text","content":""}',
        b'{"segment":"start","content":"b"}',
        b'{"segment":"stop"}',
        b"[]",
        b'{"code":-1,"data":[],"message":"no"}',
        b'data: {"segment":"text","content":"b"}',
        '{"segment":"text","content":"\\ud83d"}\n\n{"segment":"text","content":"\\ude00é"}'.encode(),
    ],
)
def test_what_stands_among_many_chunks_of_text_is_read_as_it_is_alone(odd):
    text = b'{"id":"1","segment":"text","content":"a"}'
    assert_same_at_every_cut(b"\n\n".join([text, text, odd, text, text, b'{"segment":"stop"}']))
