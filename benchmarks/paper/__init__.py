"""The questions of the DynST paper (arXiv 2403.02914), answered on data that anyone can get."""
