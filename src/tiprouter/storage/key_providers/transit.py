"""How does HashiCorp Vault's Transit engine wrap data keys?

1. Wrapping is `encrypt`, unwrapping `decrypt`, both with the owner as `associated_data`; the key never leaves Vault.
   Its version stands in the ciphertext (`vault:vN:`) and in our id; a rotation is a new version.
2. The credential is a token in a file, read again when Vault refuses it (an agent may have renewed it), or an AppRole,
   which signs in again then.
3. One call, retries included, ends within the deadline. What is retried: no connection, no answer, 429 and 5xx. A 400
   to `decrypt` says that this does not open; to anything else it says that the service cannot do its work now.
4. Vault is reached by https alone, or on loopback; proxies of the environment are not asked, redirects not followed.

API: `/v1/{mount}/encrypt|decrypt|keys/{key}`, `/v1/auth/approle/login` of Vault's HTTP API (Transit, AppRole).
"""

import base64
import binascii
import hashlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from tiprouter.errors import ConfigurationError
from tiprouter.storage.key_providers import KeysUnavailableError, UnwrapError, Wrapped

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_UNCLEAR: Final = "The key service answers what cannot be understood."
_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND, _TOO_MANY, _BROKEN = 400, 403, 404, 429, 500


@dataclass(frozen=True, slots=True)
class TransitAccess:
    """Where Vault is, which key is meant, and who we are there.

    Either `token_file` or `role_id` with `secret_id_file`; `ca_file` empty trusts the system's authorities.
    """

    url: str
    key: str
    mount: str = "transit"
    namespace: str = ""
    token_file: str = ""
    role_id: str = ""
    secret_id_file: str = ""
    ca_file: str = ""
    seconds: float = 3.0


class _AgainError(Exception):
    """Another try may help."""


class _RefusedError(KeysUnavailableError):
    """The key service does not do what it is asked."""


class TransitKeyProvider:
    """A Transit key. Raises `ConfigurationError` for access that cannot be meant; asks nothing yet."""

    remote = True

    def __init__(self, access: TransitAccess, clock: Callable[[], float] = time.monotonic) -> None:
        _refuse(access)
        self._access, self._clock = access, clock
        self._token: str | None = None
        named = f"{access.namespace}|{access.mount}|{access.key}"
        self._prefix = f"vault.{hashlib.sha256(named.encode()).hexdigest()[:16]}.v"
        self._client = httpx2.Client(
            base_url=access.url.rstrip("/") + "/v1/", verify=_trust(access.ca_file), trust_env=False
        )

    def ids(self) -> tuple[str, ...]:
        """See `KeyProvider.ids`."""
        told = self._call("GET", f"{self._access.mount}/keys/{self._access.key}")
        try:
            oldest, newest = int(told.get("min_decryption_version", 1)), int(told["latest_version"])
        except (KeyError, TypeError, ValueError) as error:
            raise KeysUnavailableError(_UNCLEAR) from error
        return tuple(f"{self._prefix}{number}" for number in range(max(1, oldest), newest + 1))

    def opens(self, kek_id: str) -> bool:
        """See `KeyProvider.opens`."""
        return kek_id.startswith(self._prefix)

    def wrap(self, key: bytes, owner: str) -> Wrapped:
        """See `KeyProvider.wrap`."""
        told = self._call("POST", self._path("encrypt"), {"plaintext": _base64(key)} | _bound(owner))
        ciphertext = str(told.get("ciphertext"))
        try:
            return Wrapped(f"{self._prefix}{_version(ciphertext)}", ciphertext.encode("ascii"))
        except (UnwrapError, UnicodeEncodeError) as error:
            raise KeysUnavailableError(_UNCLEAR) from error

    def unwrap(self, wrapped: Wrapped, owner: str) -> bytes:
        """See `KeyProvider.unwrap`."""
        try:
            ciphertext = wrapped.data.decode("ascii")
        except UnicodeDecodeError as error:
            raise UnwrapError from error
        if _version(ciphertext) != wrapped.kek_id.removeprefix(self._prefix):
            raise UnwrapError
        try:
            told = self._call("POST", self._path("decrypt"), {"ciphertext": ciphertext} | _bound(owner))
        except _RefusedError as error:
            raise UnwrapError from error
        try:
            return base64.b64decode(str(told["plaintext"]), validate=True)
        except (KeyError, binascii.Error) as error:
            raise KeysUnavailableError(_UNCLEAR) from error

    def rotate(self) -> str:
        """See `KeyProvider.rotate`."""
        self._call("POST", f"{self._access.mount}/keys/{self._access.key}/rotate", {})
        return self.ids()[-1]

    def _path(self, what: str) -> str:
        return f"{self._access.mount}/{what}/{self._access.key}"

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        """One call with its retries (rule 3). Raises `KeysUnavailableError`."""
        ends = self._clock() + self._access.seconds
        retrying = Retrying(
            retry=retry_if_exception_type(_AgainError),
            stop=stop_after_delay(self._access.seconds),
            wait=wait_exponential(multiplier=0.05, max=0.5),
            reraise=True,
        )
        try:
            return retrying(self._once, method, path, body, ends)
        except (_AgainError, httpx2.HTTPError, KeyError, ValueError, OSError) as error:
            raise KeysUnavailableError from error

    def _once(self, method: str, path: str, body: dict[str, str] | None, ends: float) -> dict[str, Any]:
        answer = self._send(method, path, body, ends, self._credential(ends))
        if answer.status_code == _FORBIDDEN:
            self._token = None  # rule 2
            answer = self._send(method, path, body, ends, self._credential(ends))
        return _understood(answer)

    def _send(self, method: str, path: str, body: dict[str, str] | None, ends: float, token: str) -> httpx2.Response:
        left = ends - self._clock()
        if left <= 0:
            raise KeysUnavailableError
        headers = {"X-Vault-Token": token} if token else {}
        if self._access.namespace:
            headers["X-Vault-Namespace"] = self._access.namespace
        try:
            return self._client.request(method, path, json=body, headers=headers, timeout=left)
        except httpx2.TransportError as error:
            raise _AgainError from error

    def _credential(self, ends: float) -> str:
        if self._token is None:
            self._token = self._signed_in(ends) if self._access.role_id else _secret(self._access.token_file)
        return self._token

    def _signed_in(self, ends: float) -> str:
        body = {"role_id": self._access.role_id, "secret_id": _secret(self._access.secret_id_file)}
        answer = self._send("POST", "auth/approle/login", body, ends, "")
        if answer.status_code == _BAD_REQUEST:
            raise KeysUnavailableError("The key service refuses the credential or the permission.")
        return str(_answered(answer)["auth"]["client_token"])


def _understood(answer: httpx2.Response) -> dict[str, Any]:
    """What Vault says, or the error that it means."""
    if answer.status_code == _BAD_REQUEST:
        raise _RefusedError
    told = _answered(answer)
    data: dict[str, Any] = told.get("data") or {}
    return data


def _answered(answer: httpx2.Response) -> dict[str, Any]:
    if answer.status_code == _FORBIDDEN:
        raise KeysUnavailableError("The key service refuses the credential or the permission.")
    if answer.status_code == _NOT_FOUND:
        raise KeysUnavailableError("The key service does not know the key.")
    if answer.status_code == _TOO_MANY or answer.status_code >= _BROKEN:
        raise _AgainError
    if not answer.is_success:
        raise KeysUnavailableError(_UNCLEAR)
    told: dict[str, Any] = answer.json() if answer.content else {}
    return told


def _bound(owner: str) -> dict[str, str]:
    return {"associated_data": _base64(owner.encode())}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _version(ciphertext: str) -> str:
    """The key's version in `vault:vN:...` (rule 1). Raises `UnwrapError`."""
    scheme, _, rest = ciphertext.partition(":v")
    number, colon, _ = rest.partition(":")
    if scheme != "vault" or not colon or not number.isdecimal():
        raise UnwrapError
    return number


def _secret(file: str) -> str:
    return Path(file).read_text(encoding="ascii").strip()


def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ConfigurationError("The file of TIPROUTER_VAULT_CA_FILE cannot be read.") from error


def _refuse(access: TransitAccess) -> None:
    """Rules 2 and 4. Raises `ConfigurationError`."""
    try:
        url = httpx2.URL(access.url)
    except httpx2.InvalidURL as error:
        raise ConfigurationError("TIPROUTER_VAULT_URL is no URL.") from error
    if url.scheme != "https" and not (url.scheme == "http" and url.host in _LOOPBACK):
        raise ConfigurationError("TIPROUTER_VAULT_URL is an https URL.")
    if bool(access.token_file) == bool(access.role_id) or bool(access.role_id) != bool(access.secret_id_file):
        raise ConfigurationError(
            "The key provider `vault` needs TIPROUTER_VAULT_TOKEN_FILE, or else TIPROUTER_VAULT_ROLE_ID and "
            "TIPROUTER_VAULT_SECRET_ID_FILE."
        )
    for file in filter(None, (access.token_file, access.secret_id_file)):
        if not Path(file).is_file() or Path(file).stat().st_mode & 0o077:
            raise ConfigurationError("A file of the key provider `vault` is missing, or others may read it.")
