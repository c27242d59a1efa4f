"""Whom does a recipient want to be recognised by, and whom does it want to meet?

1. A recipient may name authorities of its own (PEM): then its certificate must come from one of these, and the system's
   authorities count for nothing. Naming none means the system's.
2. A recipient may want a certificate of ours (mutual TLS): it is shown to that recipient's endpoint and to no other.
3. Certificates and host names are always verified, TLS 1.2 or later; nothing here, and no argument, says otherwise.
4. What is registered is checked once, by `parse_trust`: authorities are authorities, the certificate is not one, key
   and certificate belong together, keys are strong, and all is valid today.
5. A private key is never shown, and is handed to OpenSSL through memory where the system can.

It does not promise to notice revocation: no OCSP is asked and no list is fetched. Errors quote nothing of what was
given.
"""

import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tiprouter.errors import TiprouterError

PEM_CHARS_MAX = 65_536
CERTIFICATES_MAX = 16
RSA_BITS_MIN = 2_048


class TrustError(TiprouterError):
    """These certificates cannot be used."""


@dataclass(frozen=True, slots=True)
class Trust:
    """PEM texts: `authorities` to believe (rule 1), `certificate` and `private_key` to show (rule 2); empty: none."""

    authorities: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """What tells one set of trust from another: the SHA-256 of all three, in hex."""
        parts = (self.authorities, self.certificate, self.private_key)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def parse_trust(authorities: str, certificate: str, private_key: str, now: datetime) -> Trust:
    """Return what may be used from `now` on, or raise `TrustError` (rule 4). Empty texts mean none."""
    if max(len(text) for text in (authorities, certificate, private_key)) > PEM_CHARS_MAX:
        raise TrustError("A PEM text has at most 65,536 characters.")
    if bool(certificate) != bool(private_key):
        raise TrustError("A client certificate and its private key come together.")
    trust = Trust(authorities, certificate, private_key)
    for each in _certificates(authorities):
        if not _is_authority(each):
            raise TrustError("Only certificates of authorities can be trusted.")
        _check_dates(each, now)
    if certificate:
        _check_pair(certificate, private_key, now)
    if authorities or certificate:
        # With neither there is nothing that could be refused, and a context takes longer than the whole registration.
        open_context(trust)
    return trust


def expires_at(trust: Trust) -> datetime | None:
    """When the first of its certificates ends, or None when there is none: somebody has to be told before."""
    ends = [each.not_valid_after_utc for text in (trust.authorities, trust.certificate) for each in _certificates(text)]
    return min(ends, default=None)


def open_context(trust: Trust) -> ssl.SSLContext:
    """Return a TLS context for this trust and nothing else (rules 1 to 3). Raises `TrustError`."""
    try:
        context = ssl.create_default_context(cadata=trust.authorities or None)
        if trust.certificate:
            show(context, trust.certificate, trust.private_key)
    except (ssl.SSLError, ValueError, OSError):
        raise TrustError from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def show(context: ssl.SSLContext, certificate: str, private_key: str) -> None:
    """Have a context show this certificate (PEM), or raise `TrustError` (rule 5)."""
    try:
        with _as_file(private_key + "\n" + certificate) as path:
            # An empty pass phrase: OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(path, password="")
    except (ssl.SSLError, ValueError, OSError):
        raise TrustError from None


def _certificates(text: str) -> list[x509.Certificate]:
    if not text:
        return []
    if "PRIVATE KEY" in text:
        raise TrustError("There is a private key where certificates belong.")
    try:
        found = x509.load_pem_x509_certificates(text.encode("ascii"))
    except ValueError:
        raise TrustError("A certificate is not readable.") from None
    if len(found) > CERTIFICATES_MAX:
        raise TrustError("There are at most 16 certificates.")
    return found


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _check_dates(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise TrustError("A certificate is not valid today.")


def _check_pair(certificate: str, private_key: str, now: datetime) -> None:
    own, *_ = _certificates(certificate)
    if _is_authority(own):
        raise TrustError("The certificate to show is an authority's.")
    _check_dates(own, now)
    try:
        key = serialization.load_pem_private_key(private_key.encode("ascii"), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise TrustError("The private key is not readable; it must not be encrypted.") from None
    strong = (
        (isinstance(key, rsa.RSAPrivateKey) and key.key_size >= RSA_BITS_MIN)
        or (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1))
        or isinstance(key, ed25519.Ed25519PrivateKey)
    )
    if not strong:
        raise TrustError("The private key is RSA of 2,048 bits or more, P-256, P-384 or ed25519.")
    if key.public_key() != own.public_key():
        raise TrustError("The private key is not the certificate's.")


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    # The ssl module reads keys from files only; one in memory has no name in any folder.
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("tiprouter", os.MFD_CLOEXEC), "w") as memory:
            memory.write(text)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "identity.pem"
        path.touch(mode=0o600)
        path.write_text(text)
        yield str(path)
