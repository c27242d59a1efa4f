"""One module per noun; each function parses, tells a story, and shapes its answer."""
