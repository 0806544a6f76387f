"""A job on a cluster that runs elsewhere: where it is, what travels there, what becomes of it, and whether all links hold."""
