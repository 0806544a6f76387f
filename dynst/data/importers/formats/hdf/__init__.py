"""Frames that pandas wrote to HDF."""
