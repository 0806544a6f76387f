"""Measurements of DynST; benchmarks/README.md lists the commands."""
