"""Does one matter leave the house as a file, and is that file verified without it? (cli/matters.py)"""

from pathlib import Path

import pytest

from tests.audit.conftest import LOG as FIRST
from tests.audit.matter_story import DATA, POLICY, RECORD
from tests.cli.conftest import CommandLine
from tests.support.fictional import SECRET
from tests.support.granting import matter, police
from tests.support.service import open_service
from tiprouter.cli import auditing, matters
from tiprouter.errors import ConfigurationError


async def test_a_matter_is_written_verified_and_logged(tiprouter: CommandLine, tmp_path: Path) -> None:
    """From a data folder into a new file, whole; elsewhere it verifies by the key alone; the log tells of it."""
    data, out = tmp_path / "data", tmp_path / "matter.zip"
    data.mkdir(mode=0o700)
    async with open_service(f"sqlite:///{data / 'tiprouter.db'}", data) as service:
        record_id = await matter(service, await police(service))
        vkey = service.signer.vkey
    made = tiprouter("audit", "bundle", record_id, "--out", out, "--data", data)
    assert made.returncode == 0, made.stdout + made.stderr
    assert SECRET.encode() not in out.read_bytes()
    done = tiprouter("audit", "verify", out, "--key", vkey)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[:7] for line in done.stdout.splitlines()[:9]] == [f"{number}. ok  " for number in range(1, 10)]
    assert "The audit bundle verifies" in done.stdout
    again = tiprouter("audit", "bundle", record_id, "--out", out, "--data", data)
    assert (again.returncode, again.stderr) == (1, "tiprouter: There is a file of this name already.\n")
    async with open_service(f"sqlite:///{data / 'tiprouter.db'}", data) as service:
        rows = await service.rows("select entry from outbox")
        assert sum(b'"kind":"export.made"' in bytes(row.entry) for row in rows) == 1


def test_a_flipped_bit_is_found_with_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the file in the archive is named."""
    data = bytearray(DATA)
    data[DATA.index(b"cns_A")] ^= 1
    (tmp_path / "bad.zip").write_bytes(bytes(data))
    assert auditing.verify(tmp_path / "bad.zip", FIRST.vkey, None) == 1
    assert "entries/000000000000003.json" in capsys.readouterr().out


def test_a_policy_is_asked_as_of_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its key is the key from elsewhere, its quorum must have cosigned; without either the bundle's own is believed."""
    (tmp_path / "good.zip").write_bytes(DATA)
    (tmp_path / "policy").write_text(POLICY)
    policy = auditing.chosen_policy(tmp_path / "policy")
    assert auditing.verify(tmp_path / "good.zip", None, None, policy) == 0
    assert "cosigned by witness.example/w1" in capsys.readouterr().out
    assert auditing.verify(tmp_path / "good.zip", None, None) == 0
    assert "The audit bundle's own key was believed" in capsys.readouterr().out
    assert RECORD.encode() in DATA


def test_a_bundle_is_no_log_to_be_remembered(tmp_path: Path) -> None:
    """Nothing of it is kept as the last checkpoint seen."""
    (tmp_path / "good.zip").write_bytes(DATA)
    with pytest.raises(ConfigurationError):
        auditing.verify(tmp_path / "good.zip", FIRST.vkey, tmp_path / "seen")
    assert not (tmp_path / "seen").exists()


def test_a_file_that_is_no_archive_is_no_bundle(tmp_path: Path) -> None:
    """It is refused as a bundle where it claims to be one."""
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and no more")
    assert not matters.verified(tmp_path / "x.zip", FIRST.vkey, None).ok
