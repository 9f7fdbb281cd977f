"""Just enough of OpenAPI to say whether a request and its answer are as a specification wants them."""

from __future__ import annotations

import re
from typing import Any, cast

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
KNOWN = frozenset(
    (
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "type",
        "enum",
        "required",
        "properties",
        "items",
        "minProperties",
        "minimum",
        "maximum",
        "description",
        "title",
        "example",
        "examples",
        "default",
        "format",
        "nullable",
        "deprecated",
        "x-oaiMeta",
        "x-stainless-const",
        "discriminator",
    )
)
"""Words of a schema that are checked, or say nothing that could be."""


class Specification:
    """A parsed OpenAPI document.

    Attributes:
        answers: How many answers were compared.
        operations: The (method, path) of the operations they were of.
    """

    def __init__(self, document: dict[str, Any], base: str) -> None:
        self._document = document
        self._base = base
        self.answers = 0
        self.operations: set[tuple[str, str]] = set()

    def compare(self, method: str, path: str, asked: object, status: int, answer: object) -> list[str]:
        """Return what is wrong with a request that was carried out, or refused, and with its answer."""
        template, operation = self._operation(method, path.partition("?")[0].removeprefix(self._base))
        self.answers += 1
        self.operations.add((method, template))
        problems = []
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if status < 300 and body is not None:
            problems += self._problems(body, asked or {}, "request")
        response = operation["responses"].get(str(status))
        if response is None:
            return [*problems, f"{method} {template} must not answer {status}"]
        schema = self._resolved(response)["content"]["application/json"]["schema"]
        return problems + self._problems(schema, answer, "answer")

    def _operation(self, method: str, path: str) -> tuple[str, dict[str, Any]]:
        # The template with the fewest parameters is meant: /models before /{anything}.
        for template in sorted(self._document["paths"], key=lambda each: each.count("{")):
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path):
                found = self._document["paths"][template].get(method.lower())
                if found is not None:
                    return template, found
        raise AssertionError(f"The specification has no {method} {path}.")

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            found: Any = self._document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        return schema

    def _problems(self, schema: dict[str, Any], value: object, where: str) -> list[str]:
        schema = self._resolved(schema)
        unknown = schema.keys() - KNOWN
        assert not unknown, f"{where}: this validator does not know {unknown}"
        problems = [each for part in schema.get("allOf", ()) for each in self._problems(part, value, where)]
        for word in ("anyOf", "oneOf"):
            if word in schema and not any(not self._problems(part, value, where) for part in schema[word]):
                problems.append(f"{where}: fits no choice of {word}")
        wanted = schema.get("type")
        if wanted is not None:
            names = [wanted] if isinstance(wanted, str) else wanted
            if not any(_has_type(value, name) for name in names):
                return [*problems, f"{where}: {type(value).__name__} is not {wanted}"]
        if "enum" in schema and value not in schema["enum"]:
            problems.append(f"{where}: not one of {schema['enum']}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            problems += _out_of_range(schema, value, where)
        if isinstance(value, list) and "items" in schema:
            for number, each in enumerate(value):
                problems += self._problems(schema["items"], each, f"{where}[{number}]")
        return problems + (self._object_problems(schema, value, where) if isinstance(value, dict) else [])

    def _object_problems(self, schema: dict[str, Any], value: dict[str, object], where: str) -> list[str]:
        problems = [f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        if len(value) < schema.get("minProperties", 0):
            problems.append(f"{where}: too few fields")
        properties = cast("dict[str, dict[str, Any]]", schema.get("properties", {}))
        for name, each in value.items():
            if name in properties:
                problems += self._problems(properties[name], each, f"{where}.{name}")
            elif properties:
                problems.append(f"{where}.{name} is not in the specification")
        return problems


def _has_type(value: object, name: str) -> bool:
    return isinstance(value, TYPES[name]) and not (isinstance(value, bool) and name in ("integer", "number"))


def _out_of_range(schema: dict[str, Any], value: float, where: str) -> list[str]:
    inside = schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return [] if inside else [f"{where}: out of range"]
