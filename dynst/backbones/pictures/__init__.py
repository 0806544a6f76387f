"""Networks over pictures of a whole grid, and what stands between them and the sensors."""
