"""What settings are worth in accuracy, and what bounds it."""
