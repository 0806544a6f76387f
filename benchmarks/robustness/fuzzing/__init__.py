"""Damaged files, jobs, models and stores, and what becomes of each."""
