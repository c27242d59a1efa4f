"""Can a log be verified from a file and over the web as from a folder, and is nothing else let in? (cli/sources.py)"""

import functools
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.conftest import entry, story
from tests.audit.conftest import publish_log as published
from tests.cli.conftest import LOG, publish_log
from tiprouter.audit.kinds import Kind
from tiprouter.cli import auditing, sources
from tiprouter.errors import ConfigurationError


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a plain file server on a folder with a log of 300 entries."""
    publish_log(tmp_path / "log", 300)
    handler = functools.partial(Quiet, directory=str(tmp_path / "log"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Any file server will do, and one that keeps the entries for auditors."""

    closed = False

    def do_GET(self) -> None:
        """As a file server does."""
        if self.closed and "/tile/entries/" in self.path and self.headers["Authorization"] != "Bearer an-auditors":
            self.send_error(401)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_log_behind_any_file_server_verifies(served: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The address of the folder or of its checkpoint; and what is tampered with on the server is found."""
    for url in (served, f"{served}/", f"{served}/checkpoint"):
        assert auditing.verify(url, LOG.vkey, tmp_path / "seen") == 0
    bundle = tmp_path / "log" / "tile" / "entries" / "000"
    bundle.write_bytes(bundle.read_bytes().replace(b"tip_41", b"tip_42"))
    assert auditing.verify(served, LOG.vkey, None) == 1
    assert "tile/entries/000, entry 41" in capsys.readouterr().out
    bundle.unlink()
    with pytest.raises(ConfigurationError, match="answered 404"):
        auditing.verify(served, LOG.vkey, None)


@pytest.mark.parametrize("url", ["http://log.example", "http://10.0.0.1/log", "https://127.0.0.1:1"])
def test_an_address_that_is_not_safe_or_not_there_is_refused(url: str) -> None:
    """Plain HTTP leaves this machine for nobody; what does not answer is said."""
    with pytest.raises(ConfigurationError):
        auditing.verify(url, LOG.vkey, None)


def test_entries_that_are_for_auditors_are_asked_for_with_a_token(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, or with one that is no good, the refusal says what to give."""
    monkeypatch.setattr(Quiet, "closed", True)
    assert auditing.verify(served, LOG.vkey, None, token="an-auditors") == 0
    for token in (None, "somebodys"):
        with pytest.raises(ConfigurationError, match=r"tile/entries/000 answered 401.* --token-file"):
            auditing.verify(served, LOG.vkey, None, token=token)


def test_a_place_where_nothing_is_is_no_log_that_was_tampered_with(tmp_path: Path) -> None:
    """A misspelt path is said to be one; a folder without a checkpoint fails, as a log whose checkpoint was taken."""
    with pytest.raises(ConfigurationError, match="no such file or folder"):
        auditing.verify(tmp_path / "lgo", LOG.vkey, None)
    assert auditing.verify(tmp_path, LOG.vkey, None) == 1


def test_one_file_holds_a_whole_log(tmp_path: Path) -> None:
    """Packed, carried elsewhere, verified; what else lies in the file never reaches the disk."""
    sources.pack(publish_log(tmp_path / "log", 300), tmp_path / "log.tar")
    assert auditing.verify(tmp_path / "log.tar", LOG.vkey, None) == 0
    with tarfile.open(tmp_path / "log.tar", "a") as archive:
        for name in ("../escaped", "/escaped", "tile/0/../../escaped", "tile/0/0", "notes.txt"):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"bad"))
    with sources.opened(str(tmp_path / "log.tar")) as folder:
        names = {path.name for path in folder.rglob("*") if path.is_file()}
        assert not {"escaped", "notes.txt", "0"} & names
        assert not (folder.parent / "escaped").exists()
    (tmp_path / "no.tar").write_text("no archive")
    with pytest.raises(ConfigurationError):
        auditing.verify(tmp_path / "no.tar", LOG.vkey, None)


def test_erased_content_is_said_and_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log of a record that was erased verifies, and says by which entry."""
    folder = published(tmp_path / "log", [*story(30), entry(30, Kind.RECORD_ERASED, record="rec_1"), *story(2)[1:]])
    assert auditing.verify(folder, None, None) == 0
    assert "Verified, content erased by entry 30." in capsys.readouterr().out


def test_a_policy_file_is_read_or_refused(tmp_path: Path) -> None:
    """A policy that cannot be read ends with one line, and its log key is used where none is given."""
    policy = tmp_path / "policy"
    policy.write_text(f"log {LOG.vkey}\nquorum none\n")
    folder = publish_log(tmp_path / "log", 3)
    assert auditing.verify(folder, None, None, auditing.chosen_policy(policy)) == 0
    policy.write_text("quorum nobody\n")
    with pytest.raises(ConfigurationError, match="line 1"):
        auditing.chosen_policy(policy)
    with pytest.raises(ConfigurationError):
        auditing.chosen_policy(tmp_path / "absent")
    assert auditing.chosen_policy(None) is None
