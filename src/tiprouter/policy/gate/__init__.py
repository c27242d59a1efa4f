"""The gate: what is proved about a bundle before it may be active.

`compile` turns Cedar's tree into any boolean algebra: `formula`, which `solver` gives to z3, `space` reads as sets of
facts and `opinion` as plain Python. `laws` must hold, `proofs` looks, `slices` asks what state slices add, `check` runs
it all, `diff` compares two bundles, `differential` doubts the compiler.
"""
