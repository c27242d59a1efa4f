"""A small fictional log, and the folder it is published in."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from tiprouter.audit.checkpoint import Checkpoint, sign_checkpoint
from tiprouter.audit.entry import JSON, compose
from tiprouter.audit.folder import publish
from tiprouter.audit.growth import LogState, integrate
from tiprouter.audit.kinds import Kind
from tiprouter.audit.note import Algorithm, Signer

ORIGIN = "tiprouter.example/audit"
LOG = Signer(ORIGIN, b"\x07" * 32)
WITNESS = Signer("witness.example/w1", b"\x09" * 32, Algorithm.COSIGNATURE)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]

Publisher: TypeAlias = Callable[..., Path]


def entry(number: int, kind: Kind, **body: JSON) -> bytes:
    """Compose entry `number` of a test log: one second after the one before."""
    return compose(kind, START + timedelta(seconds=number), number.to_bytes(16, "big"), body)


def story(count: int) -> list[bytes]:
    """Tell `count` entries: the log opens, then record, decision, disclosure, attempt and its end, over and over."""
    entries = [entry(0, Kind.LOG_OPENED, origin=ORIGIN, key="633de6d5")]
    for number in range(1, count):
        turn, place = divmod(number - 1, 5)
        names = {"record": f"rec_{turn}", "disclosure": f"dis_{turn}", "attempt": f"att_{turn}"}
        kind, fields = (
            (Kind.RECORD_ACCEPTED, ("record",)),
            (Kind.DECISION, ("record",)),
            (Kind.DISCLOSURE_MADE, ("disclosure", "record")),
            (Kind.ATTEMPT_STARTED, ("attempt", "disclosure")),
            (Kind.ATTEMPT_FINISHED, ("attempt",)),
        )[place]
        body: dict[str, JSON] = {name: names[name] for name in fields}
        if kind is Kind.ATTEMPT_STARTED:
            body["delivery"] = f"del_{turn}"
        entries.append(entry(number, kind, **body))
    return entries


def publish_log(folder: Path, entries: list[bytes], sizes: Iterable[int] = ()) -> Path:
    """Publish the entries, pausing for a checkpoint at each of `sizes`."""
    state = LogState()
    for size in [*sizes, len(entries)]:
        grown = integrate(state, entries[state.size : size])
        note = sign_checkpoint(Checkpoint(ORIGIN, size, grown.root), LOG)
        publish(folder, grown.files, note, LOG.vkey)
        state = grown.state
    return folder


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Give a folder with 600 entries, whose last partial tiles have an older sister (at 590)."""
    return publish_log(tmp_path / "log", story(600), [1, 255, 256, 300, 590])
