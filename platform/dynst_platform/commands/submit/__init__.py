"""``dynst submit`` and its like: a job on a cluster elsewhere."""
