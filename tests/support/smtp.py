"""A small mail server on loopback, as good or as bad as a test wants it.

It speaks enough SMTP (RFC 5321, STARTTLS of RFC 3207, AUTH PLAIN of RFC 4954) for one client, keeps the letters it
accepted, and answers a command as `answers` says instead, if it is named there. `hang` is a command it never answers.
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

USER, PASSWORD = "pager", "Zyxwv-Mail-Password"


@dataclass
class Post:
    """What a mail server is, and what it has seen."""

    port: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)
    hang: str = ""
    tls: ssl.SSLContext | None = None
    starttls: bool = True
    login: bool = False
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)


@asynccontextmanager
async def post_office(post: Post, *, implicit: bool = False, port: int = 0) -> AsyncIterator[Post]:
    """Listen on loopback; `implicit` speaks TLS from the first byte."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        post.connections += 1
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        try:
            await _Talk(post, reader, writer, secure=implicit).run()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=post.tls if implicit else None, reuse_port=True)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Talk:
    """One connection."""

    def __init__(self, post: Post, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool) -> None:
        self.post, self.reader, self.writer = post, reader, writer
        self.secure, self.known = secure, not post.login

    async def run(self) -> None:
        """Talk until the other side is done."""
        await self.say("CONNECT", "220 mail.example ready")
        while line := (await self.reader.readline()).decode("ascii").strip():
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            self.post.commands.append(verb)
            if verb == "QUIT":
                await self.say(verb, "221 bye")
                return
            await self.answer(verb, rest)

    async def answer(self, verb: str, rest: str) -> None:
        """One command."""
        if verb == "EHLO":
            offers = ["STARTTLS"] * (self.post.starttls and not self.secure) + ["AUTH PLAIN"] * self.post.login
            await self.say(verb, "\r\n".join(["250-mail.example", *(f"250-{one}" for one in offers), "250 OK"]))
        elif verb == "STARTTLS":
            await self.say(verb, "220 go ahead")
            await self.writer.start_tls(cast("ssl.SSLContext", self.post.tls))
            self.secure = True
        elif verb == "AUTH":
            said = base64.b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")
            self.known = said == ["", USER, PASSWORD]
            await self.say(verb, "235 welcome" if self.known else "535 no")
        elif verb in {"MAIL", "RCPT"}:
            if verb == "RCPT" and f"RCPT {rest}" not in self.post.answers:
                self.post.recipients.append(rest.removeprefix("TO:").strip("<>"))
            verb = f"RCPT {rest}" if f"RCPT {rest}" in self.post.answers else verb
            await self.say(verb, "250 OK" if self.known else "530 log in first")
        elif verb == "DATA":
            await self.take()
        else:
            await self.say(verb, "250 OK")

    async def take(self) -> None:
        """The letter."""
        await self.say("DATA", "354 go on")
        data = await self.reader.readuntil(b"\r\n.\r\n")
        accepted = self.post.answers.get("LETTER", "250 taken")
        if accepted.startswith("250") and self.post.hang != "LETTER":
            self.post.letters.append(message_from_bytes(data[:-5], policy=policy.default))
            self.post.secure.append(self.secure)
        await self.say("LETTER", "250 taken")

    async def say(self, verb: str, usual: str) -> None:
        """Answer as usual, or as the test wants it."""
        if verb == self.post.hang:
            with suppress(TimeoutError):
                async with asyncio.timeout(30):
                    await self.reader.read()
            raise ConnectionResetError
        self.writer.write(f"{self.post.answers.get(verb, usual)}\r\n".encode())
        await self.writer.drain()
