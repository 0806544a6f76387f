"""One experiment: a store, a model, a recipe, a sparsity and a seed.

And the protocol by which it is run.
"""
