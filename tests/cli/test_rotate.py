"""rotate --issue, rotate --resume, delete --revoke and due, as a script uses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keytui import model, settings
from keytui.cli import asking
from keytui.flows import patience
from keytui.storage import keystore
from tests.stores import fake_key

if TYPE_CHECKING:
    from keytui.demo.server import DemoServer
    from tests.cli.conftest import Commands

OLD = fake_key("sk-" + "svcacct-").reveal()
ADMIN = fake_key("sk-" + "admin-").reveal()


@pytest.fixture
def old_id(keytui: Commands, server: DemoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A key "work" and its admin key "boss"; returns the key's id at the provider."""
    monkeypatch.setattr(patience, "PAUSE_S", 0.05)
    monkeypatch.setenv("KEYTUI_PROPAGATION_SECONDS", "5")
    where = ("--provider", "openai", "--base-url", server.url, "--no-check", "--stdin")
    assert keytui("add", "work", *where, stdin=OLD).code == 0
    assert keytui("add", "boss", "--kind", "admin", *where, stdin=ADMIN).code == 0
    return server.admin.add_key(model.Secret(OLD), "by hand", account="robot")


def live(server: DemoServer) -> set[str]:
    return {key.id for key in server.admin.live()}


def test_a_key_is_rotated_by_its_provider(keytui: Commands, server: DemoServer, old_id: str) -> None:
    ran = keytui("rotate", "work", "--issue", "--old-key-id", old_id, "--now", "-y", "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["name"], told["state"], told["revoked"], told["retire_at"]) == ("work", "done", True, None)
    new = model.Secret(keytui("get", "work").out.strip())
    assert live(server) == {server.admin.id_of(new)} != {old_id}
    assert keytui("test", "work").code == 0
    for secret in (OLD, ADMIN, new.reveal()):
        assert secret not in ran.out + ran.err


def test_a_dry_run_says_what_would_happen_and_does_nothing(keytui: Commands, server: DemoServer, old_id: str) -> None:
    ran = keytui("rotate", "work", "--issue", "--old-key-id", old_id, "--dry-run")
    assert ran.code == 0
    assert old_id in ran.out
    assert "24 hours" in ran.out
    told = json.loads(keytui("rotate", "work", "--issue", "--dry-run", "--json").out)
    assert (told["admin"], told["old_key"], [one["id"] for one in told["likely"]]) == ("boss", None, [old_id])
    assert live(server) == {old_id}
    assert keytui("get", "work").out.strip() == OLD


def test_without_a_yes_nothing_happens(keytui: Commands, server: DemoServer, old_id: str) -> None:
    assert keytui("rotate", "work", "--issue", "--old-key-id", old_id).code == 8
    assert keytui("delete", "work", "--revoke", "--old-key-id", old_id).code == 8
    assert live(server) == {old_id}


def test_a_grace_period_ends_with_resume(keytui: Commands, server: DemoServer, old_id: str) -> None:
    ran = keytui("rotate", "work", "--issue", "--old-key-id", old_id, "--grace", "2h", "-y")
    assert ran.code == 0, ran.err
    assert "The old key works until" in ran.err
    assert len(live(server)) == 2
    waiting = keytui("rotate", "--resume", "-y", "--json")
    assert (waiting.code, json.loads(waiting.out)) == (0, [])
    assert len(live(server)) == 2
    ended = keytui("rotate", "--resume", "--now", "-y", "--json")
    assert ended.code == 0, ended.err
    assert [(one["name"], one["state"], one["revoked"]) for one in json.loads(ended.out)] == [("work", "done", True)]
    assert old_id not in live(server)
    assert keytui("rotate", "--resume").code == 0


def test_an_unreachable_provider_is_6_and_resume_goes_on(keytui: Commands, server: DemoServer, old_id: str) -> None:
    server.admin.fault("drop_before", "DELETE", times=1)
    ran = keytui("rotate", "work", "--issue", "--old-key-id", old_id, "--now", "-y")
    assert ran.code == 6
    assert keytui("list", "--json").out.count('"rotating"') == 1
    failing = keytui("delete", "work", "-y")
    assert failing.code == 0  # to the trash: the old key's retirement goes on without it
    assert keytui("undo", "-y").code == 0
    assert keytui("rotate", "--resume", "-y").code == 0
    assert old_id not in live(server)


def test_a_refused_admin_key_is_5_and_changes_nothing(keytui: Commands, server: DemoServer, old_id: str) -> None:
    server.register(model.Secret(ADMIN), "invalid")
    ran = keytui("rotate", "work", "--issue", "--old-key-id", old_id, "-y")
    assert ran.code == 5
    assert keytui("get", "work").out.strip() == OLD
    assert keytui("rotate", "--resume").code == 0


def test_giving_up_revokes_what_was_issued(keytui: Commands, server: DemoServer, old_id: str) -> None:
    server.admin.fault("drop_after", "POST", "/api_keys", times=2)
    assert keytui("rotate", "work", "--issue", "--old-key-id", old_id, "--now", "-y").code == 6
    assert keytui("rotate", "work", "--give-up").code == 8
    ran = keytui("rotate", "work", "--give-up", "-y", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["state"] == "abandoned"
    assert live(server) == {old_id}
    assert keytui("rotate", "work", "--give-up", "-y").code == 1
    assert keytui("get", "work").out.strip() == OLD


def test_giving_up_with_a_dead_admin_key_says_what_lives_on(keytui: Commands, server: DemoServer, old_id: str) -> None:
    assert keytui("rotate", "work", "--issue", "--old-key-id", old_id, "--grace", "1h", "-y").code == 0
    new = keytui("get", "work").out
    assert keytui("rotate", "work", "--give-up", "-y").code == 1  # it can be undone or ended
    server.register(model.Secret(ADMIN), "invalid")
    asked = keytui("rotate", "work", "--give-up")
    assert (asked.code, keytui("rotate", "--resume").err.count("work")) == (8, 1)
    ran = keytui("rotate", "work", "--give-up", "-y")
    assert ran.code == 0, ran.err
    for part in (old_id, "Revoke it by hand: https://", "keytui rotate boss", "The key in use stays."):
        assert part in ran.err
    assert keytui("get", "work").out == new
    assert "nothing to resume" in keytui("rotate", "--resume").err
    assert old_id in keytui("show", "work", "--json").out
    assert keytui("delete", "boss", "-y").code == 0


def test_giving_up_while_the_provider_is_away_is_not_for_scripts(
    keytui: Commands, server: DemoServer, old_id: str
) -> None:
    server.admin.fault("drop_after", "POST", "/api_keys", times=2)
    assert keytui("rotate", "work", "--issue", "--old-key-id", old_id, "--now", "-y").code == 6
    server.stop()
    ran = keytui("rotate", "work", "--give-up", "-y")
    assert ran.code == 6
    assert "without -y" in ran.err
    assert '"rotating"' in keytui("list", "--json").out


def test_a_pasted_key_is_given_up(keytui: Commands, server: DemoServer, old_id: str) -> None:
    assert old_id
    mine = fake_key().reveal()
    server.register(model.Secret(mine), "no_quota")
    ran = keytui("rotate", "work", "--stdin", stdin=mine)
    assert ran.code == 5
    assert "keytui rotate work --give-up" in ran.err
    assert keytui("rotate", "work", "--give-up").code == 8
    assert keytui("rotate", "work", "--give-up", "-y").code == 0
    assert keytui("get", "work").out.strip() == OLD
    assert len(keytui.memory.secrets) == 2


def test_without_an_admin_key_it_is_said_what_to_do(keytui: Commands, server: DemoServer, old_id: str) -> None:
    assert old_id in live(server)
    assert keytui("delete", "boss", "-y").code == 0
    ran = keytui("rotate", "work", "--issue", "-y")
    assert ran.code == 2
    assert "--kind admin" in ran.err


def test_a_revoked_key_is_dead_and_gone(keytui: Commands, server: DemoServer, old_id: str) -> None:
    ran = keytui("delete", "work", "--revoke", "--old-key-id", old_id, "-y")
    assert ran.code == 0, ran.err
    assert live(server) == set()
    assert keytui("get", "work").code == 3
    assert keytui("list", "--trash", "--names").out == ""


def test_a_key_that_is_only_likely_is_not_revoked(keytui: Commands, server: DemoServer, old_id: str) -> None:
    ran = keytui("delete", "work", "--revoke", "-y")
    assert ran.code == 2
    assert old_id in ran.err
    assert live(server) == {old_id}
    assert keytui("get", "work").code == 0


def test_a_failed_revocation_leaves_the_key_and_resume_ends_it(
    keytui: Commands, server: DemoServer, old_id: str
) -> None:
    server.admin.fault("drop_after", "DELETE", times=1)
    assert keytui("delete", "work", "--revoke", "--old-key-id", old_id, "-y").code == 6
    assert keytui("get", "work").out.strip() == OLD
    assert keytui("rotate", "--resume", "-y").code == 0
    assert keytui("get", "work").code == 3


def test_pasting_asks_before_it_ends_a_grace_period(keytui: Commands, server: DemoServer, old_id: str) -> None:
    assert keytui("rotate", "work", "--issue", "--old-key-id", old_id, "-y").code == 0
    mine = fake_key().reveal()
    assert keytui("rotate", "work", "--stdin", "--no-check", stdin=mine).code == 8
    assert keytui("rotate", "work", "--stdin", "--no-check", "-y", stdin=mine).code == 0
    assert old_id not in live(server)
    assert keytui("get", "work").out.strip() == mine


def test_an_admin_key_is_sent_no_prompt(keytui: Commands, server: DemoServer, old_id: str) -> None:
    assert old_id in live(server)
    assert keytui("test", "boss", "--prompt", "Hello").code == 2
    assert keytui("test", "--all", "--prompt", "Hello").code == 0
    assert [path for method, path in server.requests if method == "POST"] == ["/v1/chat/completions"]


@pytest.mark.parametrize(
    "words",
    [
        ("rotate",),
        ("rotate", "work", "--resume"),
        ("rotate", "work", "--now"),
        ("rotate", "work", "--give-up", "--issue"),
        ("rotate", "--resume", "--give-up"),
        ("rotate", "work", "--issue", "--stdin"),
        ("rotate", "work", "--issue", "--now", "--grace", "1h"),
        ("delete", "work", "--admin", "boss"),
    ],
)
def test_options_that_do_not_go_together(keytui: Commands, words: tuple[str, ...]) -> None:
    assert keytui(*words).code == 2


def test_due_says_by_its_exit_code_whether_something_is(keytui: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keytui("due").code == 0
    monkeypatch.setenv("KEYTUI_ROTATE_EVERY_DAYS", "10")
    assert keytui("add", "soon", "--stdin", "--no-check", stdin=fake_key().reveal()).code == 0
    assert keytui("add", "later", "--rotate-every", "90d", "--stdin", "--no-check", stdin=fake_key().reveal()).code == 0
    ran = keytui("due", "--json")
    assert (ran.code, [key["name"] for key in json.loads(ran.out)]) == (7, ["soon"])
    assert "soon" in keytui("due").out


def test_an_ids_kept_with_an_export(keytui: Commands, old_id: str) -> None:
    assert keytui("rotate", "work", "--issue", "--old-key-id", old_id, "--now", "-y").code == 0
    store = keystore.Keystore(settings.load())
    (version,) = store.versions(store.find("work").id)
    assert version.remote_id
    from keytui.flows import backup, exported

    (saved, *_), unfit = exported.parse(backup.collect(store, 1_800_000_000).text, 1_800_000_000)
    assert unfit == []
    kept = {one.values[-1].remote.id for one in (saved, *_)}
    assert version.remote_id in kept
    store.close()


def test_what_waits_is_told_by_show_and_doctor(keytui: Commands, server: DemoServer, old_id: str) -> None:
    server.admin.fault("drop_before", "DELETE")
    assert keytui("rotate", "work", "--issue", "--old-key-id", old_id, "--now", "-y").code == 6
    told = json.loads(keytui("show", "work", "--json").out)
    assert (told["rotation"]["kind"], told["rotation"]["state"]) == ("issued", "retiring")
    assert told["rotation"]["note"]
    assert [version["remote_id"] for version in told["versions"]][1] == old_id
    assert "keytui rotate --resume" in keytui("doctor").out
    assert keytui("rotate", "--resume", "-y").code == 0
    assert json.loads(keytui("show", "work", "--json").out)["rotation"] is None


def test_after_an_undo_it_is_the_new_key_that_ends(keytui: Commands, server: DemoServer, old_id: str) -> None:
    assert keytui("rotate", "work", "--issue", "--old-key-id", old_id, "--grace", "2h", "-y").code == 0
    assert keytui("undo", "-y").code == 0
    mine = fake_key().reveal()
    pasting = keytui("rotate", "work", "--stdin", "--no-check", stdin=mine)
    assert "The new key of the last rotation, which was undone, still works." in pasting.err
    assert "work: the new key is revoked at " in keytui("rotate", "--resume").err
    ended = keytui("rotate", "--resume", "--now", "-y", "--json")
    assert ended.code == 0, ended.err
    assert "work: the new key is revoked now." in ended.err
    assert "The new key is refused" in ended.err
    assert "old key" not in ended.err
    assert live(server) == {old_id}
    assert keytui("get", "work").out.strip() == OLD


def test_a_revocation_given_up_meanwhile_is_not_told_as_done(
    keytui: Commands, server: DemoServer, old_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.admin.fault("error_500", "DELETE", times=1)
    revoke = ("delete", "work", "--revoke", "--old-key-id", old_id, "-y")
    assert keytui(*revoke).code == 6
    asked = asking.confirm

    def confirm(question: str, *, yes: bool) -> None:
        assert yes
        monkeypatch.setattr(asking, "confirm", asked)
        if "Revoke and delete" in question:  # while it is asked here, another terminal gives it up
            assert keytui("rotate", "work", "--give-up", "-y").code == 0

    monkeypatch.setattr(asking, "confirm", confirm)
    ran = keytui(*revoke)
    assert ran.code == 1
    assert "work was not revoked" in ran.err
    assert "refuses it" not in ran.err
    assert live(server) == {old_id}
    assert keytui("get", "work").out.strip() == OLD
