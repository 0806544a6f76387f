"""``dynst tune``: many trials of one job, searched by Ray Tune."""
