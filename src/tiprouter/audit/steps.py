"""How does a verification go, and what does it report?

1. Its steps are taken in order, each with a number and a title; the first that fails ends it, and of the others it is
   said that they were not reached. So nothing rests on what was not verified before.
2. What fails says where: the file, and the entry where it can be known. Nothing is raised for what is verified.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from tiprouter.errors import TiprouterError

NOT_REACHED: Final = "not reached: an earlier step failed"

Case = TypeVar("Case")


@dataclass(frozen=True, slots=True)
class Where:
    """The file at fault, relative to the folder, and the index of the entry in the log when it is known."""

    file: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step: whether it passed, and what was seen."""

    number: int
    title: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict; `size` and `root` are the checkpoint's once it was trusted, `where` the place of the first failure.

    `key_given` is false when the folder's own key was believed: then it proves only that the folder agrees with itself.
    `erased` are the indices of the entries that tell of content that was erased; what they prove is still whole.
    """

    ok: bool
    size: int | None
    root: bytes | None
    steps: tuple[Step, ...]
    where: Where | None
    key_given: bool
    erased: tuple[int, ...] = ()


def walk(
    case: Case,
    titles: Sequence[str],
    takes: Sequence[Callable[[Case], str]],
    place: Callable[[TiprouterError, int], Where],
) -> tuple[tuple[Step, ...], Where | None]:
    """Take the steps (rules 1 and 2): what was seen of each, and where the first failed.

    `place` says where a step's error is, by the step's number, and raises what is not about what is verified.
    """
    steps: list[Step] = []
    where: Where | None = None
    for number, (title, take) in enumerate(zip(titles, takes, strict=True), 1):
        if where is not None:
            steps.append(Step(number, title, ok=False, detail=NOT_REACHED))
            continue
        try:
            steps.append(Step(number, title, ok=True, detail=take(case)))
        except TiprouterError as error:
            where = place(error, number)
            steps.append(Step(number, title, ok=False, detail=str(error)))
    return tuple(steps), where
