"""Figures of masks, errors and grids."""
