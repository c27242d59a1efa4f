"""Where is the engine of a bundle that was loaded before?

1. Engines are kept by digest, a bounded number of them, the longest unused forgotten first. Reading a bundle takes a
   fifth of a second; asking for one that is kept takes nothing.
2. A bundle's name is the digest it was approved under. With the versions that computed it, its texts must still give
   that digest; with others (an upgrade of Cedar) the texts' own digest must hold, and the name stays.

Safe to share between threads.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from tiprouter.errors import UnavailableError
from tiprouter.policy.bundle import Bundle, engine_versions, read
from tiprouter.policy.engine import Engine
from tiprouter.policy.refusal import BundleError

KEPT: Final = 8


class AlteredBundleError(UnavailableError):
    """A stored policy bundle is not what was approved; restore the database from a backup."""


def files_digest(files: Mapping[str, str]) -> str:
    """SHA-256 (hex) over a bundle's texts as they are, to the byte."""
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()


class Library:
    """Engines by bundle digest."""

    def __init__(self, kept: int = KEPT) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._kept = kept
        self._lock = threading.Lock()

    def find(self, digest: str) -> Engine | None:
        """The engine of a bundle, if it is kept."""
        with self._lock:
            if digest in self._engines:
                self._engines.move_to_end(digest)
            return self._engines.get(digest)

    def keep(self, bundle: Bundle) -> Engine:
        """The engine of a bundle, kept from now on."""
        known = self.find(bundle.digest)
        if known is not None:
            return known
        engine = Engine(bundle)
        with self._lock:
            self._engines[bundle.digest] = engine
            while len(self._engines) > self._kept:
                self._engines.popitem(last=False)
        return engine

    def open(self, digest: str, files: Mapping[str, str], known_files_digest: str, versions: str) -> Engine:
        """The engine of a stored bundle (rule 2). Raises `AlteredBundleError`."""
        known = self.find(digest)
        if known is not None:
            return known
        try:
            bundle = read(files)
        except BundleError as error:
            raise AlteredBundleError from error
        same_versions = versions == engine_versions()
        if files_digest(files) != known_files_digest or (same_versions and bundle.digest != digest):
            raise AlteredBundleError
        return self.keep(replace(bundle, digest=digest))
