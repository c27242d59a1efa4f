"""How do key-encryption keys that this process itself holds wrap data keys?

1. AES key wrap (NIST SP 800-38F, RFC 3394) under 256 bits: 40 bytes for a data key of 32.
2. A key's id is a digest of the key: the same key has the same id wherever it was read from.

Not promised: anything against whoever reads this process's memory.
"""

import hashlib
from collections.abc import Mapping

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from tiprouter.storage.key_providers import UnwrapError, Wrapped


def id_of(key: bytes) -> str:
    """The id of a key-encryption key, 16 hex digits (rule 2)."""
    return hashlib.sha256(b"tiprouter-kek" + key).hexdigest()[:16]


def wrap_locally(kek: bytes, key: bytes) -> Wrapped:
    """Wrap a data key (rule 1)."""
    return Wrapped(id_of(kek), aes_key_wrap(kek, key))


def unwrap_locally(keks: Mapping[str, bytes], wrapped: Wrapped) -> bytes:
    """Unwrap a data key with the key of that id. Raises `UnwrapError`."""
    try:
        return aes_key_unwrap(keks[wrapped.kek_id], wrapped.data)
    except (KeyError, InvalidUnwrap, ValueError) as error:
        raise UnwrapError from error
