"""Deep Q-Network."""
