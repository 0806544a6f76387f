"""``dynst sensors``: which sensors a model reads, and what each is worth."""
