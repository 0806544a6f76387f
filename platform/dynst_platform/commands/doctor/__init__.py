"""``dynst doctor``: whether a cluster can run a job."""
