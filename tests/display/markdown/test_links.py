"""Which addresses may be links."""

from __future__ import annotations

import pytest

from berlin_magic.display.markdown.links import addresses, link_target


@pytest.mark.parametrize(
    "address",
    [
        "https://e.example",
        "HTTP://e.example/a?b=c#d",
        "mailto:a@b.example",
        "https://e.example/%C3%A9",
        "http://localhost:8888/lab",
        "http://127.0.0.1:65535",
        "http://[::1]:80/",
        "https://a_b.e.example./x@y",
    ],
)
def test_addresses_of_the_web_and_of_people_are_targets(address):
    assert link_target(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "javascript:x",
        "JAVASCRIPT:x",
        " javascript:x",
        "data:text/html,x",
        "vbscript:x",
        "file:///x",
        "//e.example",
        "/x",
        "x",
        "#x",
        "?x",
        "https:e.example",
        "https:/e.example",
        "https://",
        "https:///x",
        "https://user@e.example",
        "http\n://x",
        "https://e\\x",
        "https://bank.example%40e.example/",
        "https://bank.example%2F.e.example/",
        "https://bank.example／.e.example/",
        "https://e.example:65536/",
        "https://e.example:x/",
        "https://1.2.3.4.5/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://[::1/",
        "https://e\u2028x/",
        "https://onload=alert(1)/",
        "blob:https://x",
        "https://e.example/" + "x" * 9000,
    ],
)
def test_anything_else_is_dead(address):
    assert link_target(address) is None


def test_what_could_end_an_attribute_is_encoded():
    assert link_target("https://e.example/\"'<>`{}|é") == "https://e.example/%22%27%3C%3E%60%7B%7D%7C%C3%A9"


def test_a_host_of_any_script_is_one():
    assert link_target("https://bücher.example/é") == "https://b%C3%BCcher.example/%C3%A9"
    assert link_target("https://नमस्ते.भारत/") is not None


def test_bare_addresses_end_before_punctuation():
    text = "(see https://e.example/a_(b), or http://x.example.)"
    assert [text[start:end] for start, end, _ in addresses(text)] == ["https://e.example/a_(b)", "http://x.example"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("见https://e.example/a。", "https://e.example/a"),
        ("https://e.example/a，谢谢", "https://e.example/a"),
        ("（https://e.example/a）", "https://e.example/a"),
        ("「https://e.example/a」を", "https://e.example/a"),
        ("“https://e.example/a”和", "https://e.example/a"),
        ("https://e.example/a；https", "https://e.example/a"),
        ("https://e.example/a、b", "https://e.example/a"),
        ("보기:https://e.example/a！", "https://e.example/a"),
        ("https://zh.e.example/wiki/柏林。", "https://zh.e.example/wiki/柏林"),
        ("xhttps://e.example", None),
        ("1https://e.example", None),
    ],
)
def test_bare_addresses_stand_between_chinese_japanese_and_korean_characters(text, address):
    assert next((text[start:end] for start, end, _ in addresses(text)), None) == address
