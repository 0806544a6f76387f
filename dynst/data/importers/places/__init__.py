"""Tables of sensors: positions, costs, groups and marks."""
