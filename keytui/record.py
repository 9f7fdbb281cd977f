"""typing.NamedTuple without importing typing.

`typing` and `dataclasses` each take 8 to 18 ms at start, as much as the whole of `keytui get` may take beyond the
interpreter. Type checkers see typing.NamedTuple itself.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 - the alias makes it an export
else:

    class _Fields(type):
        """Makes a named tuple of a class body, as typing.NamedTuple does."""

        def __new__(mcs, name, bases, body):  # noqa: ANN001, ANN204 - type checkers see typing.NamedTuple instead
            if not bases:
                return super().__new__(mcs, name, bases, body)
            fields = tuple(body.pop("__annotations__", ()))
            defaults = [body.pop(field) for field in fields if field in body]
            base = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            return type(name, (base,), {**body, "__slots__": ()})

    class NamedTuple(metaclass=_Fields):
        """The run-time stand-in for typing.NamedTuple."""
