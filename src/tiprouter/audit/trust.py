"""Whose signatures does an auditor want to see under a checkpoint? (C2SP tlog-policy)

1. A policy is lines: `log <vkey> [url]`, `witness <name> <vkey> [url]`, `group <name> all|any|<k> <member>...`, and
   exactly one `quorum <name>|none`. Blank lines and lines that begin with `#` say nothing.
2. A name is given once, and used only after it was given; a member is a witness or a group.
3. A witness is satisfied when it cosigned, a group when as many members are as it says; the quorum decides.
4. A group without members, or with fewer than it asks for, is refused: nothing is satisfied by being empty.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tiprouter.audit.note import Algorithm, NoteError, Signature, Verifier
from tiprouter.errors import TiprouterError

NONE: Final = "none"


class TrustError(TiprouterError):
    """This is no trust policy."""


@dataclass(frozen=True, slots=True)
class Group:
    """So many of these members."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """The log's keys, the witnesses by the policy's own names for them, the groups, and what must be satisfied."""

    logs: tuple[Verifier, ...]
    witnesses: Mapping[str, Verifier]
    groups: Mapping[str, Group]
    quorum: str

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """The witnesses' keys."""
        return tuple(self.witnesses.values())

    def satisfied(self, cosignatures: Collection[Signature]) -> bool:
        """Whether these verified cosignatures are enough (rule 3)."""
        if self.quorum == NONE:
            return True
        cosigned = {(one.name, one.key_id) for one in cosignatures if one.seconds is not None}
        done = {name: (key.name, key.key_id) in cosigned for name, key in self.witnesses.items()}
        for name, group in self.groups.items():
            done[name] = sum(done[member] for member in group.members) >= group.threshold
        return done[self.quorum]

    @classmethod
    def parse(cls, text: str) -> "TrustPolicy":
        """Read a policy; raises `TrustError` with the line's number."""
        logs: list[Verifier] = []
        witnesses: dict[str, Verifier] = {}
        groups: dict[str, Group] = {}
        quorum: str | None = None
        for number, line in enumerate(text.splitlines(), 1):
            match line.split():
                case []:
                    continue
                case [word, *_] if word.startswith("#"):
                    continue
                case ["log", vkey] | ["log", vkey, _]:
                    logs.append(_key(vkey, Algorithm.ED25519, number))
                case ["witness", name, vkey] | ["witness", name, vkey, _] if _new(name, witnesses, groups):
                    witnesses[name] = _key(vkey, Algorithm.COSIGNATURE, number)
                case ["group", name, wanted, *members] if _new(name, witnesses, groups):
                    groups[name] = _group(wanted, members, witnesses.keys() | groups.keys(), number)
                case ["quorum", name] if quorum is None and name in {NONE, *witnesses, *groups}:
                    quorum = name
                case _:
                    raise TrustError(f"line {number} of the policy means nothing")
        if quorum is None:
            raise TrustError("a policy says which quorum it wants")
        return cls(tuple(logs), MappingProxyType(witnesses), MappingProxyType(groups), quorum)


def _new(name: str, *known: Collection[str]) -> bool:
    return name != NONE and all(name not in names for names in known)


def _key(vkey: str, algorithm: Algorithm, number: int) -> Verifier:
    try:
        key = Verifier.from_vkey(vkey)
    except NoteError as error:
        raise TrustError(f"line {number} of the policy holds no verifier key") from error
    if key.algorithm is not algorithm:
        raise TrustError(f"line {number} of the policy holds a key of another kind")
    return key


def _group(wanted: str, members: list[str], known: Collection[str], number: int) -> Group:
    """Rule 4."""
    count = {"all": len(members), "any": 1}.get(wanted, int(wanted) if wanted.isascii() and wanted.isdigit() else 0)
    strange = len(set(members)) != len(members) or any(member not in known for member in members)
    if strange or not 1 <= count <= len(members):
        raise TrustError(f"line {number} of the policy asks a group for what it cannot give")
    return Group(count, tuple(members))
