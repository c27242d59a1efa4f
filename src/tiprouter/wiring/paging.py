"""Which pages go where, and by which door?

What the settings say of the operator's own webhook and mail server, or one clear line of what is wrong with them.
"""

from typing import Final

from tiprouter.delivery.addresses import private_networks
from tiprouter.delivery.mail import Mailbox, MailSecurity
from tiprouter.delivery.notifying import Hook, secret_text, signing_secrets
from tiprouter.domain.notice import PageChannel, Severity
from tiprouter.domain.repeating import Routing
from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings

_PAGED_BY: Final = {
    "webhook": frozenset({PageChannel.WEBHOOK}),
    "email": frozenset({PageChannel.EMAIL}),
    "both": frozenset(PageChannel),
    "none": frozenset[PageChannel](),
}


def routing_of(settings: Settings) -> Routing:
    """Which pages go where."""
    there = {PageChannel.WEBHOOK: settings.page_webhook_url, PageChannel.EMAIL: settings.page_smtp_host}
    wanted = {
        Severity.IMMINENT: settings.page_imminent,
        Severity.URGENT: settings.page_urgent,
        Severity.ROUTINE: settings.page_routine,
    }
    return Routing(
        channels=frozenset(channel for channel, place in there.items() if place),
        by_severity={severity: _PAGED_BY[by] for severity, by in wanted.items()},
        mails_max=settings.page_mails_max,
    )


def hook_of(settings: Settings) -> Hook | None:
    """The operator's webhook with its secrets, or None without one. Raises `ConfigurationError`."""
    if not settings.page_webhook_url:
        if settings.page_webhook_secret_file:
            raise ConfigurationError("The operator's webhook has a secret file and no URL.")
        return None
    return Hook(
        settings.page_webhook_url,
        signing_secrets(settings.page_webhook_secret_file),
        private_networks(settings.page_webhook_networks),
        settings.sandbox,
    )


def mailbox_of(settings: Settings) -> Mailbox | None:
    """The mail server with its password, or None without one. Raises `ConfigurationError`."""
    if not settings.page_smtp_host:
        if settings.page_mail_from or settings.page_mail_to:
            raise ConfigurationError("Pages by e-mail have addresses and no mail server.")
        return None
    password_file = settings.page_smtp_password_file
    box = Mailbox(
        host=settings.page_smtp_host,
        port=settings.page_smtp_port,
        security=MailSecurity(settings.page_smtp_security),
        sender=settings.page_mail_from,
        recipients=tuple(filter(None, (each.strip() for each in settings.page_mail_to.split(",")))),
        user=settings.page_smtp_user,
        password=secret_text(password_file, "the mail server's password") if password_file else "",
    )
    if settings.sandbox and not box.on_loopback:
        raise ConfigurationError("The sandbox knows mail servers on loopback only.")
    return box
