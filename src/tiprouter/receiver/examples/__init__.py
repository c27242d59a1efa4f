"""Whole receivers to copy from, one a web framework; each needs its framework, which the router does not bring."""
