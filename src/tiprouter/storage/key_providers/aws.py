"""How does AWS KMS wrap data keys?

1. Wrapping is `Encrypt`, unwrapping `Decrypt`, both with the owner in the encryption context; the key never leaves KMS.
   The context, an id of ours, shows in CloudTrail.
2. Keys are named by ARN, several with commas between: the first wraps, the others open what they wrapped before.
   Aliases are refused, because an alias may come to mean another key.
3. A rotation is a new key put first, by whoever administers KMS. (KMS's own yearly rotation is invisible here.)
4. Credentials come the way the AWS SDK finds them.

API: AWS KMS, `Encrypt`, `Decrypt` (symmetric keys).
"""

import hashlib
import importlib
import re
from collections.abc import Sequence
from typing import Any, Final

from tiprouter.errors import ConfigurationError
from tiprouter.storage.key_providers import KeysUnavailableError, UnwrapError, Wrapped

_ARN: Final = re.compile(r"arn:[a-z0-9-]+:kms:([a-z0-9-]+):[0-9]{12}:key/[A-Za-z0-9-]{1,64}")
_SHUT: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_REFUSED: Final = frozenset(
    {"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException"}
)
_GONE: Final = frozenset({"NotFoundException", "DisabledException", "KMSInvalidStateException"})


class AwsKeyProvider:
    """Keys of AWS KMS, by ARN; `endpoint` empty is AWS's own. Raises `ConfigurationError`; asks nothing yet."""

    remote = True

    def __init__(self, arns: Sequence[str], endpoint: str = "", seconds: float = 3.0) -> None:
        if not arns or not all(_ARN.fullmatch(arn) for arn in arns):
            raise ConfigurationError("TIPROUTER_KMS_KEYS holds ARNs of KMS keys (no aliases), with commas between.")
        self._arns = {_id_of(arn): arn for arn in reversed(arns)}
        self._clients = {arn: _client(arn, endpoint, seconds) for arn in arns}

    def ids(self) -> tuple[str, ...]:
        """See `KeyProvider.ids`."""
        return tuple(self._arns)

    def opens(self, kek_id: str) -> bool:
        """See `KeyProvider.opens`."""
        return kek_id in self._arns

    def wrap(self, key: bytes, owner: str) -> Wrapped:
        """See `KeyProvider.wrap`."""
        kek_id, arn = list(self._arns.items())[-1]
        told = self._call(arn, "encrypt", Plaintext=key, EncryptionContext=_context(owner))
        return Wrapped(kek_id, bytes(told["CiphertextBlob"]))

    def unwrap(self, wrapped: Wrapped, owner: str) -> bytes:
        """See `KeyProvider.unwrap`."""
        arn = self._arns.get(wrapped.kek_id)
        if arn is None:
            raise UnwrapError
        told = self._call(arn, "decrypt", CiphertextBlob=wrapped.data, EncryptionContext=_context(owner))
        return bytes(told["Plaintext"])

    def rotate(self) -> str:
        """See `KeyProvider.rotate`; it is rule 3."""
        raise ConfigurationError("Make a new KMS key, put its ARN first in TIPROUTER_KMS_KEYS, and start again.")

    def _call(self, arn: str, operation: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's own
        """One call. Raises `KeysUnavailableError`, `UnwrapError`."""
        exceptions = importlib.import_module("botocore.exceptions")
        try:
            told: dict[str, Any] = getattr(self._clients[arn], operation)(KeyId=arn, **arguments)
        except exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _SHUT:
                raise UnwrapError from error
            if code in _REFUSED:
                raise KeysUnavailableError("The key service refuses the credential or the permission.") from error
            if code in _GONE:
                raise KeysUnavailableError("The key service does not know the key, or it is disabled.") from error
            raise KeysUnavailableError from error
        except exceptions.BotoCoreError as error:
            raise KeysUnavailableError from error
        return told


def _id_of(arn: str) -> str:
    return f"aws.{hashlib.sha256(arn.encode()).hexdigest()[:16]}"


def _context(owner: str) -> dict[str, str]:
    return {"service": "tiprouter", "owner": owner}


def _client(arn: str, endpoint: str, seconds: float) -> Any:  # noqa: ANN401 - the SDK has no types
    try:
        sdk, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
    except ImportError as error:
        raise ConfigurationError(
            "The key provider `aws-kms` needs its library: install tiprouter[kms] into this environment."
        ) from error
    # Two tries, each with half of the deadline: the SDK's own retries, with jitter.
    patience = config.Config(
        connect_timeout=seconds / 2, read_timeout=seconds / 2, retries={"mode": "standard", "total_max_attempts": 2}
    )
    region = arn.split(":")[3]
    return sdk.session.Session().client("kms", region_name=region, endpoint_url=endpoint or None, config=patience)
