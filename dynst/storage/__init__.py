"""Paths and addresses: how they are shown, opened, and why one cannot be used."""
