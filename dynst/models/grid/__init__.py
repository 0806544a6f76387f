"""Backbones over images of a whole grid, and what stands between them and the sensors."""
