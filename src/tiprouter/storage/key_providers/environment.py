"""How does an environment variable hold the key-encryption keys?

1. `TIPROUTER_KEK` is one key or several with commas between, each 32 bytes as base64url (RFC 4648, section 5); the
   first wraps, the others open what they wrapped before.
2. It is taken out of the environment when it is read, so that no child process inherits it.
3. A rotation is a new key put before the others, by whoever keeps them.

Not promised: that the operating system shows nobody the environment this process was started with.
"""

import base64
import binascii
from collections.abc import MutableMapping
from typing import Final

from tiprouter.errors import ConfigurationError
from tiprouter.storage.key_providers import KEY_BYTES, Wrapped
from tiprouter.storage.key_providers.local import id_of, unwrap_locally, wrap_locally

VARIABLE: Final = "TIPROUTER_KEK"


class EnvironmentKeyProvider:
    """Key-encryption keys out of the environment (rules 1, 2). Raises `ConfigurationError`."""

    remote = False

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        told = environ.pop(VARIABLE, "")
        if not told:
            raise ConfigurationError(f"The key provider `environment` needs {VARIABLE}.")
        keys = [_decoded(one.strip()) for one in told.split(",")]
        self._keys = {id_of(key): key for key in reversed(keys)}

    def ids(self) -> tuple[str, ...]:
        """See `KeyProvider.ids`."""
        return tuple(self._keys)

    def opens(self, kek_id: str) -> bool:
        """See `KeyProvider.opens`."""
        return kek_id in self._keys

    def wrap(self, key: bytes, owner: str) -> Wrapped:  # noqa: ARG002 - the protocol's; key wrap binds to nothing
        """See `KeyProvider.wrap`."""
        return wrap_locally(list(self._keys.values())[-1], key)

    def unwrap(self, wrapped: Wrapped, owner: str) -> bytes:  # noqa: ARG002 - as above
        """See `KeyProvider.unwrap`."""
        return unwrap_locally(self._keys, wrapped)

    def rotate(self) -> str:
        """See `KeyProvider.rotate`; it is rule 3."""
        raise ConfigurationError(f"Put a new key first in {VARIABLE}, before the old one and a comma, and start again.")


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{VARIABLE} holds 32 bytes as base64url, or several with commas between.")
    return key
