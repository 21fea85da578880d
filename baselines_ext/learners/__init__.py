"""What algorithms share that learn from a replay store."""
