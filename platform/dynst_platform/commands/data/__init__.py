"""``dynst data``: bring readings into a sensor store, look at one, and say what it asks."""
