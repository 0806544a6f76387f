"""``dynst promote``: the best sparse model into service, if it deserves it."""
