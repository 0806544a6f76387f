"""Which sensors to keep: baselines from the data alone, and a search among subsets that a
trained network evaluates.
"""
