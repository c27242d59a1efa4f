"""Which receivers do the stories need? Those of `tiprouter.receiver.misbehaving`, and certificates in files."""

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tiprouter.receiver.misbehaving.acts import drip, flood, gzip_bomb, reply, reset_after, write
from tiprouter.receiver.misbehaving.listening import Act as Behaviour
from tiprouter.receiver.misbehaving.listening import Receiver, Request, hang, keep_alive, serve

__all__ = [
    "Behaviour",
    "Receiver",
    "Request",
    "certificate",
    "drip",
    "flood",
    "gzip_bomb",
    "hang",
    "keep_alive",
    "reply",
    "reset_after",
    "serve",
    "server_tls",
    "write",
]


def certificate(folder: Path, name: str, *, days: int = 36_500) -> Path:
    """Write a self-signed certificate and its key for `name` into one file and return its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def server_tls(certificate_path: Path) -> ssl.SSLContext:
    """Return a server's context that shows this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_path)
    return context
