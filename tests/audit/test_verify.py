"""Tests of the offline verifier: whoever changes one byte is seen, and the place is named."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from tiprouter.audit.checkpoint import Checkpoint, read_unverified, sign_checkpoint
from tiprouter.audit.entry import compose
from tiprouter.audit.growth import LogState, integrate
from tiprouter.audit.kinds import Kind
from tiprouter.audit.note import Signer
from tiprouter.audit.steps import Report, Where
from tiprouter.audit.tiles import ENTRIES, Tile, TileError, decode_bundle, encode_bundle
from tiprouter.audit.verify import verify_folder

from .conftest import LOG, ORIGIN, START, entry, publish_log, story

FLIPS_PER_FILE = 20


def _failed(report: Report) -> tuple[int, Where | None]:
    failed = [step.number for step in report.steps if not step.ok]
    assert failed == list(range(failed[0], 10)) if failed else report.ok
    assert all(
        step.detail.startswith("not reached") for step in report.steps if not step.ok and step.number > failed[0]
    )
    return (failed[0] if failed else 0, report.where)


def _remembered(folder: Path) -> Checkpoint:
    return read_unverified((folder / "checkpoint").read_bytes())


def test_an_untouched_log_verifies(published: Path) -> None:
    """Nine numbered steps, all passed, with the size and root of the checkpoint."""
    report = verify_folder(published, LOG.vkey, now=START + timedelta(seconds=600))
    assert report.ok, report
    assert [step.number for step in report.steps] == list(range(1, 10))
    assert (report.size, report.root, report.where) == (600, _remembered(published).root, None)
    assert "3 older partial ones agree" in report.steps[4].detail


def test_a_key_that_was_not_checked_is_said_to_be(published: Path) -> None:
    """The folder's own key proves only that the folder agrees with itself, and the report says so."""
    own, given = verify_folder(published), verify_folder(published, LOG.vkey)
    assert own.ok
    assert (own.key_given, given.key_given) == (False, True)
    assert "not checked against anything" in own.steps[0].detail
    assert "not checked" not in given.steps[0].detail


def _entry_at(file: Path, path: str, position: int) -> int | None:
    """Return the index of the entry which the byte at `position` belongs to, None outside bundles."""
    try:
        tile = Tile.parse(path)
    except TileError:
        return None
    if tile.level != ENTRIES:
        return None
    end = 0
    for number, data in enumerate(decode_bundle(file.read_bytes(), tile.width)):
        end += 2 + len(data)
        if position < end:
            return tile.index * 256 + number
    return None


@pytest.mark.parametrize("vkey", [None, LOG.vkey])
def test_a_flipped_byte_anywhere_is_named(published: Path, vkey: str | None) -> None:
    """In every file of the folder, at its first, last and random bytes: the report names the file and the entry."""
    dice = random.Random(20260301)  # noqa: S311 - chooses where to damage, not a secret
    flips = 0
    for file in sorted(path for path in published.rglob("*") if path.is_file()):
        path, intact = file.relative_to(published).as_posix(), file.read_bytes()
        positions = {0, 1, len(intact) - 1, *(dice.randrange(len(intact)) for _ in range(FLIPS_PER_FILE - 3))}
        for position in sorted(positions):
            expected = Where(path, _entry_at(file, path, position))
            damaged = bytearray(intact)
            damaged[position] ^= dice.randrange(1, 256)
            file.write_bytes(damaged)
            report = verify_folder(published, vkey)
            assert not report.ok
            assert report.where == expected, f"byte {position} of {path}"
            file.write_bytes(intact)
            flips += 1
    assert flips >= 200
    assert verify_folder(published, vkey).ok


def test_a_missing_or_truncated_file_is_named(published: Path) -> None:
    """Every file that the checkpoint needs: without it, cut in half, or emptied."""
    for file in sorted(path for path in published.rglob("*") if path.is_file()):
        path, intact = file.relative_to(published).as_posix(), file.read_bytes()
        for damaged in (intact[: len(intact) // 2], intact[:-1], b"", intact + b"\x00", intact + intact):
            file.write_bytes(damaged)
            where = verify_folder(published, LOG.vkey).where
            assert where is not None, path
            assert where.file == path
        file.unlink()
        if path not in {"log.vkey", "tile/0/002.p/78", "tile/1/000.p/1", "tile/entries/002.p/78"}:
            assert _failed(verify_folder(published, LOG.vkey))[1] == Where(path)
        else:
            assert verify_folder(published, LOG.vkey).ok
        file.write_bytes(intact)


def _rewrite(folder: Path, tile: Tile, entries: list[bytes]) -> None:
    (folder / tile.path).write_bytes(encode_bundle(entries))


def test_a_dropped_entry_is_seen(published: Path) -> None:
    """Taken out of the middle of a bundle, the bundle is short, and the place of the loss is named."""
    tile = Tile(ENTRIES, 1)
    entries = decode_bundle((published / tile.path).read_bytes(), 256)
    _rewrite(published, tile, [*entries[:7], *entries[8:]])
    assert _failed(verify_folder(published, LOG.vkey)) == (3, Where(tile.path, 256 + 7))


def test_swapped_entries_are_seen(published: Path) -> None:
    """Two entries that change places keep the bundle well formed, but not the leaves."""
    tile = Tile(ENTRIES, 1)
    entries = decode_bundle((published / tile.path).read_bytes(), 256)
    entries[7], entries[9] = entries[9], entries[7]
    _rewrite(published, tile, entries)
    assert _failed(verify_folder(published, LOG.vkey)) == (4, Where(tile.path, 256 + 7))


def test_a_doubled_entry_is_seen(published: Path) -> None:
    """An entry over its neighbour: same length of bundle, another leaf."""
    tile = Tile(ENTRIES, 0)
    entries = decode_bundle((published / tile.path).read_bytes(), 256)
    _rewrite(published, tile, [*entries[:3], entries[3], entries[3], *entries[5:]])
    assert _failed(verify_folder(published, LOG.vkey)) == (4, Where(tile.path, 4))


def test_swapped_bundles_are_seen(published: Path) -> None:
    """Two whole files that change places."""
    one, other = published / "tile/entries/000", published / "tile/entries/001"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert _failed(verify_folder(published, LOG.vkey)) == (4, Where("tile/entries/000", 0))


def test_a_log_rewritten_with_all_its_tiles_is_seen(published: Path) -> None:
    """An operator who changes an entry and every tile above it still lacks the signature."""
    entries = story(600)
    entries[300] = entry(300, Kind.NOTICE, reason="harmless")
    for tile, data in integrate(LogState(), entries).files.items():
        (published / tile.path).write_bytes(data)
    for older in ("tile/0/002.p/78", "tile/1/000.p/1", "tile/entries/002.p/78"):
        (published / older).unlink()
    assert _failed(verify_folder(published, LOG.vkey)) == (6, Where("checkpoint"))


def test_a_higher_tile_that_lies_is_seen(published: Path) -> None:
    """A level-1 hash that does not follow from the leaves."""
    tile = published / "tile/1/000.p/2"
    tile.write_bytes(tile.read_bytes()[::-1])
    assert _failed(verify_folder(published, LOG.vkey)) == (5, Where("tile/1/000.p/2"))


def test_a_remembered_checkpoint_catches_what_the_signature_cannot(tmp_path: Path) -> None:
    """The key's owner rewrites history and signs it: only a checkpoint remembered elsewhere shows it."""
    honest = publish_log(tmp_path / "honest", story(600), [300])
    old = Checkpoint(ORIGIN, 300, integrate(LogState(), story(300)).root)
    assert verify_folder(honest, LOG.vkey, remembered=old).ok
    assert verify_folder(honest, LOG.vkey, remembered=_remembered(honest)).ok
    empty = Checkpoint(ORIGIN, 0, integrate(LogState(), []).root)
    assert verify_folder(honest, LOG.vkey, remembered=empty).ok

    entries = story(600)
    entries[1] = entry(1, Kind.NOTICE, reason="harmless")
    rewritten = publish_log(tmp_path / "rewritten", entries)
    assert verify_folder(rewritten, LOG.vkey).ok
    assert _failed(verify_folder(rewritten, LOG.vkey, remembered=old)) == (7, Where("checkpoint"))

    shrunk = publish_log(tmp_path / "shrunk", story(299))
    assert verify_folder(shrunk, LOG.vkey).ok
    assert _failed(verify_folder(shrunk, LOG.vkey, remembered=old)) == (7, Where("checkpoint"))
    other = Checkpoint("other.example/audit", 300, old.root)
    assert _failed(verify_folder(honest, LOG.vkey, remembered=other)) == (7, Where("checkpoint"))


def test_another_key_is_refused(published: Path) -> None:
    """The folder re-signed by somebody else, with or without their key in it, fails against the key given."""
    stranger = Signer(ORIGIN, b"\x0b" * 32)
    assert _failed(verify_folder(published, stranger.vkey)) == (1, Where("log.vkey"))
    (published / "checkpoint").write_bytes(sign_checkpoint(_remembered(published), stranger))
    assert _failed(verify_folder(published, LOG.vkey)) == (2, Where("checkpoint"))
    (published / "log.vkey").write_text(stranger.vkey + "\n")
    assert verify_folder(published).ok
    assert _failed(verify_folder(published, LOG.vkey)) == (1, Where("log.vkey"))
    assert _failed(verify_folder(published, "nonsense"))[0] == 1


BAD_ENTRIES = {
    "free text": entry(2, Kind.NOTICE, reason="x1").replace(b"x1", b"Example Person called"),
    "unknown kind": entry(2, Kind.NOTICE).replace(b'"notice"', b'"unheard"'),
    "unknown field": entry(2, Kind.NOTICE, reason="x1").replace(b"reason", b"remark"),
    "another spelling": entry(2, Kind.NOTICE) + b"\n",
    "nothing at all": b"",
    "too early": compose(Kind.NOTICE, START.replace(year=2001), bytes(16), {}),
    "too late": compose(Kind.NOTICE, START.replace(year=2101), bytes(16), {}),
}


@pytest.mark.parametrize("bad", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_an_entry_that_should_not_be_there_is_named(tmp_path: Path, bad: bytes) -> None:
    """Correctly hashed and signed, but no entry this log may hold."""
    publish_log(tmp_path, [*story(258), bad, *story(3)])
    assert _failed(verify_folder(tmp_path, LOG.vkey)) == (8, Where("tile/entries/001.p/6", 258))


def test_an_entry_from_the_future_is_named(published: Path) -> None:
    """With a clock at hand, no entry may be later than now, but for five minutes of skew."""
    now = START + timedelta(seconds=400) - timedelta(minutes=5)
    assert _failed(verify_folder(published, LOG.vkey, now=now)) == (8, Where("tile/entries/001", 401))


MADE = entry(1, Kind.DISCLOSURE_MADE, disclosure="dis_1")
RECALL = entry(2, Kind.RECALL_MADE, recall="rcl_1", disclosure="dis_1")
STARTED = entry(3, Kind.ATTEMPT_STARTED, attempt="att_1", delivery="del_1", disclosure="dis_1")
RECALLING = entry(4, Kind.ATTEMPT_STARTED, attempt="att_2", delivery="del_2", disclosure="rcl_1")
FINISHED = entry(5, Kind.ATTEMPT_FINISHED, attempt="att_1")


@pytest.mark.parametrize(
    ("entries", "at"),
    [
        ([MADE, STARTED, FINISHED, RECALL, RECALLING], None),
        ([RECALL, STARTED, FINISHED], None),
        ([STARTED, FINISHED], 0),
        ([STARTED, MADE, FINISHED], 0),
        ([MADE, RECALLING], 1),
        ([MADE, FINISHED], 1),
        ([MADE, FINISHED, STARTED], 1),
    ],
)
def test_an_attempt_out_of_nowhere_is_named(tmp_path: Path, entries: list[bytes], at: int | None) -> None:
    """Nothing is sent that was not first disclosed or recalled, and nothing ends that did not start."""
    publish_log(tmp_path, entries)
    place = f"tile/entries/000.p/{len(entries)}"
    assert _failed(verify_folder(tmp_path, LOG.vkey)) == ((0, None) if at is None else (9, Where(place, at)))


def test_what_is_no_log_fails_without_an_error(tmp_path: Path) -> None:
    """An absent folder, an empty one, a file, and folders where files should be."""
    (tmp_path / "file").write_text("hello")
    (tmp_path / "empty").mkdir()
    for name in ("absent", "empty", "file"):
        assert _failed(verify_folder(tmp_path / name)) == (1, Where("log.vkey"))
        assert _failed(verify_folder(tmp_path / name, LOG.vkey)) == (2, Where("checkpoint"))
    folder = publish_log(tmp_path / "log", story(3))
    bundle = folder / "tile/entries/000.p/3"
    bundle.unlink()
    bundle.mkdir()
    assert _failed(verify_folder(folder, LOG.vkey)) == (3, Where("tile/entries/000.p/3"))
    (folder / "checkpoint").unlink()
    (folder / "checkpoint").mkdir()
    assert _failed(verify_folder(folder, LOG.vkey))[0] == 2


def test_a_checkpoint_larger_than_the_folder_fails_at_once(tmp_path: Path) -> None:
    """A signed size of 2**62 does not keep the verifier busy for ever."""
    publish_log(tmp_path, story(3))
    note = sign_checkpoint(Checkpoint(ORIGIN, 2**62, bytes(32)), LOG)
    (tmp_path / "checkpoint").write_bytes(note)
    assert _failed(verify_folder(tmp_path, LOG.vkey)) == (3, Where("tile/entries/000"))
