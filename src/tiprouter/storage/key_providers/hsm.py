"""How does a hardware security module (PKCS#11) wrap data keys?

1. AES key wrap in the token (CKM_AES_KEY_WRAP, PKCS#11 v2.40; RFC 3394) under AES keys of 256 bits that were made
   there, sensitive and never extractable: `LABEL-1`, `LABEL-2`, ... The highest number wraps; the first is made on
   first use. Two processes that make one at the same moment make two of one number: either wraps, and what it wrapped
   is opened by whichever fits, which key wrap itself proves.
2. A data key is in the token as a session object for the length of one call.
3. One session at a time, in turn; a session that broke is opened again, once.

Not promised: that the library returns. A token that hangs holds the thread that asked it, never the event loop.
"""

import hashlib
import importlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tiprouter.errors import ConfigurationError
from tiprouter.storage.key_providers import KeysUnavailableError, UnwrapError, Wrapped

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenAccess:
    """The module's library, the token's label, the file of its user PIN, and the keys' label."""

    module: str
    token: str
    pin_file: str
    key: str


class HsmKeyProvider:
    """Keys in a token; the first is made only if `make`. Raises `ConfigurationError`, `KeysUnavailableError`."""

    remote = True

    def __init__(self, access: TokenAccess, *, make: bool = True) -> None:
        self._access = access
        self._pkcs11 = _library()
        self._pin = _pin(access.pin_file)
        self._prefix = f"hsm.{hashlib.sha256(f'{access.token}|{access.key}'.encode()).hexdigest()[:16]}.v"
        self._lock = threading.Lock()
        self._session: Any = None
        if not self._asked(self._keys):
            if not make:
                raise ConfigurationError("The token holds no key of that label yet.")
            self._asked(lambda: self._make(1))

    def ids(self) -> tuple[str, ...]:
        """See `KeyProvider.ids`."""
        return tuple(f"{self._prefix}{number}" for number in sorted(self._asked(self._keys)))

    def opens(self, kek_id: str) -> bool:
        """See `KeyProvider.opens`."""
        return kek_id.startswith(self._prefix)

    def wrap(self, key: bytes, owner: str) -> Wrapped:  # noqa: ARG002 - the protocol's; key wrap binds to nothing
        """See `KeyProvider.wrap`."""
        return self._asked(lambda: self._wrapped(key))

    def unwrap(self, wrapped: Wrapped, owner: str) -> bytes:  # noqa: ARG002 - as above
        """See `KeyProvider.unwrap`."""
        return self._asked(lambda: self._unwrapped(wrapped))

    def rotate(self) -> str:
        """See `KeyProvider.rotate`."""
        self._asked(lambda: self._make(max(self._keys()) + 1))
        return self.ids()[-1]

    def _asked(self, question: Callable[[], T]) -> T:
        """Rule 3. Raises `KeysUnavailableError`, `UnwrapError`."""
        with self._lock:
            for last in (False, True):
                try:
                    return question()
                except self._pkcs11.PKCS11Error as error:
                    self._leave()
                    if last:
                        raise KeysUnavailableError from error
        raise KeysUnavailableError

    def _open(self) -> Any:  # noqa: ANN401 - the library's session
        if self._session is None:
            token = self._pkcs11.lib(self._access.module).get_token(token_label=self._access.token)
            try:
                self._session = token.open(rw=True, user_pin=self._pin)
            except self._pkcs11.UserAlreadyLoggedIn:  # signing in is the process's, not the session's
                self._session = token.open(rw=True)
        return self._session

    def _leave(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except self._pkcs11.PKCS11Error:
                return  # it is broken; the next call opens another

    def _keys(self) -> dict[int, list[Any]]:
        """The wrapping keys by their numbers (rule 1)."""
        kinds, attributes = self._pkcs11.ObjectClass, self._pkcs11.Attribute
        wanted = re.compile(re.escape(self._access.key) + r"-([1-9][0-9]{0,5})")
        found: dict[int, list[Any]] = {}
        for one in self._open().get_objects({attributes.CLASS: kinds.SECRET_KEY, attributes.TOKEN: True}):
            number = wanted.fullmatch(one.label or "")
            if number is not None:
                found.setdefault(int(number[1]), []).append(one)
        return found

    def _make(self, number: int) -> None:
        flags, attributes = self._pkcs11.MechanismFlag, self._pkcs11.Attribute
        self._open().generate_key(
            self._pkcs11.KeyType.AES,
            256,
            label=f"{self._access.key}-{number}",
            store=True,
            capabilities=flags.WRAP | flags.UNWRAP,
            template={attributes.EXTRACTABLE: False, attributes.SENSITIVE: True},
        )

    def _wrapped(self, key: bytes) -> Wrapped:
        keys = self._keys()
        if not keys:
            raise self._pkcs11.NoSuchKey  # signed out meanwhile: secret objects are not seen then
        number = max(keys)
        kek = keys[number][0]
        attributes = self._pkcs11.Attribute
        template = self._passing() | {
            attributes.CLASS: self._pkcs11.ObjectClass.SECRET_KEY,
            attributes.KEY_TYPE: self._pkcs11.KeyType.AES,
            attributes.VALUE: key,
        }
        passing = self._open().create_object(template)
        try:
            data = kek.wrap_key(passing, mechanism=self._pkcs11.Mechanism.AES_KEY_WRAP)
        finally:
            passing.destroy()
        return Wrapped(f"{self._prefix}{number}", bytes(data))

    def _unwrapped(self, wrapped: Wrapped) -> bytes:
        number = wrapped.kek_id.removeprefix(self._prefix)
        keys = self._keys()
        if not keys:
            raise self._pkcs11.NoSuchKey
        passing = self._opened_by_one(keys.get(int(number), []) if number.isdecimal() else [], wrapped.data)
        try:
            return bytes(passing[self._pkcs11.Attribute.VALUE])
        finally:
            passing.destroy()

    def _opened_by_one(self, keks: list[Any], data: bytes) -> Any:  # noqa: ANN401 - the library's object
        """The data key in the token, by whichever of these keys opens it (rule 1). Raises `UnwrapError`."""
        kinds = self._pkcs11.ObjectClass.SECRET_KEY, self._pkcs11.KeyType.AES
        way = self._pkcs11.Mechanism.AES_KEY_WRAP
        for kek in keks:
            try:
                return kek.unwrap_key(*kinds, data, mechanism=way, template=self._passing())
            except self._pkcs11.PKCS11Error:
                # Modules have many words for "this does not unwrap". If the token answers another question, it is that.
                self._keys()
        raise UnwrapError

    def _passing(self) -> dict[Any, Any]:
        """Attributes of what is in the token for one call (rule 2)."""
        attributes = self._pkcs11.Attribute
        return {attributes.TOKEN: False, attributes.EXTRACTABLE: True, attributes.SENSITIVE: False}


def _library() -> Any:  # noqa: ANN401 - a module that may not be there
    try:
        return importlib.import_module("pkcs11")
    except ImportError as error:
        raise ConfigurationError(
            "The key provider `pkcs11` needs its library: install tiprouter[pkcs11] into this environment."
        ) from error


def _pin(file: str) -> str:
    path = Path(file)
    if not file or not path.is_file() or path.stat().st_mode & 0o077:
        raise ConfigurationError("TIPROUTER_PKCS11_PIN_FILE is missing, or others may read it (mode 0600).")
    return path.read_text(encoding="utf-8").strip()
