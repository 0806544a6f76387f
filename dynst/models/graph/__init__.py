"""Backbones over sensors: they read active sensors only."""
