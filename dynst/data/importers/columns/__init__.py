"""Which column of a table is which: time, sensor, quantity, or none of them."""
