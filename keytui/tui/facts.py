"""What Details knows about a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytui.model import Event, Key, Rotation, Verdict, Version


class Facts(NamedTuple):
    """What Details knows about the selected key.

    Attributes:
        store: What the store of the key is called.
        events: Newest first.
        checks: What the provider said of the present value, newest first.
        rotation: The one under way, or None.
    """

    key: Key
    store: str
    versions: Sequence[Version] = ()
    events: Sequence[Event] = ()
    checks: Sequence[Verdict] = ()
    rotation: Rotation | None = None
