"""The gate: what is proved about a bundle before it may be active.

`compile` turns Cedar's tree into any boolean algebra: `opinion` plain Python, `space` sets of facts, `solver` z3.
`laws` must hold, `proofs` looks, `check` runs it all, `diff` compares two bundles, `differential` doubts the compiler.
"""
