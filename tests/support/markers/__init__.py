"""Words that occur nowhere else, in every field that can hold personal data, and the search for them in any bytes."""

import base64
import re
import zlib
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
    yield "percent-encoded", "".join(f"%{one:02X}" for one in raw).encode()
    yield "percent-encoded in lower case", "".join(f"%{one:02x}" for one in raw).encode()
    yield "JSON escapes", "".join(f"\\u{one:04x}" for one in raw).encode()
    yield "JSON escapes in upper case", "".join(f"\\u{one:04X}" for one in raw).encode()
    for shift in range(3):
        # The middle of any base64 of a text that holds the stem, at each of the three alignments.
        yield f"base64, {shift} bytes on", base64.b64encode(b"\0" * shift + raw)[4:-4]


FORMS: Mapping[str, bytes] = dict(_forms())
WORD = re.compile(rb"%s([a-z]+)(\d{4,})" % STEM.encode())
"""A whole marker in the clear: its run and its number."""


_PACKED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
"""How gzip and zlib begin. Bare deflate has no beginning to look for: what is packed so is not seen."""
_GZIP_OR_ZLIB = 47
_UNPACKED_MAX = 1 << 20


def unpacked(data: bytes) -> Iterator[bytes]:
    """What stands compressed in these bytes: as much of each stream as can be read, cut short or damaged later on."""
    for begin in _PACKED.finditer(data):
        stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        out, at = bytearray(), begin.start()
        try:
            # In small pieces, so that what comes before the damage is looked at too.
            while at < len(data) and len(out) < _UNPACKED_MAX and not stream.eof:
                out += stream.decompress(data[at : at + 64], _UNPACKED_MAX)
                at += 64
        except zlib.error:
            pass
        if len(out) >= len(STEM):
            yield bytes(out)


def found(haystacks: Mapping[str, bytes]) -> list[tuple[str, str, bytes]]:
    """Where a marker stands: the haystack, the form, and what is around the first place."""
    hits = []
    for name, data in haystacks.items():
        if (form := form_in(data)) is not None:
            at = data.index(FORMS[form])
            hits.append((name, form, data[max(0, at - 20) : at + len(FORMS[form]) + 40]))
        elif any(form_in(inner) for inner in unpacked(data)):
            hits.append((name, "compressed", b""))
    return hits


def form_in(data: bytes) -> str | None:
    """In which form the first marker stands there; None where none does."""
    there = {form: data.index(raw) for form, raw in FORMS.items() if raw in data}
    return min(there, key=there.__getitem__, default=None)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
