"""``dynst train``: one job from its file to its end."""
