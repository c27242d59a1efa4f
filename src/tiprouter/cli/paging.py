"""Would a page reach anybody? (`tiprouter page test`)

1. A page that says it is a test goes out through each channel that the settings name, by the same senders and with the
   same secrets as a real one; no database is opened and no notice is made.
2. What came of each channel is one line: sent or not, a word of ours, and the digits that the other side answered.
3. Exit code 1 when one failed, or when no channel is there at all.

Not promised: that somebody reads it. Ask them.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping

import typer

from tiprouter import ids, wiring
from tiprouter.delivery.mail import MailNotifier
from tiprouter.delivery.notifying import Call, HookNotifier, Notifier, Paged, PageResult
from tiprouter.delivery.sender import Sender
from tiprouter.domain.notice import PageChannel
from tiprouter.domain.page import Told
from tiprouter.settings import Settings

REASON = "paging.test"


def test(settings: Settings) -> int:
    """Send the test pages and say what came of them (rules 1-3). Raises `ConfigurationError` for half a channel."""
    done = asyncio.run(send(settings))
    if not done:
        typer.echo("No channel is configured, so nobody is paged: set TIPROUTER_PAGE_WEBHOOK_URL or _PAGE_SMTP_HOST.")
        return 1
    for channel, paged in done.items():
        status = "" if paged.status is None else f", answered {paged.status}"
        came = "sent" if paged.result is PageResult.SENT else f"not sent: {paged.why}"
        typer.echo(f"{channel.value}: {came}{status}")
    return 0 if all(paged.result is PageResult.SENT for paged in done.values()) else 1


async def send(settings: Settings) -> Mapping[PageChannel, Paged]:
    """One attempt through each channel (rule 1)."""
    hook, box = wiring.hook_of(settings), wiring.mailbox_of(settings)
    async with contextlib.AsyncExitStack() as stack:
        notifiers: dict[PageChannel, Notifier] = {}
        if hook is not None:
            sender = await stack.enter_async_context(Sender(sandbox=settings.sandbox, networks=hook.networks))
            notifiers[PageChannel.WEBHOOK] = HookNotifier(hook, sender)
        if box is not None:
            notifiers[PageChannel.EMAIL] = mail = MailNotifier(box)
            stack.callback(mail.close)
        return {channel: await notifier.page(_call()) for channel, notifier in notifiers.items()}


def _call() -> Call:
    now = wiring.now()
    notice = ids.mint("ntc", now, os.urandom(ids.RANDOM_BYTES))
    told = Told(notice, REASON, None, None, None, now)
    return Call(ids.mint("pag", now, os.urandom(ids.RANDOM_BYTES)), int(now.timestamp()), (told,))
