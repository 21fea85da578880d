"""From the command line to Hydra, and how errors come back to the user. Imports no torch."""
