"""Typed replies: the JSON schema of a type, and the values that replies hold."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints, is_typeddict

from berlin_magic.conversations.storage.visible_text import letters
from berlin_magic.errors import PromptError, ReplyFormatError, clean
from berlin_magic.messages import Part, TextPart
from berlin_magic.results.code import code_blocks

__all__ = ["TypedSpec", "any_json", "any_rows", "schema_of"]

_VALUE = "value"
"""The key of a value that is not an object: servers take only schemas of objects."""

_FAULTS_SHOWN = 8  # to the user and to the model
_STARTS_TRIED = 100  # places in a reply at which JSON may begin

Validate = Callable[[Any], Any]
"""Returns the value for plain JSON, or raises `_MisfitError`."""


class _MisfitError(ValueError):
    """The JSON does not fit. Each of its faults names its place in the JSON."""

    def __init__(self, faults: Iterable[str]) -> None:
        super().__init__()
        self.faults = tuple(faults)


@dataclasses.dataclass(frozen=True)
class TypedSpec:
    """The type of a reply.

    Attributes
    ----------
    name : str
        The type's name, for messages.
    json_schema : mapping
        The JSON schema that the reply has to fit. It is that of an object, which has other values, such as a list, as
        its `value`. Empty for any JSON.
    plain : callable
        Returns a value of the type as plain JSON again: dicts, lists, texts, numbers.
    """

    name: str
    json_schema: Mapping[str, Any]
    plain: Callable[[Any], Any]
    _validate: Validate
    _wrapped: bool = False

    @property
    def reply_schema(self) -> dict[str, Any] | None:
        """The option `reply_schema` of a question, for providers that can enforce a schema; None without a schema."""
        if not self.json_schema:
            return None
        name = re.sub(r"[^\w-]+", "_", self.name, flags=re.ASCII).strip("_")[:64] or "reply"
        return {"name": name, "schema": dict(self.json_schema)}

    @property
    def options(self) -> dict[str, Any]:
        """The options of a question that asks for this type."""
        return {} if self.reply_schema is None else {"reply_schema": self.reply_schema}

    @property
    def instruction(self) -> str:
        """The instruction for the prompt. Also with `reply_schema`, as a model answers better then."""
        if not self.json_schema:
            return "Answer with JSON alone, with no word before or after it."
        schema = json.dumps(self.json_schema, ensure_ascii=False)
        return f"Answer with JSON alone, with no word before or after it. It has to fit this JSON schema:\n{schema}"

    def add_instruction(self, question: Sequence[Part]) -> tuple[Part, ...]:
        """Return the parts of a question with the instruction after them."""
        *before, last = question
        if isinstance(last, TextPart):
            return (*before, TextPart(f"{last.text}\n\n{self.instruction}"))
        return (*question, TextPart(self.instruction))

    def parse(self, text: str, *, cut: bool = False) -> Any:
        """Return the value that a reply holds.

        Parameters
        ----------
        text : str
            JSON; there may be words around it, or a fence.
        cut : bool
            Whether the reply ended at the limit of its length, which the message then says.

        Raises
        ------
        ReplyFormatError
            If it does not fit; the message says where.
        """
        values = [*_json_in(text)]
        if not values and self._wrapped and text.strip():
            values = [text.strip()]  # a choice, or a text: models often give it without JSON around it
        if not values:
            self._refuse(["there is no whole JSON in it" if cut else "there is no JSON in it"], cut=cut)
        faults: tuple[str, ...] = ()
        for value in values:
            try:
                return self._value_of(value)
            except _MisfitError as misfit:
                faults = faults or misfit.faults
        return self._refuse(faults, cut=cut)

    @staticmethod
    def readable(text: str) -> str:
        """Return a reply as the Markdown that is shown: JSON is indented in a code block, all else is unchanged.

        Its letters and digits stay the same, so that what is read from a notebook file is what it shows.
        """
        if any(block.language in {"", "json"} for block in code_blocks(text)):
            return text
        start, end, value = next(_embedded(text), (0, 0, None))
        if value is None:
            return text
        shown = json.dumps(value, ensure_ascii=False, indent=2)
        if letters(shown) != letters(text[start:end]):  # such as 1e3, which is 1000.0 then
            shown = text[start:end]
        return f"{text[:start].rstrip()}\n\n```json\n{shown}\n```\n\n{text[end:].lstrip()}".strip("\n") + "\n"

    def repair(self, error: ReplyFormatError) -> str:
        """Return the question that asks a model to correct a reply that `parse` has refused."""
        wrong = "\n".join(f"- {fault}" for fault in error.faults)
        return (
            f"Your last reply does not fit what was asked for ({self.name}):\n{wrong}\n\n"
            "Answer again with the whole JSON, corrected, and with no word before or after it."
        )

    def _value_of(self, value: Any) -> Any:
        if not self._wrapped or not (isinstance(value, dict) and value.keys() == {_VALUE}):
            return self._validate(value)
        try:
            return self._validate(value[_VALUE])
        except _MisfitError:
            try:
                return self._validate(value)  # the value itself has one key of that name
            except _MisfitError:
                pass
            raise

    def _refuse(self, faults: Sequence[str], *, cut: bool) -> NoReturn:
        shown = list(faults[:_FAULTS_SHOWN])
        if more := len(faults) - len(shown):
            shown.append(f"… and {more} more")
        advice = (
            "It ended at the limit of its length: raise max_tokens, or ask for less."
            if cut
            else "Ask in other words, or let the type allow what may be missing."
        )
        raise ReplyFormatError(
            f"The reply does not fit {self.name}: {'; '.join(shown)}.\n{advice}",
            faults=tuple(shown),
        )


def schema_of(type_: Any, name: str = "") -> TypedSpec:
    """Return the spec of `type_`.

    Parameters
    ----------
    type_ : type, typing form or mapping
        A pydantic model, a dataclass, a TypedDict, ``Literal[…]``, ``list[…]`` and whatever else pydantic has a schema
        for; or a JSON schema, as a dict.
    name : str, optional
        Its name in messages, if it has none of its own.

    Raises
    ------
    PromptError
        If it is none of these, or the package that it needs is not installed; nothing was sent.
    """
    if isinstance(type_, Mapping):
        return _of_json_schema(type_, name)
    return _of_type(type_, name)


def any_json() -> TypedSpec:
    """Return the spec of any JSON."""
    return TypedSpec("JSON", {}, _same, _same)


def any_rows() -> TypedSpec:
    """Return the spec of a list of objects: the rows of a table."""
    rows = {"type": "array", "items": {"type": "object"}}

    def validate(value: Any) -> Any:
        if not isinstance(value, list):
            raise _MisfitError([f"a list of objects is wanted, not {type(value).__name__}"])
        wrong = [number for number, row in enumerate(value) if not isinstance(row, dict)]
        if wrong:
            raise _MisfitError(
                f"[{number}]: an object is wanted, not {clean(repr(value[number]), 40)}" for number in wrong
            )
        return value

    return _spec("a table", rows, validate, _same)


def _same(value: Any) -> Any:
    return value


def _of_json_schema(schema: Mapping[str, Any], name: str) -> TypedSpec:
    title = schema.get("title")
    name = title if isinstance(title, str) and title else name or "the schema"
    try:
        jsonschema: Any = importlib.import_module("jsonschema")  # of the extra `typed`, as `referencing`
        referencing: Any = importlib.import_module("referencing")
    except ImportError:
        raise _missing("A JSON schema", "jsonschema") from None
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
        json.dumps(schema)
    except (jsonschema.SchemaError, TypeError, ValueError) as error:
        why = getattr(error, "message", str(error))
        raise PromptError(f"{clean(name, 60)} is not a JSON schema: {clean(why)}; nothing was sent.") from None
    checker = kind(schema, registry=referencing.Registry())  # an empty registry, so that no schema is fetched

    def validate(value: Any) -> Any:
        try:
            errors = sorted(checker.iter_errors(value), key=lambda error: [*map(str, error.absolute_path)])
        except referencing.exceptions.Unresolvable as error:
            raise PromptError(
                f"{clean(name, 60)} refers to a schema that is not in it: {clean(str(error))}.\n"
                "Put that one into its `$defs`: nothing is fetched from elsewhere."
            ) from None
        if errors:
            raise _MisfitError(_fault(error.absolute_path, error.message) for error in errors)
        return value

    return _spec(clean(name, 60), schema, validate, _same)


def _of_type(type_: Any, name: str) -> TypedSpec:
    name = clean(_name(type_) or name or "the type", 60)
    if isinstance(type_, str | bytes) or not (isinstance(type_, type) or get_origin(type_) or _is_form(type_)):
        raise PromptError(
            f"{name} is {clean(repr(type_), 60)}, which is not a type; nothing was sent.\n"
            "Name a pydantic model, a dataclass, a TypedDict, Literal[…], list[…], or a JSON schema as a dict."
        )
    try:
        pydantic: Any = importlib.import_module("pydantic")  # of the extra `typed`
    except ImportError:
        raise _missing(f"The type {name}", "pydantic") from None
    try:
        adapter = pydantic.TypeAdapter(_for_pydantic(type_))
        schema = adapter.json_schema()
    except (pydantic.errors.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation, NameError) as error:
        first = str(error).splitlines()[0]
        raise PromptError(
            f"{name} has no JSON schema: {clean(first)}; nothing was sent.\n"
            "Use fields of plain types: texts, numbers, lists, dicts, dates, other models."
        ) from None

    def validate(value: Any) -> Any:
        try:
            return adapter.validate_json(json.dumps(value))
        except pydantic.ValidationError as error:
            raise _MisfitError(_fault(one["loc"], _message(one)) for one in error.errors()) from None
        except Exception as error:  # noqa: BLE001 - of a validator that the user has written
            raise _MisfitError([f"{type(error).__name__}: {clean(str(error))}"]) from None

    return _spec(name, schema, validate, lambda value: adapter.dump_python(value, mode="json"))


def _spec(name: str, schema: Mapping[str, Any], validate: Validate, plain: Callable[[Any], Any]) -> TypedSpec:
    """Return the spec of a schema; if it is not that of an object, it is put into one."""
    target = schema
    if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#/$defs/"):
        target = schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    if target.get("type") == "object":
        return TypedSpec(name, schema, plain, validate)
    inner = {key: value for key, value in schema.items() if key not in {"$defs", "$schema", "$id"}}
    outer: dict[str, Any] = {"type": "object", "properties": {_VALUE: inner}, "required": [_VALUE]}
    if "$defs" in schema:
        outer["$defs"] = schema["$defs"]
    return TypedSpec(name, outer, plain, validate, _wrapped=True)


def _name(type_: Any) -> str:
    """Return the name of a type: ``Invoice``, ``list[Invoice]``, ``Literal['a', 'b']``."""
    if isinstance(type_, type) and not get_origin(type_):
        return type_.__name__
    if arguments := get_args(type_):
        origin = get_origin(type_)
        inner = [repr(one) if origin is Literal else _name(one) or str(one) for one in arguments]
        return f"{getattr(origin, '__name__', str(origin))}[{', '.join(inner)}]"
    return ""


def _is_form(type_: Any) -> bool:
    return getattr(type_, "__module__", "") in {"typing", "typing_extensions"}


def _for_pydantic(type_: Any) -> Any:
    """Return `type_` with the TypedDicts of typing_extensions: before Python 3.12, pydantic takes no others."""
    if sys.version_info >= (3, 12):
        return type_
    origin, arguments = get_origin(type_), get_args(type_)
    if is_typeddict(type_) and type(type_).__module__ == "typing":
        extensions: Any = importlib.import_module("typing_extensions")  # pydantic cannot be without it
        hints = get_type_hints(type_, include_extras=True)
        fields = {key: _for_pydantic(_unqualified(hint)) for key, hint in hints.items()}
        optional = {key: typing.NotRequired[fields[key]] for key in type_.__optional_keys__}
        return extensions.TypedDict(type_.__name__, {**fields, **optional})
    if not arguments or origin is Literal:
        return type_
    changed = tuple(map(_for_pydantic, arguments))
    same = all(new is old for new, old in zip(changed, arguments, strict=True))
    generic: Any = typing.Union if origin is UnionType else origin
    return type_ if same else generic[changed]


def _unqualified(hint: Any) -> Any:
    """Return the type inside ``Required[…]`` or ``NotRequired[…]``."""
    return get_args(hint)[0] if get_origin(hint) in {typing.Required, typing.NotRequired} else hint


def _missing(what: str, package: str) -> PromptError:
    return PromptError(
        f"{what} needs the package {package}, which is not installed; nothing was sent.\n"
        'Install it: `pip install "berlin-magic[typed]"`.'
    )


def _message(error: Mapping[str, Any]) -> str:
    got = error["input"]
    plain = isinstance(got, str | int | float | bool | None) and error["type"] != "missing"
    return f"{error['msg']}, not {json.dumps(got, ensure_ascii=False)}" if plain else str(error["msg"])


def _fault(place: Iterable[str | int], message: str) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    said = clean(message, 200)
    return f"{clean(path, 100)}: {said}" if path else said


def _json_in(text: str) -> Iterator[Any]:
    """Yield the JSON values that a reply may mean: the whole, else its code blocks, else those between words."""
    texts = [text, *(block.text for block in code_blocks(text) if block.language in {"", "json"})]
    found = False
    for candidate in texts:
        try:
            yield json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        found = True
        if candidate is text:
            return
    if not found:
        yield from (value for _, _, value in _embedded(text))


def _embedded(text: str) -> Iterator[tuple[int, int, Any]]:
    """Yield the JSON objects and lists between the words of a text, each as its start, end and value."""
    decoder = json.JSONDecoder()
    at = 0
    for _ in range(_STARTS_TRIED):
        start = re.compile(r"[\[{]").search(text, at)
        if start is None:
            return
        try:
            value, at = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            at = start.end()
        else:
            yield start.start(), at, value
