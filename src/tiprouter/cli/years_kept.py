"""What is kept of invented years that are played in several sittings, and when may they go on?

1. Beside the service's own data a folder keeps one small file: what was asked for, how far it came, at which moment of
   the invented time, what each part took so far, and what the next day must know of the last one.
2. It is written when a day begins and when a day has ended, whole or not at all. Whoever is stopped by a signal or by
   the time limit ends the day first. A sitting that was killed in the middle of a day is not gone on with: nobody would
   know what that day cost.
3. What is gone on with is what was begun: other years, another seed or another database are refused.
4. Seconds and CPU are sums over all sittings; starting and ending a sitting is in none of them.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tiprouter.errors import ConfigurationError

FILE: Final = "years.json"


@dataclass(slots=True)
class Part:
    """What one part of the work took."""

    seconds: float = 0.0
    cpu: float = 0.0


@dataclass(slots=True)
class Played:
    """What was told so far, and what each part took; `tips` are ids by name, `consents` those of the last day."""

    counts: Counter[str] = field(default_factory=Counter)
    parts: dict[str, Part] = field(default_factory=dict)
    tips: dict[str, str] = field(default_factory=dict)
    consents: dict[str, str] = field(default_factory=dict)
    days: list[tuple[int, float]] = field(default_factory=list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        kept = self.parts.setdefault(name, Part())
        begun, spent = time.perf_counter(), time.process_time()
        yield
        kept.seconds += time.perf_counter() - begun
        kept.cpu += time.process_time() - spent


@dataclass(slots=True)
class Kept:
    """How far it came: the history's first moment, the moment now, the port of the sink, and whether a day is begun."""

    asked: Mapping[str, Any]
    begins: datetime
    at: datetime
    port: int
    sittings: int = 0
    peak: int = 0
    midway: bool = False
    played: Played = field(default_factory=Played)


def load(folder: Path, asked: Mapping[str, Any]) -> Kept | None:
    """What was kept; None where nothing was begun. Raises `ConfigurationError` (rules 2, 3)."""
    file = folder / FILE
    if not file.exists():
        if folder.exists() and any(folder.iterdir()):
            raise ConfigurationError("This folder has something in it, and no years that could go on.")
        return None
    said: dict[str, Any] = json.loads(file.read_text())
    if said["asked"] != dict(asked):
        raise ConfigurationError("This folder has other years than these, or has them in another database.")
    if said["midway"]:
        raise ConfigurationError("A sitting was killed in the middle of a day: begin anew in another folder.")
    played = said["played"]
    return Kept(
        asked=asked,
        begins=datetime.fromisoformat(said["begins"]),
        at=datetime.fromisoformat(said["at"]),
        port=said["port"],
        sittings=said["sittings"],
        peak=said["peak"],
        played=Played(
            counts=Counter(played["counts"]),
            parts={name: Part(*took) for name, took in played["parts"].items()},
            consents=played["consents"],
            days=[(signals, cpu) for signals, cpu in played["days"]],
        ),
    )


def save(folder: Path, kept: Kept) -> None:
    """Keep it. If we were to crash before the file is in its place, the one before is still there (rule 2)."""
    played = kept.played
    said = {
        "asked": dict(kept.asked),
        "begins": kept.begins.isoformat(),
        "at": kept.at.isoformat(),
        "port": kept.port,
        "sittings": kept.sittings,
        "peak": kept.peak,
        "midway": kept.midway,
        "played": {
            "counts": dict(played.counts),
            "parts": {name: (part.seconds, part.cpu) for name, part in played.parts.items()},
            "consents": played.consents,
            "days": played.days,
        },
    }
    being_written = folder / (FILE + ".new")
    being_written.write_text(json.dumps(said))
    being_written.replace(folder / FILE)
