"""A search's runs of somebody else's training script. Imports ``experiment.run`` and below."""
