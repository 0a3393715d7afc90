import dataclasses
import datetime as dt
import json
import sys
from typing import Annotated, Literal, NotRequired, TypedDict

import pydantic
import pytest
import typing_extensions

from berlin_magic.conversations.storage.visible_text import agrees
from berlin_magic.errors import PromptError, ReplyFormatError
from berlin_magic.results.typed import any_json, schema_of


class Line(pydantic.BaseModel):
    text: str
    price: float = pydantic.Field(ge=0)


class Invoice(pydantic.BaseModel):
    number: str
    day: dt.date
    lines: list[Line] = []


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


class Person(TypedDict):
    name: str
    age: NotRequired[int]


class Address(typing_extensions.TypedDict):
    street: str


SCHEMA = {
    "title": "Pet",
    "type": "object",
    "properties": {"name": {"type": "string"}, "legs": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name"],
}
JSON = '{"number": "A-1", "day": "2026-11-28", "lines": [{"text": "tea", "price": 2.5}]}'
INVOICE = Invoice(number="A-1", day=dt.date(2026, 11, 28), lines=[Line(text="tea", price=2.5)])


@pytest.mark.parametrize(
    ("type_", "name", "text", "value"),
    [
        (Invoice, "Invoice", JSON, INVOICE),
        (Point, "Point", '{"x": 1}', Point(1.0)),
        (Person, "Person", '{"name": "Ada"}', {"name": "Ada"}),
        (Person, "Person", '{"name": "Ada", "age": 36}', {"name": "Ada", "age": 36}),
        (Address, "Address", '{"street": "A"}', {"street": "A"}),
        (Literal["spam", "ham"], "Literal['spam', 'ham']", '{"value": "ham"}', "ham"),
        (Literal["spam", "ham"], "Literal['spam', 'ham']", "ham\n", "ham"),
        (Literal[1, 2], "Literal[1, 2]", "2", 2),
        (list[Line], "list[Line]", '{"value": [{"text": "a", "price": 1}]}', [Line(text="a", price=1)]),
        (list[Line], "list[Line]", '[{"text": "a", "price": 1}]', [Line(text="a", price=1)]),
        (list[list[int]], "list[list[int]]", '{"value": [[1], []]}', [[1], []]),
        (list[Person], "list[Person]", '[{"name": "Ada"}]', [{"name": "Ada"}]),
        (dict[str, Person], "dict[str, Person]", '{"value": {"name": "Ada"}}', {"value": {"name": "Ada"}}),
        (list[Person | None], "", '[{"name": "Ada"}, null]', [{"name": "Ada"}, None]),
        (Annotated[int, pydantic.Field(gt=3)], "", "4", 4),
        (bool, "bool", "true", True),
        (SCHEMA, "Pet", '{"name": "Rex", "legs": [1]}', {"name": "Rex", "legs": [1]}),
        ({"enum": ["a", "b"]}, "the schema", '{"value": "a"}', "a"),
    ],
)
def test_a_reply_that_fits_gives_a_value_of_the_type(type_, name, text, value):
    spec = schema_of(type_)

    assert spec.parse(text) == value
    assert type(spec.parse(text)) is type(value)
    assert spec.name == name or not name
    json.dumps(spec.reply_schema)
    assert spec.json_schema["type"] == "object"


@pytest.mark.parametrize(
    ("type_", "text", "faults"),
    [
        (
            Invoice,
            '{"number": 3, "lines": [{"text": "tea", "price": "two"}]}',
            [
                "number: Input should be a valid string, not 3",
                "day: Field required",
                'lines[0].price: Input should be a valid number, unable to parse string as a number, not "two"',
            ],
        ),
        (Point, '{"y": 1}', ["x: Field required"]),
        (Person, '{"name": null}', ["name: Input should be a valid string, not null"]),
        (Literal["a", "b"], "c", ["Input should be 'a' or 'b', not \"c\""]),
        (list[int], '{"value": [1, "x"]}', ["[1]: Input should be a valid integer"]),
        (SCHEMA, '{"legs": ["x"]}', ["'name' is a required property", "legs[0]: 'x' is not of type 'integer'"]),
        (Invoice, "I can't say.", ["there is no JSON in it"]),
        (Invoice, "", ["there is no JSON in it"]),
        (Invoice, "[" * 100_000, ["there is no JSON in it"]),
    ],
)
def test_a_reply_that_does_not_fit_is_refused_with_the_places(type_, text, faults):
    spec = schema_of(type_)

    with pytest.raises(ReplyFormatError) as refused:
        spec.parse(text)

    assert len(refused.value.faults) == len(faults)
    for told, fault in zip(refused.value.faults, faults, strict=True):
        assert told.startswith(fault)
        assert told in str(refused.value)
        assert told in spec.repair(refused.value)
    assert spec.name in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        f"Here it is:\n\n```json\n{JSON}\n```\n\nAnything else?",
        f"Sure! {JSON} That is all.",
        f"The list [1] is not it, but {JSON} is.",
        f"```\n{JSON}\n```",
        f"\n\n{JSON}\n",
    ],
)
def test_the_json_is_found_between_words(text):
    assert schema_of(Invoice).parse(text) == INVOICE


def test_at_most_some_faults_are_told():
    with pytest.raises(ReplyFormatError) as refused:
        schema_of(list[int]).parse(json.dumps(["x"] * 1000))

    assert len(refused.value.faults) == 9
    assert refused.value.faults[-1] == "… and 992 more"


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (3, "which is not a type"),
        ("Invoice", "which is not a type"),
        ({"type": "nothing"}, "is not a JSON schema"),
        ({"type": "string", "default": {1, 2}}, "is not a JSON schema"),
        (type("Odd", (), {}), "has no JSON schema"),
        (list[type("Odd", (), {})], "has no JSON schema"),
    ],
)
def test_what_is_no_type_is_refused_before_anything_is_sent(type_, said):
    with pytest.raises(PromptError, match=said):
        schema_of(type_, "thing")


def test_a_schema_elsewhere_is_not_fetched():
    spec = schema_of({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}})

    with pytest.raises(PromptError, match="nothing is fetched"):
        spec.parse('{"a": 1}')


def test_a_validator_that_fails_says_so_in_place_of_the_value():
    class Odd(pydantic.BaseModel):
        name: str

        @pydantic.field_validator("name")
        @classmethod
        def known(cls, name):
            return {}[name]

    with pytest.raises(ReplyFormatError, match="KeyError: 'x'"):
        schema_of(Odd).parse('{"name": "x"}')


@pytest.mark.parametrize(("type_", "package"), [(Point, "pydantic"), (SCHEMA, "jsonschema")])
def test_a_missing_package_is_named(monkeypatch, type_, package):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(PromptError, match=rf"(?s)needs the package {package}.*berlin-magic\[typed\]") as refused:
        schema_of(type_)
    assert "nothing was sent" in str(refused.value)


def test_a_value_is_plain_json_again():
    assert schema_of(Invoice).plain(INVOICE) == json.loads(JSON)
    assert schema_of(list[Point]).plain([Point(1, 2)]) == [{"x": 1.0, "y": 2.0}]
    assert schema_of(SCHEMA).plain({"name": "Rex"}) == {"name": "Rex"}


def test_the_instruction_holds_the_schema_and_a_server_is_given_it_under_a_plain_name():
    spec = schema_of(list[Invoice])

    assert json.dumps(spec.json_schema) in spec.instruction
    assert spec.reply_schema == {"name": "list_Invoice", "schema": spec.json_schema}
    assert "$defs" in spec.json_schema


def test_any_json_will_do_without_a_schema():
    spec = any_json()

    assert spec.parse('Well: {"a": [1]}') == {"a": [1]}
    assert spec.parse("3") == 3
    assert spec.reply_schema is None
    with pytest.raises(ReplyFormatError, match="there is no JSON in it"):
        spec.parse("no")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a": [1]}', '```json\n{\n  "a": [\n    1\n  ]\n}\n```\n'),
        ('Here: {"a": "é"} Done.', 'Here:\n\n```json\n{\n  "a": "é"\n}\n```\n\nDone.\n'),
        ('```json\n{"a": 1}\n```', '```json\n{"a": 1}\n```'),
        ('{"a": 1e3}', '```json\n{"a": 1e3}\n```\n'),
        ("ham", "ham"),
        ('{"a": ', '{"a": '),
    ],
)
def test_a_reply_is_shown_with_its_json_indented_and_the_same_letters(text, shown):
    assert any_json().readable(text) == shown
    data = {"text/plain": text, "text/markdown": shown}
    assert agrees(data)
