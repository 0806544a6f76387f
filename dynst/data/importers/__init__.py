"""From the files that users have to a sensor store."""
