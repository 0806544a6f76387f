"""The training loop, its recipe, and the evaluation of what it made."""
