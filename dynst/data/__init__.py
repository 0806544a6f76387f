"""Sensor stores: readings, sensors and graph on disk, and windows over them in memory."""
