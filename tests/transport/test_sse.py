"""The event stream: the rules of the WHATWG standard (section 9.2.6), quoted where they are held."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.errors import ReplyTooLargeError
from berlin_magic.transport.sse import Event, EventStreamDecoder


def events(*cuts: bytes) -> list[Event]:
    decoder = EventStreamDecoder()
    return [event for cut in cuts for event in decoder.feed(cut)]


def data(stream: bytes) -> list[str]:
    return [event.data for event in events(stream)]


def test_data_lines_of_one_event_are_joined_by_line_feeds():
    """Section 9.2.6: "data: YHOO / data: +2 / data: 10" is one event."""
    assert data(b"data: YHOO\ndata: +2\ndata: 10\n\n") == ["YHOO\n+2\n10"]


def test_the_standards_example_of_four_blocks():
    """Section 9.2.6: "The first block has just a comment, and will fire nothing."."""
    stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert events(stream) == [
        Event("first event"),
        Event("second event"),
        Event(" third event"),
    ]


def test_a_field_without_a_colon_has_an_empty_value():
    """Section 9.2.6: "The last block is discarded because it is not followed by a blank line."."""
    assert data(b"data\n\ndata\ndata\n\ndata:") == ["", "\n"]


def test_only_one_space_after_the_colon_is_dropped():
    assert data(b"data:test\n\ndata: test\n\ndata:  test\n\n") == ["test", "test", " test"]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_end_with_lf_cr_or_crlf(end: bytes):
    assert data(end.join([b"data: a", b"data: b", b"", b"data: c", b"", b""])) == ["a\nb", "c"]


def test_line_ends_may_be_mixed():
    assert data(b"data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\r\n") == ["a\nb\nc", "d"]


def test_an_event_that_ends_with_cr_is_there_before_the_next_byte():
    assert events(b"data: a\r\r") == [Event("a")]


def test_a_line_feed_after_a_cut_crlf_is_no_second_line_end():
    assert events(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [Event("a\nb")]


def test_an_empty_read_between_cr_and_lf_changes_nothing():
    assert events(b"data: a\r", b"", b"\ndata: b\n\n") == [Event("a\nb")]


def test_one_leading_byte_order_mark_is_dropped_whatever_the_cut():
    assert events(b"\xef", b"\xbb", b"\xbfdata: a\n\n") == [Event("a")]
    assert events(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n") == []
    assert events(b"data: a\n\n\xef\xbb\xbfdata: b\n\n") == [Event("a")]


def test_comments_and_unknown_fields_are_ignored():
    assert data(b": ping\ndata: a\nfoo: bar\n:data: no\nDATA: no\n data: no\n\n: pong\n\n") == ["a"]


def test_an_event_without_data_is_not_dispatched_and_its_type_is_forgotten():
    """Section 9.2.6: "If the data buffer is an empty string, set [both] to the empty string and return"."""
    assert events(b"event: add\n\ndata: a\n\n") == [Event("a")]


def test_the_event_field_names_the_type_of_its_own_event_only():
    assert events(b"event: add\ndata: 1\n\ndata: 2\n\n") == [Event("1", "add"), Event("2", "message")]


def test_what_is_for_connecting_again_is_passed_over():
    decoder = EventStreamDecoder()
    assert decoder.feed(b"id: 1\ndata: a\n\nid: 2\0\nretry: 2500\ndata: b\n\nid: 3\n\n") == [Event("a"), Event("b")]
    assert not decoder.bare


def test_bytes_that_are_not_utf8_become_replacement_characters():
    assert data(b"data: a\xff\xe4\xbd\nb\n\n") == ["a\ufffd\ufffd"]


def test_an_event_without_its_blank_line_is_never_dispatched_but_can_be_flushed():
    """Section 9.2.6: "Once the end of the file is reached, any pending data must be discarded."."""
    for end in (b"", b"\n", b"\r", b"\r\n"):
        decoder = EventStreamDecoder()
        assert decoder.feed(b"data: a\n\ndata: b\nda") == [Event("a")]
        assert decoder.feed(b"ta: c" + end) == []
        assert decoder.flush() == [Event("b\nc")]
        assert decoder.flush() == []


def test_flush_of_a_stream_that_ended_well_is_empty():
    decoder = EventStreamDecoder()
    decoder.feed(b"data: a\n\nevent: x\n: bye")
    assert decoder.flush() == []


@pytest.mark.parametrize("part", [b"data: 1234", b"data: 1234\n", b": 12345678"])
def test_an_event_over_the_limit_is_refused_before_it_is_complete(part: bytes):
    decoder = EventStreamDecoder(limit=100)
    with pytest.raises(ReplyTooLargeError, match="100 bytes"):
        [decoder.feed(part) for _ in range(50)]


def test_the_limit_is_for_one_event_not_for_the_stream():
    decoder = EventStreamDecoder(limit=100)
    assert len([event for _ in range(50) for event in decoder.feed(b": hello\ndata: 1234\n\n")]) == 50


SYNTAX = [b"data", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"id", b"event", b"retry", b"1", b"x", b"\0"]
TEXT = ["é".encode(), "🎉".encode(), b"\xff", b"\xe4\xbd", b"\xef\xbb\xbf", b"data: a\n", b"data: b\r\n\r\n"]


@given(st.lists(st.sampled_from(SYNTAX + TEXT), max_size=40), st.data())
def test_any_cut_of_the_bytes_gives_the_same_events(pieces: list[bytes], draw: st.DataObject):
    stream = b"".join(pieces)
    marks = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    cuts = [stream[a:b] for a, b in zip([0, *marks], [*marks, len(stream)], strict=True)]
    for parts in (cuts, [stream[at : at + 1] for at in range(len(stream))]):
        whole, cut = EventStreamDecoder(), EventStreamDecoder()
        expected = whole.feed(stream)
        assert [event for part in parts for event in cut.feed(part)] == expected
        assert cut.flush() == whole.flush()
