"""What the app asks of providers: checks and test prompts. What was asked and answered is stored nowhere."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

from textual import work

from keytui.errors import KeytuiError, NotConfirmed, ProviderError
from keytui.tui import messages, words
from keytui.tui.crash import place
from keytui.tui.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import Key, Secret, Verdict
    from keytui.settings import Settings

CHECKS_AT_ONCE = 8


class Asking(Reading):
    """The part of the app that talks to providers.

    Attributes:
        being_checked: Ids of the keys whose check runs or waits for its turn, each with the run it belongs to.
    """

    settings: Settings
    clock: Callable[[], float]
    prompts_sent = 0

    def __init__(self) -> None:
        super().__init__()
        self.being_checked: dict[int, object] = {}
        self._gate = asyncio.Semaphore(CHECKS_AT_ONCE)

    def check(self, key_ids: tuple[int, ...]) -> None:
        """Check keys, a few at a time, and record each verdict; the person asked for it.

        One that is being checked, or waits for its turn, is not asked about twice.
        """
        wanted = tuple(key_id for key_id in key_ids if key_id not in self.being_checked)
        if wanted:
            run = object()
            self.being_checked.update(dict.fromkeys(wanted, run))
            self._check(wanted, run)

    def stop_checks(self) -> None:
        """End every check that runs; what was found out before stays."""
        self.workers.cancel_group(self, "check")
        self.being_checked.clear()

    @work(description="check keys", group="check", exit_on_error=False)
    async def _check(self, key_ids: tuple[int, ...], run: object) -> None:
        self.tell(messages.CheckStarted(key_ids))
        tasks: list[asyncio.Task[None]] = []
        stopped = False
        try:
            await asyncio.to_thread(warm_up)
            for key_id in key_ids:
                await self._gate.acquire()
                if any(task.done() and task.exception() is not None for task in tasks):
                    self._gate.release()
                    break  # the person declined to unlock the store: asking again for each key helps nobody
                task = asyncio.create_task(self._check_one(key_id, run))
                task.add_done_callback(lambda _: self._gate.release())  # also of one that was stopped before it began
                tasks.append(task)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            problem = next((result for result in results if isinstance(result, Exception)), None)
            if problem is not None:
                raise problem
        except NotConfirmed as error:
            self.show_error(error)
        except asyncio.CancelledError:
            stopped = True
            raise
        finally:
            for task in tasks:
                task.cancel()
            for key_id in key_ids:
                self._was_checked(key_id, run)
            self.tell(messages.ChecksEnded(stopped=stopped))

    def _was_checked(self, key_id: int, run: object) -> None:
        """Let a key be asked about again, unless a later run does so already: this one may have been stopped."""
        if self.being_checked.get(key_id) is run:
            del self.being_checked[key_id]

    async def _check_one(self, key_id: int, run: object) -> None:
        from keytui.flows.checking import check_and_record
        from keytui.tui import access

        verdict, kept = None, True
        try:
            key, secret = await access.call(self, self._taken, key_id)
            checked = await check_and_record(self.store, key, secret, timeout_s=self.settings.check_seconds)
            verdict, kept = checked.verdict, checked.unkept is None
            if checked.unkept is not None:
                self.say(f"The verdict is shown but was not noted: {checked.unkept.sentence}", severity="warning")
        except NotConfirmed:
            raise
        except KeytuiError as error:
            self.show_error(error)
        finally:
            self._was_checked(key_id, run)
            self.tell(messages.Checked(key_id, verdict, kept=kept))

    def _taken(self, key_id: int) -> tuple[Key, Secret]:
        """Return a key and its secret: one thread for both, each costs a millisecond."""
        return self.store.key(key_id), self.store.read(key_id)

    @work(description="send a test prompt", exclusive=True, group="prompt", exit_on_error=False)
    async def prompt(self, key_id: int, text: str, system: str) -> None:
        """Send a prompt and pass the answer on as it comes."""
        from keytui.tui import access

        self.prompts_sent += 1
        run = self.prompts_sent
        ended, proof = messages.PromptEnded(None, "Stopped.", run=run), None
        self.tell(messages.PromptStarted(key_id, run))
        try:
            key, secret = await access.call(self, self._taken, key_id)
            if "keytui.tui.markdown" not in sys.modules:
                await asyncio.to_thread(warm_up)
            from keytui.providers import prompts, scrubbing

            spells = scrubbing.spells(secret)
            stream = prompts.stream(key, secret, text, system=system, timeout_s=self.settings.prompt_seconds)
            try:
                async with aclosing(stream) as parts:
                    async for part in parts:
                        if isinstance(part, prompts.Summary):
                            ended, proof = messages.PromptEnded(part, run=run), (key, secret, part.verdict)
                        else:
                            self.tell(messages.PromptText(part.text, run, spells=spells))
            except ProviderError as error:
                ended = messages.PromptEnded(None, error.sentence, error.hint, error.verdict, run=run)
                proof = (key, secret, error.verdict)
        except KeytuiError as error:
            ended = messages.PromptEnded(None, error.sentence, error.hint, run=run)
        except Exception as error:
            ended = messages.PromptEnded(None, f"An error in keytui itself: {place(error)}.", run=run)
            raise
        finally:
            self.tell(ended)
        if proof is not None:
            await self._note(*proof)

    async def _note(self, key: Key, secret: Secret, verdict: Verdict) -> None:
        """Keep what a prompt showed of the key, where it showed something: the answer itself is kept nowhere."""
        if verdict.word in ("unknown", "unreachable"):
            return
        verdict = verdict._replace(checked_at=int(self.clock()))
        try:
            await asyncio.to_thread(self.store.record_check, key.id, verdict, secret, key.base_url)
        except KeytuiError:
            return  # the answer is on screen, and says it all the same
        self.tell(messages.Checked(key.id, verdict))

    @work(description="remember a model", group="write", exit_on_error=False)
    async def choose_model(self, key: Key, model: str) -> None:
        """Remember which model test prompts with this key ask, and say so."""
        from keytui.tui import access

        try:
            await access.call(self, self.store.choose_model, key.id, model)
        except KeytuiError as error:
            self.show_error(error)
        else:
            asked = model or words.unnamed(key.provider) or "no model until one is named"
            self.tell(messages.Told(f"Prompts with “{key.name}” ask {asked}."))


def warm_up() -> None:
    """Load what a prompt needs; a second call waits for the first. Takes half a second, so not on the loop."""
    from keytui.providers import client

    client.warm_up()

    from keytui.tui import markdown  # noqa: F401 - loaded here, so that the first piece of an answer need not wait
