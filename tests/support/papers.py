"""Certificates of fictional authorities, for names on this machine, made when a test wants them."""

import datetime as dt
import hashlib
import os
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.support.callers import thumbprint

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Papers:
    """A certificate in a file, its key in another (0600), and the thumbprint that a credential is bound to."""

    certificate: Path
    key: Path
    thumbprint: str

    def shown_by(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """The same context, which shows these."""
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    """Somebody who vouches for names."""

    def __init__(self, folder: Path, name: str = "Fictional Authority") -> None:
        self._folder = folder / hashlib.sha256(name.encode()).hexdigest()[:8]
        self._folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        made = _begun(self._name, self._name, self._key.public_key(), -DAY, 30 * DAY)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._itself = made.sign(self._key, hashes.SHA256())
        self.file = self._folder / "authority.pem"
        self.file.write_bytes(self._itself.public_bytes(serialization.Encoding.PEM))

    def papers(
        self, *names: str, begins: dt.timedelta = -DAY, ends: dt.timedelta = 30 * DAY, by_rsa: bool = False
    ) -> Papers:
        """A new key and its certificate, for these names and addresses."""
        key = rsa.generate_private_key(65537, 2048) if by_rsa else ec.generate_private_key(ec.SECP256R1())
        made = _begun(_named(names[0]), self._name, key.public_key(), begins, ends)
        made = made.add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), critical=False)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        signed = made.sign(self._key, hashes.SHA256())
        place = self._folder / os.urandom(4).hex()
        place.mkdir()
        told = Papers(
            place / "certificate.pem",
            place / "key.pem",
            thumbprint(signed.public_bytes(serialization.Encoding.DER)),
        )
        told.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        told.key.touch(mode=0o600)
        told.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return told

    def believed(self) -> ssl.SSLContext:
        """A caller's context, which believes this authority and nobody else."""
        return ssl.create_default_context(cafile=self.file)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    begins: dt.timedelta,
    ends: dt.timedelta,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )
