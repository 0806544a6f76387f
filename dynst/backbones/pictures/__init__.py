"""Networks over whole pictures of a grid; every cell is read, so those that are off are filled in before."""
