"""Structured output: the option with which a server enforces a JSON schema.

OpenAI's ``response_format`` of the type ``json_schema`` (API reference, "Create chat completion"), which vLLM,
llama.cpp, Ollama, LM Studio and OpenRouter have, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["structured_output"]

# The keywords of OpenAI's strict mode ("Structured model outputs", supported schemas), which refuses all others.
_STRICT = {
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "items",
    "properties",
    "required",
    "title",
    "type",
}


def structured_output(reply_schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the option for a schema and its name; empty without a schema.

    Objects get no other properties than those of the schema. The strict mode is used if it supports the schema, as it
    refuses others.
    """
    if reply_schema is None:
        return {}
    schema = _closed(reply_schema["schema"])
    strict = all(map(_can_be_strict, _schemas(schema)))
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": reply_schema["name"], "schema": schema, "strict": strict},
        }
    }


def _closed(schema: Any) -> Any:
    """Return a schema whose objects have no other properties than those that it names."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed = {key: value if key in _NO_SCHEMA else _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), Mapping) and schema.get("type") == "object":
        closed["properties"] = {name: _closed(one) for name, one in schema["properties"].items()}
        closed.setdefault("additionalProperties", False)
    return closed


_NO_SCHEMA = {"const", "default", "enum", "examples", "properties", "required"}


def _schemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and those inside of it."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    for key in ("properties", "$defs"):
        inner = schema.get(key)
        for one in inner.values() if isinstance(inner, Mapping) else ():
            yield from _schemas(one)
    yield from _schemas(schema.get("items"))
    for one in schema.get("anyOf") or ():
        yield from _schemas(one)


def _can_be_strict(schema: Mapping[str, Any]) -> bool:
    if not schema.keys() <= _STRICT:
        return False
    if schema.get("type") != "object":
        return bool(schema)
    names = schema.get("properties")
    every = isinstance(names, Mapping) and set(names) == set(schema.get("required") or ())
    return every and schema.get("additionalProperties") is False
