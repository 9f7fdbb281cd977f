"""The first rows of the list, read in a thread while Textual is imported and set up.

On two cores the counts over 10,000 keys so cost nothing before the first paint; and where another program holds the
index, the app paints all the same.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from keytui.errors import KeytuiError

if TYPE_CHECKING:
    from keytui.model import Key, StoreStatus
    from keytui.storage.keystore import Keystore
    from keytui.storage.rows import Counts

_ROWS = 100
"""More than most terminals show; the others follow after the first paint."""


class Sight(NamedTuple):
    """What was seen of the index."""

    counts: Counts
    status: StoreStatus
    keys: list[Key]


class FirstLook:
    """A reading of the index that has begun."""

    def __init__(self, store: Keystore) -> None:
        self._store = store
        self._sight: Sight | None = None
        self._error: KeytuiError | None = None
        self._thread = threading.Thread(target=self._read, daemon=True, name="first look")
        self._thread.start()

    def _read(self) -> None:
        store = self._store
        try:
            self._sight = Sight(store.counts(), store.status(), store.keys(limit=_ROWS))
        except KeytuiError as error:
            self._error = error
        except Exception as error:
            from keytui.tui.crash import own

            self._error = own(error)

    def take(self, seconds: float) -> Sight | None:
        """Return what was seen, or None when it takes longer.

        Raises:
            KeytuiError: The index cannot be read.
        """
        self._thread.join(seconds)
        if self._error is not None:
            raise self._error
        return self._sight
