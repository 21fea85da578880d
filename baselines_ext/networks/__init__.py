"""What networks read, what they compute, and acting without torch."""
