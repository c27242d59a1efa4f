"""Policy: the only room that knows Cedar.

`bundle` reads and refuses, `engine` asks; `questions` is the whole of what passes between facts and Cedar.
"""
