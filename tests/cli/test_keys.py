"""Key-encryption keys from the command line: status, rotation, re-wrapping, refusals, and what `doctor` says."""

import base64
import os
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine


def test_a_key_is_rotated_and_its_successor_wraps_everything(tiprouter: CommandLine, tmp_path: Path) -> None:
    """Status, rotation, re-wrapping: numbers and ids are printed, and a key file that is gone is MISSING, exit 1."""
    data = ("--data", tmp_path / "var")
    assert tiprouter("credential", "create", "--role", "intake", *data).returncode == 0
    before = tiprouter("keys", "status", *data)
    assert (before.returncode, before.stdout.count("wraps"), before.stdout.count("\n")) == (0, 1, 1), before.stderr
    rotated = tiprouter("keys", "rotate", *data)
    assert "wraps from now on" in rotated.stdout, rotated.stderr
    kept = (tmp_path / "var" / "keys" / "kek").read_bytes()
    assert kept.hex() not in rotated.stdout + before.stdout
    assert tiprouter("keys", "rewrap", *data).stdout == "2 re-wrapped, 0 could not be opened.\n"
    (tmp_path / "var" / "keys" / "kek").unlink()
    after = tiprouter("keys", "status", *data)
    assert (after.returncode, "MISSING" in after.stdout) == (0, False), after.stdout


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"TIPROUTER_KEY_PROVIDER": "environment"}, "TIPROUTER_KEK"),
        ({"TIPROUTER_KEY_PROVIDER": "vault", "TIPROUTER_VAULT_URL": "http://vault.example"}, "https"),
        ({"TIPROUTER_KEY_PROVIDER": "paper"}, "TIPROUTER_KEY_PROVIDER"),
        ({"TIPROUTER_KEY_PROVIDERS_FORMER": "paper"}, "TIPROUTER_KEY_PROVIDERS_FORMER"),
    ],
)
def test_a_provider_that_cannot_be_used_is_one_line(
    tiprouter: CommandLine, tmp_path: Path, settings: dict[str, str], says: str
) -> None:
    """The start is refused before anything is made."""
    done = tiprouter("credential", "create", "--role", "intake", "--data", tmp_path / "var", **settings)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_key_in_the_environment_is_enough(tiprouter: CommandLine, tmp_path: Path) -> None:
    """No key file is made, and without the variable nothing opens."""
    kek = base64.urlsafe_b64encode(os.urandom(32)).decode()
    settings = {"TIPROUTER_KEY_PROVIDER": "environment", "TIPROUTER_KEK": kek}
    made = tiprouter("credential", "create", "--role", "intake", "--data", tmp_path / "var", **settings)
    assert made.returncode == 0, made.stderr
    assert not (tmp_path / "var" / "keys" / "kek").exists()
    assert tiprouter("keys", "status", "--data", tmp_path / "var").returncode == 1
