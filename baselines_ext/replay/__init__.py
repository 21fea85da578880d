"""What was experienced: a store of episodes, and the batches drawn from it."""
