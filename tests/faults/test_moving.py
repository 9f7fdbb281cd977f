"""Migrations that were killed are taken up by running them again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults.flows import ADDED, NEW, OLD, have_old, rotate
from tests.faults.moving import reopen_both, to_os, two_stores
from tests.storage.killing import killed_at
from tests.stores import fields

if TYPE_CHECKING:
    from keytui.model import Secret
    from keytui.settings import Settings


def migrate(settings: Settings, identity: Secret) -> None:
    to_os(reopen_both(settings, identity))


@pytest.mark.slow
def test_killed_at_any_step_running_it_again_ends_it(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    number, name = 0, "first"
    while name:
        home = str(tmp_path_factory.mktemp("home"))
        own = settings._replace(data_dir=home, config_dir=home)
        identity = two_stores(own)
        before = reopen_both(own, identity)
        have_old(before)
        rotate(before)
        before.add(fields("added"), ADDED)
        before.close()
        name = killed_at(number, migrate, own, identity)
        after = reopen_both(own, identity)
        done = after.migrate("os", lambda _: None)
        assert (done.failed, done.left, after.settings.backend) == ((), 0, "os")
        old = after.find("old")
        assert [after.read(old.id, version.id) for version in after.versions(old.id)] == [NEW, OLD]
        assert after.read(after.find("added").id) == ADDED
        assert os.listdir(os.path.join(own.vault_dir, "secrets")) == []
        assert len(os.listdir(os.path.join(home, "keyring"))) == 3
        after.close()
        number += 1
    assert number > 10
