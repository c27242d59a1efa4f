"""May the system write this process's memory to a disk?

1. No: words of people and unwrapped keys stand in it in the clear. Whatever it ends of, no core file is left: the limit
   is nothing before the first key is read.

Not promised: what a handler does that the system pipes core files to (it is told the limit; `systemd-coredump` and
`apport` heed it), nor memory that is swapped out, which is the machine's to encrypt or to do without.
"""

import resource


def leave_no_core() -> None:
    """Have no core file written of this process, nor of what it starts (rule 1)."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
