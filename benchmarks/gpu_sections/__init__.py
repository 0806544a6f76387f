"""The sections of ``benchmarks.gpu``: what each asks, and the rows that answer it."""
