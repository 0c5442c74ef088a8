"""Pydantic's errors in the words of the file: its own names, plain types, and what would be right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pytest_2501bench.scenario.json_text import kind
from pytest_2501bench.scenario.model import BUILT_IN_RULES, CustomRule, RuleFields
from pytest_2501bench.scenario.problems import Problem, Step, pointer, suggestion

_TAGS: dict[str, type[RuleFields]] = {**BUILT_IN_RULES, "custom": CustomRule}

_PLAIN = {
    "string_type": "a string",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "an object",
    "dict_type": "an object",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
}
_LIMITS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
# What a string that must fit a pattern is, by the name of its field.
_FORMS = {
    "key": "a key: letters, digits, '.', '_', '-' and '/', a letter or digit first",
    "host_name": "a host name: lower-case letters, digits and '-', neither first nor last a '-', at most 63 characters",
    "packages": "the name of a Debian package: lower-case letters, digits, '+', '.' and '-'",
}
_NOUNS = {"where": ("a target", "Targets"), "pattern": ("a resolution status", "Statuses")}
_OLD_NAMES = {"name": "It is of the 0.3 form: write 'title' and 'ticket_title'."}


def problems(error: ValidationError, model: type[BaseModel], prefix: Sequence[Step] = ()) -> Iterator[Problem]:
    """Yield what *error* says about a document of *model* that stands at *prefix*."""
    for detail in error.errors(include_url=False):
        yield _problem(detail, model, tuple(prefix))


def _problem(detail: ErrorDetails, model: type[BaseModel], prefix: tuple[Step, ...]) -> Problem:
    given, what = detail["input"], detail["type"]
    loc, is_key = detail["loc"], detail["loc"][-1:] == ("[key]",)
    if is_key:
        loc = loc[:-1]
    steps, owner = _follow(loc, model)
    name = str(steps[-1]) if steps else ""
    if what == "missing":
        needed = ", ".join(_json_name(n, f) for n, f in owner.model_fields.items() if f.is_required())
        return Problem(pointer((*prefix, *steps[:-1])), f"'{name}' is missing. Required here: {needed}.")
    if what == "extra_forbidden":
        known = [_json_name(n, f) for n, f in owner.model_fields.items()]
        advice = _OLD_NAMES.get(name, "") if not prefix + steps[:-1] else ""
        return Problem(
            pointer((*prefix, *steps)),
            f"unknown field '{name}'. {advice or suggestion(name, known, noun='Known here')}".rstrip(),
        )
    said = _message(detail, what, given, _field_name(steps, is_key=is_key))
    return Problem(pointer((*prefix, *steps)), said, "SC007" if what in _LIMITS else "SC002")


def _message(detail: ErrorDetails, what: str, given: object, field: str) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    if what == "union_tag_not_found":
        if not isinstance(given, dict):
            return f"must be an object, not {kind(given)}"
        if "validator" not in given:
            return f"'validator' is missing. Validators: {', '.join(BUILT_IN_RULES)}."
        return f"'validator' must be a string, not {kind(given['validator'])}"
    if what == "enum":
        if not isinstance(given, str):
            return f"must be a string, not {kind(given)}"
        article, plural = _NOUNS.get(field, ("one of the known words", "Known"))
        words = [word.strip("'") for word in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return f"'{given}' is not {article}. {suggestion(given, words, noun=plural)}"
    if what in _PLAIN:
        wanted = _PLAIN[what]
        return f"must be {wanted}, not {given if isinstance(given, float) else kind(given)}"
    if what in _LIMITS:
        words_, limit = _LIMITS[what]
        return f"must be {words_} {_number(context[limit])}, not {_number(given)}"
    if what == "string_too_short":
        return "must not be empty"
    if what == "string_too_long":
        return f"must have at most {context['max_length']} characters, not {len(str(given).strip())}"
    if what == "string_pattern_mismatch":
        return f"'{given}' is not {_FORMS.get(field, 'of the right form')}"
    if what == "json_invalid":
        return f"broken JSON: {context['error']}"
    # A plugin's own model may raise anything; pydantic's words without pydantic's prefix are the best there is.
    return detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _field_name(steps: tuple[Step, ...], *, is_key: bool) -> str:
    names = [step for step in steps if isinstance(step, str)]
    if "host_packages" in names:
        return "host_name" if is_key else "packages"
    return names[-1] if names else ""


def _json_name(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _follow(loc: tuple[Step, ...], model: type[BaseModel]) -> tuple[tuple[Step, ...], type[BaseModel]]:
    """Return *loc* without pydantic's union tags, and the model that owns its last field."""
    steps: list[Step] = []
    owner: type[BaseModel] = model
    inner: type[BaseModel] | None = model
    for step in loc:
        if isinstance(step, str) and steps and isinstance(steps[-1], int) and inner is None and step in _TAGS:
            inner = _TAGS[step]
            continue
        if isinstance(step, str) and inner is not None:
            owner = inner
            field = next((f for n, f in owner.model_fields.items() if step in (n, f.alias)), None)
            inner = _model_of(field.annotation) if field else None
        steps.append(step)
    return tuple(steps), owner


def _model_of(annotation: object) -> type[BaseModel] | None:
    """Return the one model inside *annotation*, as in ``tuple[X, ...]`` and ``X | None``; None for none or a choice."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Annotated, tuple, Union, UnionType, list):
        models = {found for part in get_args(annotation) if (found := _model_of(part))}
        return models.pop() if len(models) == 1 else None
    return None
