"""Graphs as the field keeps them."""
