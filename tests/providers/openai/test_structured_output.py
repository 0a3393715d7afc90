import pytest

from berlin_magic.providers.openai.structured_output import structured_output

TEXT = {"type": "string"}


def sent(schema):
    return structured_output({"name": "it", "schema": schema})["response_format"]["json_schema"]


def test_without_a_schema_there_is_no_option():
    assert structured_output(None) == {}


def test_objects_are_closed_wherever_they_stand():
    inner = {"type": "object", "properties": {"b": TEXT}, "required": ["b"]}
    outer = {"type": "object", "properties": {"properties": inner}, "required": ["properties"], "$defs": {"x": inner}}

    schema = sent(outer)["schema"]

    assert schema["additionalProperties"] is False
    assert schema["properties"]["properties"]["additionalProperties"] is False
    assert schema["$defs"]["x"]["additionalProperties"] is False
    assert "additionalProperties" not in outer


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": TEXT}, "required": ["a"]}, True),
        ({"type": "object", "properties": {"a": TEXT}}, False),
        ({"type": "object", "properties": {"a": {**TEXT, "format": "date"}}, "required": ["a"]}, False),
        ({"type": "object", "additionalProperties": TEXT}, False),
        ({"type": "object", "properties": {"a": {"type": "array", "items": {}}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {"anyOf": [TEXT, {"type": "null"}]}}, "required": ["a"]}, True),
    ],
)
def test_it_is_strict_if_the_schema_is_of_the_subset_that_may_be(schema, strict):
    assert sent(schema)["strict"] is strict
