"""Tests of publishing: whole files only, nothing changes, and nothing is promised before it is there."""

import os
from pathlib import Path

import pytest

from tiprouter.audit.checkpoint import Checkpoint, sign_checkpoint
from tiprouter.audit.folder import AT_ONCE, FolderError, last_checkpoint, list_tiles, publish, read_tile
from tiprouter.audit.growth import Integration, LogState, integrate
from tiprouter.audit.note import Signer
from tiprouter.audit.tiles import ENTRIES, Tile, tiles_between
from tiprouter.audit.verify import verify_folder

from .conftest import LOG, publish_log, story

STORY = story(600)


def _note(grown: Integration, signer: Signer = LOG) -> bytes:
    return sign_checkpoint(Checkpoint(signer.name, grown.state.size, grown.root), signer)


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_has_the_specified_layout(published: Path) -> None:
    """After 600 entries: these files and no others; the older partial tiles of what is full are gone."""
    assert sorted(_snapshot(published)) == [
        "checkpoint",
        "log.vkey",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/78",
        "tile/0/002.p/88",
        "tile/1/000.p/1",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/78",
        "tile/entries/002.p/88",
    ]
    assert (published / "log.vkey").read_text() == LOG.vkey + "\n"
    assert last_checkpoint(published) == (published / "checkpoint").read_bytes()


def test_publishing_again_changes_nothing(tmp_path: Path) -> None:
    """The same call after a crash finds everything in place, and does not even touch the files."""
    grown = integrate(LogState(), STORY)
    publish(tmp_path, grown.files, _note(grown), LOG.vkey)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    publish(tmp_path, grown.files, _note(grown), LOG.vkey)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_crash_at_any_file_leaves_a_log_that_verifies(tmp_path: Path) -> None:
    """Each prefix of the writes of 300 -> 600, as a crash would leave it, verifies at 300, and is completed later."""
    first = integrate(LogState(), STORY[:300])
    second = integrate(first.state, STORY[300:])
    for written in range(len(second.files) + 1):
        folder = publish_log(tmp_path / str(written), STORY[:300])
        for tile, data in list(second.files.items())[:written]:
            (folder / tile.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / tile.path).write_bytes(data)
        (folder / "tile/entries/.002.new").write_bytes(b"half a f")
        report = verify_folder(folder, LOG.vkey)
        assert (report.ok, report.size) == (True, 300), report
        publish(folder, second.files, _note(second), LOG.vkey)
        report = verify_folder(folder, LOG.vkey)
        assert (report.ok, report.size) == (True, 600), report


def test_of_many_files_each_is_forced_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written at once by several threads: each file is on the disk before its name, each name before the checkpoint."""
    forced: set[int] = set()
    named: list[Path] = []
    fsync, replace = os.fsync, Path.replace

    def force(handle: int) -> None:
        fsync(handle)
        forced.add(os.fstat(handle).st_ino)

    def name(self: Path, target: Path) -> Path:
        assert self.stat().st_ino in forced, f"{target.name} has its name too early"
        if target.name == "checkpoint":
            assert {path.parent.stat().st_ino for path in named} <= forced
        named.append(target)
        forced.discard(target.parent.stat().st_ino)
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", force)
    monkeypatch.setattr(Path, "replace", name)
    grown = integrate(LogState(), story(1_100))
    publish(tmp_path, grown.files, _note(grown), LOG.vkey)
    assert {path.relative_to(tmp_path).as_posix() for path in named} >= {tile.path for tile in grown.files}
    assert len(grown.files) >= AT_ONCE
    assert named[-1] == tmp_path / "checkpoint"


def test_a_disk_that_refuses_one_of_many_files_stops_the_checkpoint(tmp_path: Path) -> None:
    """What goes wrong in one of several threads is heard; published again, all is there."""
    grown = integrate(LogState(), story(1_100))
    assert len(grown.files) >= AT_ONCE
    stone = tmp_path / "tile" / "entries" / ".003.new"
    stone.mkdir(parents=True)
    with pytest.raises(OSError, match=r"003\.new"):
        publish(tmp_path, grown.files, _note(grown), LOG.vkey)
    assert last_checkpoint(tmp_path) is None
    stone.rmdir()
    publish(tmp_path, grown.files, _note(grown), LOG.vkey)
    assert verify_folder(tmp_path, LOG.vkey).ok


def test_a_checkpoint_waits_for_everything_under_it(tmp_path: Path) -> None:
    """After a missed publication the next one is refused, until all tiles since the last checkpoint are given."""
    publish_log(tmp_path, STORY[:100])
    missed = integrate(integrate(LogState(), STORY[:100]).state, STORY[100:300])
    latest = integrate(missed.state, STORY[300:])
    before = _snapshot(tmp_path)
    with pytest.raises(FolderError, match="neither given nor published"):
        publish(tmp_path, latest.files, _note(latest), LOG.vkey)
    assert _snapshot(tmp_path) == before
    stored = {**missed.files, **latest.files}
    publish(tmp_path, {tile: stored[tile] for tile in tiles_between(100, 600)}, _note(latest), LOG.vkey)
    assert verify_folder(tmp_path, LOG.vkey).ok


def test_what_was_published_cannot_be_changed(published: Path) -> None:
    """A smaller log, another root of the same size, another tile, key or origin: all refused, nothing touched."""
    before = _snapshot(published)
    smaller = integrate(LogState(), STORY[:500])
    forged = integrate(LogState(), [*STORY[:-1], STORY[0]])
    grown = integrate(integrate(LogState(), STORY).state, STORY[:10])
    stranger = Signer("stranger.example/log", b"\x0b" * 32)
    changed = {tile: bytes(len(data)) for tile, data in integrate(LogState(), STORY).files.items()}
    for files, note, vkey in (
        (smaller.files, _note(smaller), LOG.vkey),
        (forged.files, _note(forged), LOG.vkey),
        ({}, _note(forged), LOG.vkey),
        ({**changed, **grown.files}, _note(grown), LOG.vkey),
        (grown.files, _note(grown), stranger.vkey),
        (grown.files, _note(grown, stranger), LOG.vkey),
    ):
        with pytest.raises(FolderError):
            publish(published, files, note, vkey)
        written = _snapshot(published)
        assert written["checkpoint"] == before["checkpoint"]
        assert before.items() <= written.items()


def test_a_partial_tile_that_is_gone_is_read_from_the_full_one(tmp_path: Path) -> None:
    """What the specification advises to clients: the beginning of the full tile is the partial one."""
    publish_log(tmp_path, STORY)
    partial = integrate(LogState(), STORY[:300])
    gone = {tile: data for tile, data in partial.files.items() if tile.index == 1}
    assert [tile.path for tile in gone] == ["tile/entries/001.p/44", "tile/0/001.p/44"]
    for tile, data in gone.items():
        assert not (tmp_path / tile.path).exists()
        assert read_tile(tmp_path, tile) == data
    assert read_tile(tmp_path, Tile(ENTRIES, 3)) is None
    assert read_tile(tmp_path, Tile(0, 3, 7)) is None


def test_strange_files_are_told_apart(published: Path) -> None:
    """A file that is no tile is listed by its path."""
    (published / "tile/0/README").write_text("hello")
    assert "tile/0/README" in list(list_tiles(published))
    assert Tile(0, 2, 88) in list(list_tiles(published))


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    """Nothing published yet, or no folder at all."""
    assert last_checkpoint(tmp_path) is None
    assert last_checkpoint(tmp_path / "absent") is None


def test_an_empty_log_can_be_published(tmp_path: Path) -> None:
    """A checkpoint of size 0, without a single tile, verifies."""
    publish_log(tmp_path, [])
    report = verify_folder(tmp_path, LOG.vkey)
    assert (report.ok, report.size) == (True, 0)
