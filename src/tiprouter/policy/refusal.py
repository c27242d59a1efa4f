"""Why was a policy bundle refused, and where in it?

1. Every refusal names the file, the line (from 1; 1 when the whole file is meant) and the reason.
2. A bundle is written by counsel and operators and holds no personal data, so a reason may quote it.
"""

from pathlib import Path

from tiprouter.errors import TiprouterError


class BundleError(TiprouterError):
    """The policy bundle cannot be used."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


def text_of(folder: Path, name: str) -> str:
    """The text of one file of a bundle. Raises `BundleError` when it is missing, empty or not UTF-8."""
    try:
        text = (folder / name).read_bytes().decode()
    except OSError as error:
        raise BundleError(name, 1, "the file is missing or cannot be read") from error
    except UnicodeDecodeError as error:
        raise BundleError(name, 1, "the file is not UTF-8 text") from error
    if not text.strip():
        raise BundleError(name, 1, "the file is empty")
    return text
