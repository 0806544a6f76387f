"""How time and memory change with the network's size and the number of workers."""
