"""How agents explore."""
