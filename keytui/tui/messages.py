"""What workers and panes tell the main screen. Ids travel, secrets do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import Key, Verdict
    from keytui.providers.prompts import Summary
    from keytui.tui.facts import Facts
    from keytui.tui.issuing import Run
    from keytui.tui.listing import Group, Snapshot


class Loaded(Message):
    """The index was read."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        super().__init__()


class FactsRead(Message):
    """Versions and events of a key were read."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        super().__init__()


class LoadFailed(Message):
    """The index could not be read."""

    def __init__(self, sentence: str, hint: str) -> None:
        self.sentence = sentence
        self.hint = hint
        super().__init__()


class Told(Message):
    """Something happened that the person should know.

    Attributes:
        select: Key the cursor goes to after reading the index again, or None.
    """

    def __init__(self, sentence: str, *, select: int | None = None) -> None:
        self.sentence = sentence
        self.select = select
        super().__init__()


class RunMoved(Message):
    """A rotation by the provider, or a revocation, got further or ended."""

    def __init__(self, run: Run) -> None:
        self.run = run
        super().__init__()


class CheckStarted(Message):
    """These keys are about to be checked."""

    def __init__(self, key_ids: tuple[int, ...]) -> None:
        self.key_ids = key_ids
        super().__init__()


class Checked(Message):
    """One check ended; without a verdict when it could not be made.

    Attributes:
        kept: Whether the index has the verdict; else this message is all that is known of it.
    """

    def __init__(self, key_id: int, verdict: Verdict | None, *, kept: bool = True) -> None:
        self.key_id = key_id
        self.verdict = verdict
        self.kept = kept
        super().__init__()


class ChecksEnded(Message):
    """The whole run of checks is over.

    Attributes:
        stopped: The person ended it.
    """

    def __init__(self, *, stopped: bool = False) -> None:
        super().__init__()
        self.stopped = stopped


class Copied(Message):
    """A secret reached a clipboard.

    Attributes:
        sentence: What is certain about it.
        clears_at: Epoch seconds when it is cleared, or None.
    """

    def __init__(self, name: str, sentence: str, clears_at: float | None) -> None:
        self.name = name
        self.sentence = sentence
        self.clears_at = clears_at
        super().__init__()


class PromptStarted(Message):
    """A test prompt is on its way.

    Attributes:
        run: Number of the prompt; what an earlier one still says is told apart by it.
    """

    def __init__(self, key_id: int, run: int = 0) -> None:
        self.key_id = key_id
        self.run = run
        super().__init__()


class PromptText(Message):
    """A piece of the answer.

    Attributes:
        spells: Tells whether a text that is drawn spells out the key.
    """

    def __init__(self, text: str, run: int = 0, *, spells: Callable[[str], bool]) -> None:
        self.text = text
        self.run = run
        self.spells = spells
        super().__init__()


class PromptEnded(Message):
    """The answer is over: with numbers, or with the sentence that says why there are none."""

    def __init__(
        self,
        summary: Summary | None,
        sentence: str = "",
        hint: str = "",
        verdict: Verdict | None = None,
        *,
        run: int = 0,
    ) -> None:
        self.run = run
        self.summary = summary
        self.sentence = sentence
        self.hint = hint
        self.verdict = verdict
        super().__init__()


class KeyPointed(Message):
    """The cursor of the list stands on another key, or on none."""

    def __init__(self, key: Key | None) -> None:
        self.key = key
        super().__init__()


class GroupChosen(Message):
    """The cursor of the groups stands on another group."""

    def __init__(self, group: Group) -> None:
        self.group = group
        super().__init__()


class RowOpened(Message):
    """Enter was pressed, or a row was clicked twice."""
