"""The part of the keystore that looks it over and puts it right."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.errors import IndexDamaged
    from keytui.model import Verdict
    from keytui.storage.core import Core
    from keytui.storage.doctor import Finding
    from keytui.storage.repair import Repaired


class Care:
    """Base of Keystore."""

    _core: Core

    def examine(self) -> list[Finding]:
        """Look the store over and say what is wrong, and what puts it right. Changes nothing, never prompts."""
        from keytui.storage import doctor

        return doctor.examine(self._core)

    def checks(self, key_id: int) -> list[Verdict]:
        """Return what checks of a key said, the newest first: the last ones, and the first of each verdict in a row.

        Bounded, so only of the last verdicts; empty for a key that is gone.
        """
        from keytui.storage import rows

        return rows.checks(self._core.index, key_id)

    def damage(self) -> IndexDamaged | None:
        """Return what makes the index unusable, or None: for when something went wrong that nobody foresaw."""
        from keytui.storage import repair

        return repair.trouble(self._core)

    def repair(self, *, adopt_os: bool = False) -> Repaired:
        """Rebuild a broken index, list secrets it does not know, and end what was interrupted. Deletes no secret.

        Args:
            adopt_os: List secrets of the OS keyring too that this index does not know; another home may own them.

        Raises:
            StoreLocked: The vault holds secrets and must be unlocked first; nothing was changed.
            IndexNewer: A newer keytui wrote the index.
            StoreError: Something cannot be read or written.
        """
        from keytui.storage import repair

        return repair.repair(self._core, adopt_os=adopt_os)
