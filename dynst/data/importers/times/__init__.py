"""How times are written: texts, numbers, datetimes."""
