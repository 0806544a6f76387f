"""Runs whose checkpoints, artifacts and data lie in an S3-compatible store, here a small local
one.
"""
