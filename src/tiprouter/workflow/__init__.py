"""The story: what happens from a tip to its proof, one transaction per happening."""
