"""Pictures of masks, errors and grids."""
