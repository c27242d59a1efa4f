"""Stories about delivery: signatures, states, schedules, addresses and a receiver that misbehaves."""
