"""``dynst forecast``: what a model says of the next hours."""
