"""Which sensors are on: schedules, importance criteria, and the scheme that puts them together."""
