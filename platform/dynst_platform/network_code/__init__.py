"""The code of a user's own network: which files it is, and whether and where it may run."""
