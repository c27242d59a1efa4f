"""With which certificate does the edge itself speak TLS?

1. Where `TIPROUTER_TLS_CERTIFICATE_FILE` and `TIPROUTER_TLS_KEY_FILE` name one, nothing but TLS is spoken on the port:
   1.3, or 1.2 with forward secrecy and authenticated encryption. The key's file is its owner's alone.
2. A certificate that ended, whose key is another's, or that is not for the public URL's name is told by `doctor`; one
   that is not usable at all keeps the service from starting.
3. Renewed files are taken within a minute, without a restart and without ending a connection. Files that do not belong
   together (yet) are not: the former certificate goes on being shown, and a line on standard error says so.
4. With `TIPROUTER_TLS_CLIENT_AUTHORITIES_FILE` callers are asked for a certificate and need not have one; what is shown
   was verified against these authorities. TLS 1.3 resumes no session, so it is verified in every connection; one of 1.2
   that is resumed (two hours at most) goes on with the one that it began with. Other authorities take a restart.

Not promised: that a client certificate was not revoked; no list is fetched. End its credential instead.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
from cryptography import x509

from tiprouter.delivery.notifying import secret_text
from tiprouter.delivery.trust import PEM_CHARS_MAX, TrustError, show
from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.wiring.findings import Level, Said

log = structlog.get_logger()

LOOK_SECONDS: Final = 60.0
SOON: Final = timedelta(days=14)
"""Or a third of its whole life, if that is shorter: some certificates are made for six days."""

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2 (RFC 9325 section 4.2); those of 1.3 are all sound."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its chain, and its private key, as PEM texts."""

    certificate: str
    private_key: str = field(repr=False)


class Shown:
    """The certificate that is shown to callers, and the context that shows it."""

    def __init__(self, settings: Settings) -> None:
        """Raises `ConfigurationError`."""
        self._settings = settings
        self._authorities = _authorities(settings)
        self._pair = pair_of(settings)
        self._current = _context(self._pair, self._authorities)
        self.context = _context(self._pair, self._authorities)
        self.context.sni_callback = self._turn

    def look(self) -> bool:
        """Take what the files hold now, if it is another pair (rule 3); whether it was taken."""
        try:
            found = pair_of(self._settings)
            if found == self._pair:
                return False
            # A whole one beside: the one in use is in handshakes meanwhile, and keeps a pair for each type of key.
            current = _context(found, self._authorities)
        except ConfigurationError as error:
            log.warning("tls.kept", reason=str(error))
            return False
        self._pair, self._current = found, current
        log.info("tls.renewed")
        return True

    def _turn(self, begun: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Show what is shown now: called in every handshake, whether the caller names a host or not."""
        begun.context = self._current

    async def keep_looking(self) -> None:
        """Look now and then, until cancelled (rule 3)."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.look)


def shown_by(settings: Settings) -> Shown | None:
    """What is shown to callers, None where no TLS is spoken. Raises `ConfigurationError`."""
    files = (settings.tls_certificate_file, settings.tls_key_file)
    if not any(files):
        if settings.tls_client_authorities_file:
            raise ConfigurationError("Client certificates are asked for by who speaks TLS: name a certificate of ours.")
        return None
    if not all(files):
        raise ConfigurationError("TIPROUTER_TLS_CERTIFICATE_FILE and TIPROUTER_TLS_KEY_FILE come together.")
    return Shown(settings)


def pair_of(settings: Settings) -> Pair:
    """What the two files hold. Raises `ConfigurationError`."""
    key = secret_text(settings.tls_key_file, "the TLS key")
    return Pair(_text(settings.tls_certificate_file, "the TLS certificate"), key)


def judged(settings: Settings, now: datetime) -> Said:
    """What there is to say of the certificate at this moment (rule 2). Raises `ConfigurationError`."""
    if shown_by(settings) is None:
        return Level.OK, "none: whoever is in front speaks TLS.", ""
    own = x509.load_pem_x509_certificates(pair_of(settings).certificate.encode())[0]
    begins, ends = own.not_valid_before_utc, own.not_valid_after_utc
    if not begins <= now < ends:
        found = f"it is valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}, not now: every caller refuses it."
        return Level.FAIL, found, "Renew it, and look at the clock."
    host = urlsplit(settings.public_url).hostname
    if host is not None and not names(own, host):
        return Level.FAIL, "it is not for the public URL's name: every caller refuses it.", "Get one for that name."
    if ends - now < min(SOON, (ends - begins) / 3):
        return Level.WARN, f"it ends on {ends:%Y-%m-%d}.", "Renew it; the files are looked at every minute."
    return Level.OK, f"valid until {ends:%Y-%m-%d}.", ""


def names(certificate: x509.Certificate, host: str) -> bool:
    """Whether a certificate is for this name or address (RFC 9525: by alternative name alone)."""
    try:
        said = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ip_address(host) in said.get_values_for_type(x509.IPAddress)
    except ValueError:
        any_label = "*." + host.partition(".")[2]
        return not {host.lower(), any_label.lower()}.isdisjoint(
            one.lower() for one in said.get_values_for_type(x509.DNSName)
        )


def _authorities(settings: Settings) -> str:
    path = settings.tls_client_authorities_file
    return _text(path, "the authorities of client certificates") if path else ""


def _context(pair: Pair, authorities: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # A ticket's key would outlive forward secrecy (rule 4).
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    _load(context, pair)
    if authorities:
        try:
            context.load_verify_locations(cadata=authorities)
        except (ssl.SSLError, ValueError):
            raise ConfigurationError("The authorities of client certificates are not readable.") from None
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    try:
        show(context, pair.certificate, pair.private_key)
    except TrustError:
        raise ConfigurationError(
            "The TLS certificate and its key cannot be used: both are PEM and belong together, the key is not encrypted"
            " and has at least 2,048 bits (RSA) or is on P-256 or P-384."
        ) from None


def _text(path: str, what: str) -> str:
    try:
        with Path(path).open("rb") as opened:
            text = opened.read(PEM_CHARS_MAX + 1).decode("ascii")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"The file of {what} cannot be read.") from None
    if not 0 < len(text) <= PEM_CHARS_MAX:
        raise ConfigurationError(f"The file of {what} is empty or too long.")
    return text
