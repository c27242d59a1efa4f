"""Who may do what, and who stands apart from whom: every cell of it, over real HTTP."""
