"""Words that occur nowhere else, in every field that can hold personal data, and the search for them in any bytes."""

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

STEM = "Zq7MarkerQz"
"""How every marker begins; whatever holds one, in any of the forms, holds this."""


class Marks:
    """Makes markers and remembers how many."""

    def __init__(self, run: str = "a") -> None:
        self.made: list[str] = []
        self._run = run

    def __call__(self, what: str) -> str:
        """A new one, out of letters and digits."""
        self.made.append(f"{STEM}{self._run}{len(self.made):04}{what.title().replace('_', '')}")
        return self.made[-1]


def _forms() -> Iterator[tuple[str, bytes]]:
    raw = STEM.encode()
    yield "plain", raw
    yield "lower case", raw.lower()
    yield "upper case", raw.upper()
    yield "backwards", raw[::-1]
    for coding in ("utf-16-le", "utf-16-be"):
        yield coding, STEM.encode(coding)
    yield "hex", raw.hex().encode()
    yield "hex in upper case", raw.hex().upper().encode()
    for shift in range(3):
        # The middle of any base64 of a text that holds the stem, at each of the three alignments.
        yield f"base64, {shift} bytes on", base64.b64encode(b"\0" * shift + raw)[4:-4]


FORMS: Mapping[str, bytes] = dict(_forms())
_ANY = re.compile(b"|".join(re.escape(form) for form in FORMS.values()))


def found(haystacks: Mapping[str, bytes]) -> list[tuple[str, str, bytes]]:
    """Where a marker stands: the haystack, the form, and what is around the first place."""
    hits = []
    for name, data in haystacks.items():
        if (hit := _ANY.search(data)) is not None:
            form = next(one for one, raw in FORMS.items() if raw == hit[0])
            hits.append((name, form, data[max(0, hit.start() - 20) : hit.end() + 40]))
    return hits


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, keys excepted: nobody writes a word into them."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
