"""What does an encrypted message say, to the one it was meant for?

1. Verify the signature first (`verification`); only what the router signed is worth a private key's time.
2. `ECDH-ES+A256KW` and `RSA-OAEP-256`, content `A256GCM`, compact serialisation; nothing else, whatever the message
   says of itself. No compression, so that a small message is not a large one.
3. The type is the router's own, the recipient (`aud`) is you, and the message (`wid`) is the one that was verified.
4. The key is chosen by its id; give the old and the new one while rotating.
5. Whatever is wrong, the only exception is `VerificationError`, and its text quotes nothing and tells no cause, so that
   answers cannot be used to guess at what was encrypted.

The package joserfc is needed, and imported when something is to be decrypted. Sources: RFC 7516, RFC 7518, RFC 8725.
"""

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tiprouter.receiver.verification import VerificationError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

CONTENT_TYPE = "application/jose"
TYPE = "vnd.tiprouter.message+jose"
ALGORITHMS = ("ECDH-ES+A256KW", "RSA-OAEP-256", "A256GCM")
MESSAGE_BYTES_MAX = 4_194_304
RSA_BITS_MIN = 2_048
_KINDS = frozenset({"EC", "OKP", "RSA"})


def decrypt(body: bytes, private_keys: Sequence[str], *, recipient_id: str, webhook_id: str) -> bytes:
    """Return the JSON inside a JWE, or raise `VerificationError`.

    `private_keys` are JWK texts with a `kid`, as registered with the router, or without one if the router shows the
    thumbprint. `recipient_id` is your id at the router, `webhook_id` the verified message's.
    """
    if not isinstance(body, bytes) or len(body) > MESSAGE_BYTES_MAX:
        raise VerificationError("An encrypted message is at most 4 MiB of bytes.")
    # Imported here so that a recipient of plain messages needs nothing but Python.
    try:
        from joserfc import jwe  # noqa: PLC0415 - optional
        from joserfc.registry import HeaderParameter  # noqa: PLC0415 - optional
    except ImportError:
        raise VerificationError("Install the package joserfc to decrypt messages.") from None
    keys = _keys(private_keys)
    names = {
        "aud": HeaderParameter("Recipient", "str", required=True),
        "wid": HeaderParameter("Id", "str", required=True),
    }
    registry = jwe.JWERegistry(header_registry=names, algorithms=ALGORITHMS)
    registry.max_ciphertext_length = MESSAGE_BYTES_MAX
    try:
        key = keys[_key_id(body)]
        opened = jwe.decrypt_compact(body, key, registry=registry)
        told: dict[str, Any] = opened.headers()
        right = (told.get("typ"), told.get("aud"), told.get("wid")) == (TYPE, recipient_id, webhook_id)
        text = opened.plaintext
    except Exception:  # noqa: BLE001 - rule 5: the library raises many kinds, and each would tell a cause
        raise VerificationError("The message cannot be decrypted.") from None
    if not right or text is None:
        raise VerificationError("The message cannot be decrypted.")
    return text


def _key_id(body: bytes) -> str:
    head = body.partition(b".")[0]
    told = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    return str(told["kid"])


def _keys(texts: Sequence[str]) -> "dict[str, ECKey | OKPKey | RSAKey]":
    if isinstance(texts, str) or not texts:
        raise VerificationError("A list of at least one private key is needed.")
    try:
        found = [_key(json.loads(text)) for text in texts]
    except Exception:  # noqa: BLE001 - rule 5: a traceback would quote the key
        raise VerificationError("A private key is malformed.") from None
    return {str(key.kid or key.thumbprint()): key for key in found}


def _key(members: dict[str, Any]) -> "ECKey | OKPKey | RSAKey":
    from joserfc.jwk import ECKey, OKPKey, RSAKey  # noqa: PLC0415 - optional

    if members["kty"] not in _KINDS or "d" not in members:
        raise ValueError
    if members["kty"] == "RSA":
        key = RSAKey.import_key(members)
        if key.raw_value.key_size < RSA_BITS_MIN:
            raise ValueError
        return key
    return (ECKey if members["kty"] == "EC" else OKPKey).import_key(members)
