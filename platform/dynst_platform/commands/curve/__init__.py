"""``dynst curve``: error against sparsity on one supernet for each seed."""
