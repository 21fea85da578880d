"""What two algorithms share."""
