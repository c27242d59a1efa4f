"""Stories about the gate: what it proves, what it refuses, and whether it would notice."""
