"""Many trainings of one question: ablations and sparsity–error curves."""
