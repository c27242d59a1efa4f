"""Stories about policy: bundles that are refused, an engine that fails closed, and what no bundle may ever do."""
