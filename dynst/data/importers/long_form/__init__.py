"""A long table, a row a reading, on its way to a step a row."""
