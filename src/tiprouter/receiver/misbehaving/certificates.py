"""Which certificate does a receiver show, and who vouches for it?

1. An `Authority` is made anew each time, lives in memory, and vouches for names in `.example` only by convention.
2. A key touches the disk only while OpenSSL reads it, in a folder of its own that is gone at once.
3. `cryptography` is imported when an authority is made, not before.
"""

import ssl
import tempfile
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, Name

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate chain and its private key, as PEM."""

    chain: str
    key: str = field(repr=False)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Make `context` show it."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "identity.pem"
            path.touch(mode=0o600)
            path.write_text(self.key + self.chain)
            context.load_cert_chain(path)


class Authority:
    """A certificate authority of its own, `pem` what to trust it with."""

    def __init__(self, name: str = "Example Authority") -> None:
        self._key = _new_key()
        self._name = _named(name)
        self.pem = _pem(_sign(_builder(self._name, self._name, self._key, DAYS, authority=True), self._key))

    def issue(self, host: str, *, days: int = DAYS) -> Identity:
        """Return an identity for `host`, valid for `days` from 2020 on, for servers and clients."""
        key = _new_key()
        builder = _builder(_named(host), self._name, key, days, authority=False)
        return Identity(_pem(_sign(_with_host(builder, host), self._key)), _key_pem(key))


def self_signed(host: str) -> Identity:
    """Return an identity for `host` for which nobody vouches."""
    key = _new_key()
    builder = _with_host(_builder(_named(host), _named(host), key, DAYS, authority=False), host)
    return Identity(_pem(_sign(builder, key)), _key_pem(key))


def server_tls(identity: Identity) -> ssl.SSLContext:
    """Return a server's context that shows this identity."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    identity.load_into(context)
    return context


def old_tls(identity: Identity) -> ssl.SSLContext:
    """Return a server's context that speaks TLS 1.1 and nothing later."""
    context = server_tls(identity)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _new_key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - rule 3

    return ec.generate_private_key(ec.SECP256R1())


def _named(name: str) -> "Name":
    from cryptography import x509  # noqa: PLC0415 - rule 3

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _builder(
    subject: "Name", issuer: "Name", key: "EllipticCurvePrivateKey", days: int, *, authority: bool
) -> "CertificateBuilder":
    from cryptography import x509  # noqa: PLC0415 - rule 3

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _with_host(builder: "CertificateBuilder", host: str) -> "CertificateBuilder":
    from cryptography import x509  # noqa: PLC0415 - rule 3

    return builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)


def _sign(builder: "CertificateBuilder", key: "EllipticCurvePrivateKey") -> "Certificate":
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - rule 3

    return builder.sign(key, hashes.SHA256())


def _pem(certificate: "Certificate") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - rule 3

    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _key_pem(key: "EllipticCurvePrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - rule 3
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
