"""One run from config to score: ``run`` is its story, every other module one of its steps."""
