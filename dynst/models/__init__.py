"""Forecasters: backbones by name, what they are built from, and how they are saved."""
