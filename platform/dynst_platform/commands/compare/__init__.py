"""``dynst compare``: the trainings of an experiment as rows and a page."""
