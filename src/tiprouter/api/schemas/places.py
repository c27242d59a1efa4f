"""Where does the log tell of it?"""

from typing import Self

from tiprouter.api.schemas.words import Message


class LogPlace(Message):
    """The index of an entry in the log, and where its proof is asked for."""

    index: int
    proof: str

    @classmethod
    def at(cls, index: int | None) -> Self | None:
        """The place of an entry; None while it is not in the tree."""
        return None if index is None else cls(index=index, proof=cls.proof_of(index))

    @staticmethod
    def proof_of(index: int) -> str:
        """Where the proof of an entry is asked for."""
        return f"/v1/audit/entries/{index}/proof"
