"""Can an auditor verify the log with files alone, and learn where it was changed? (cli/auditing.py)"""

from pathlib import Path

import pytest

from tests.cli.conftest import LOG, CommandLine, publish_log
from tiprouter.cli import auditing
from tiprouter.errors import ConfigurationError


def test_a_good_log_verifies_step_by_step(tiprouter: CommandLine, tmp_path: Path) -> None:
    """Every numbered step is shown as passed, and the exit code is 0."""
    done = tiprouter("audit", "verify", publish_log(tmp_path / "log", 300), "--key", LOG.vkey)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[:7] for line in done.stdout.splitlines()[:9]] == [f"{number}. ok  " for number in range(1, 10)]
    assert "The log verifies: 300 entries." in done.stdout


def test_a_flipped_bit_is_found_with_file_and_entry(tiprouter: CommandLine, tmp_path: Path) -> None:
    """One flipped bit in one entry: exit code 1, the file and the entry are named."""
    folder = publish_log(tmp_path / "log", 300)
    bundle = folder / "tile" / "entries" / "000"
    data = bytearray(bundle.read_bytes())
    data[data.index(b"tip_41")] ^= 1
    bundle.write_bytes(bytes(data))
    done = tiprouter("audit", "verify", folder, "--key", LOG.vkey)
    assert done.returncode == 1
    assert "The log is not what it should be: tile/entries/000, entry 41" in done.stdout


def test_a_key_file_and_a_data_folder_will_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key may come from a file, and the folder may be the data folder that has the log in it."""
    publish_log(tmp_path / "log", 3)
    (tmp_path / "key").write_text(f"{LOG.vkey}\n")
    assert auditing.verify(tmp_path, auditing.chosen_key(None, tmp_path / "key"), None) == 0
    assert "The folder's own key was believed" not in capsys.readouterr().out


def test_the_folders_own_key_is_believed_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 2: without a key from elsewhere, the output says what was not proved."""
    assert auditing.verify(publish_log(tmp_path / "log", 3), None, None) == 0
    assert "The folder's own key was believed" in capsys.readouterr().out


def test_another_key_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 2: the folder's key is not the one the auditor was given."""
    folder = publish_log(tmp_path / "log", 3)
    (folder / "log.vkey").write_text(LOG.vkey.replace("tiprouter.example", "elsewhere.example") + "\n")
    assert auditing.verify(folder, LOG.vkey, None) == 1
    assert "FAIL" in capsys.readouterr().out


def test_a_rewritten_history_is_found_by_who_remembers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 3: all of it was signed anew, and the remembered checkpoint still gives it away."""
    remembered = tmp_path / "seen"
    assert auditing.verify(publish_log(tmp_path / "log", 50), LOG.vkey, remembered) == 0
    assert auditing.verify(publish_log(tmp_path / "longer", 80), LOG.vkey, remembered) == 0
    kept = remembered.read_bytes()
    assert kept == (tmp_path / "longer" / "checkpoint").read_bytes()
    capsys.readouterr()
    assert auditing.verify(publish_log(tmp_path / "rewritten", 90, changed=20), LOG.vkey, remembered) == 1
    assert "the first 80 entries are not the ones remembered" in capsys.readouterr().out
    assert remembered.read_bytes() == kept, "what failed must not be remembered"


def test_a_remembered_file_that_was_not_signed_is_refused(tmp_path: Path) -> None:
    """Rule 3: a forged memory proves nothing, so it is refused rather than believed."""
    folder = publish_log(tmp_path / "log", 3)
    (tmp_path / "seen").write_bytes((folder / "checkpoint").read_bytes().replace(b"\n3\n", b"\n2\n"))
    with pytest.raises(ConfigurationError):
        auditing.verify(folder, LOG.vkey, tmp_path / "seen")
