"""``dynst ablate``: schemes, criteria, sparsities and seeds crossed."""
