"""How does a page leave by e-mail?

1. SMTP (RFC 5321) by the standard library, in a thread of its own pool: a mail server that hangs holds up nothing else.
2. `starttls` and `tls` verify certificate and host name, TLS 1.2 or later. A server that does not offer STARTTLS is
   refused, never spoken to in the clear; `none` is for loopback alone.
3. One deadline covers connecting, TLS, logging in and sending. When it passes the connection is shut, which ends the
   thread; a letter that the server accepted before stays sent.
4. The letter is plain text, marked as made by a machine (RFC 3834, `Auto-Submitted`), under a Message-ID that is the
   same for every attempt.
5. What a server answers is not repeated anywhere: it may quote addresses. Its three digits are.

It does not promise that an accepted letter is read or even delivered, nor to bound what the operator's own mail server
may send within the deadline. A look-up of the server's name ends with the system resolver's own time limit.
"""

import asyncio
import contextlib
import ipaddress
import re
import smtplib
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from enum import StrEnum, unique
from typing import Final

from tiprouter.delivery.notifying import Call, Paged, PageResult
from tiprouter.domain.page import letter
from tiprouter.errors import ConfigurationError

MAIL_SECONDS: Final = 20.0
STEP_SECONDS: Final = 10.0
THREADS: Final = 4
RECIPIENTS_MAX: Final = 20
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,9}", re.ASCII
)


@unique
class MailSecurity(StrEnum):
    """How a connection to the mail server is protected (rule 2)."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Which mail server takes the letters, from whom and to whom. Raises `ConfigurationError` for what cannot be."""

    host: str
    port: int
    security: MailSecurity
    sender: str = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.recipients) <= RECIPIENTS_MAX:
            raise ConfigurationError(f"Pages by e-mail go to 1 to {RECIPIENTS_MAX} addresses.")
        if not all(_ADDRESS.fullmatch(address) for address in (self.sender, *self.recipients)):
            raise ConfigurationError("Pages by e-mail need plain addresses, local@domain, of sender and recipients.")
        if self.security is MailSecurity.NONE and not self.on_loopback:
            raise ConfigurationError("A mail server without TLS may be on loopback only.")
        if bool(self.user) is not bool(self.password):
            raise ConfigurationError("A mail server's user and password file go together.")

    @property
    def on_loopback(self) -> bool:
        """Whether the mail server is on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def domain(self) -> str:
        """The sender's domain: what the router calls itself toward the mail server."""
        return self.sender.rpartition("@")[2]


@dataclass(slots=True)
class _Sending:
    """What is known of an attempt, shared between the thread and who waits for it."""

    smtp: smtplib.SMTP | None = None
    accepted: bool = False
    refused: int = 0
    over: threading.Event = field(default_factory=threading.Event)


class _Smtp(smtplib.SMTP):
    """Shows itself before it connects, so that it can be shut from outside (rule 3)."""

    def __init__(self, box: Mailbox, sending: _Sending) -> None:
        self.sock: socket.socket | None = None
        sending.smtp = self
        super().__init__(box.host, box.port, local_hostname=box.domain, timeout=STEP_SECONDS)


class _SmtpTls(smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""

    def __init__(self, box: Mailbox, sending: _Sending, context: ssl.SSLContext) -> None:
        self.sock: socket.socket | None = None
        sending.smtp = self
        super().__init__(box.host, box.port, local_hostname=box.domain, timeout=STEP_SECONDS, context=context)


class MailNotifier:
    """Pages by e-mail. `ssl_context` is the trust to use in place of the system's."""

    def __init__(
        self, box: Mailbox, *, ssl_context: ssl.SSLContext | None = None, seconds: float = MAIL_SECONDS
    ) -> None:
        context = ssl_context or ssl.create_default_context()
        if (
            context.verify_mode != ssl.CERT_REQUIRED
            or not context.check_hostname
            or context.minimum_version < ssl.TLSVersion.TLSv1_2
        ):
            raise ConfigurationError("A TLS context for mail verifies certificates and host names, by TLS 1.2 on.")
        self._box, self._context, self._seconds = box, context, seconds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="tiprouter-mail")

    async def page(self, call: Call) -> Paged:
        """See `Notifier.page`."""
        message = compose(self._box, call)
        sending = _Sending()
        told = asyncio.get_running_loop().run_in_executor(self._threads, self._send, message, sending)
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.shield(told)
        except Exception as error:  # noqa: BLE001 - rule 5: what failed becomes a word of ours; cancellation passes
            if not sending.accepted:
                return _judge(error)
        finally:
            _end(sending)
            told.add_done_callback(_forget)
        return Paged(PageResult.SENT, "accepted_for_some" if sending.refused else "accepted")

    def close(self) -> None:
        """Give up what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, message: EmailMessage, sending: _Sending) -> None:
        """In a thread: one letter to all recipients."""
        if sending.over.is_set():
            return
        box = self._box
        tls = box.security is MailSecurity.TLS
        smtp = _SmtpTls(box, sending, self._context) if tls else _Smtp(box, sending)
        try:
            if box.security is MailSecurity.STARTTLS:
                smtp.starttls(context=self._context)
            if box.user:
                smtp.login(box.user, box.password)
            if sending.over.is_set():
                return
            sending.refused = len(smtp.send_message(message, box.sender, box.recipients))
            sending.accepted = True
            # The letter is the server's now: how the goodbye goes changes nothing.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                smtp.quit()
        finally:
            smtp.close()


def compose(box: Mailbox, call: Call) -> EmailMessage:
    """The letter (rule 4)."""
    said = letter(call.told)
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = box.sender
    message["To"] = ", ".join(box.recipients)
    message["Subject"] = said.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(call.timestamp, UTC))
    message["Message-ID"] = f"<{call.id}@{box.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(said.text, charset="us-ascii", cte="7bit")
    return message


def _end(sending: _Sending) -> None:
    """Rule 3: whatever the thread still does, it does it without a connection."""
    sending.over.set()
    sock = None if sending.smtp is None else sending.smtp.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _forget(told: "asyncio.Future[None]") -> None:
    """Look at the end of an attempt that was given up, so that nobody complains that nobody did."""
    if not told.cancelled():
        told.exception()


def _judge(failure: Exception) -> Paged:
    status = failure.smtp_code if isinstance(failure, smtplib.SMTPResponseException) else None
    if isinstance(failure, smtplib.SMTPRecipientsRefused):
        status = max((code for code, _ in failure.recipients.values()), default=None)
    status = status if status in _STATUSES else None
    for kind, why in _WORDS:
        if isinstance(failure, kind):
            return Paged(PageResult.FAILED, why, status)
    return Paged(PageResult.FAILED, "protocol_error", status)


_STATUSES: Final = range(200, 600)
_WORDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (smtplib.SMTPAuthenticationError, "login_refused"),
    (smtplib.SMTPNotSupportedError, "not_offered"),
    (smtplib.SMTPRecipientsRefused, "refused"),
    (smtplib.SMTPSenderRefused, "refused"),
    (smtplib.SMTPDataError, "refused"),
    (smtplib.SMTPConnectError, "connection_error"),
    (smtplib.SMTPServerDisconnected, "connection_error"),
    (smtplib.SMTPException, "protocol_error"),
    (TimeoutError, "timeout"),
    (ssl.SSLError, "tls_error"),
    (OSError, "connection_error"),
)
