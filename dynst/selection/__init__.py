"""Which sensors to keep: baselines from the data alone, a trained network as judge, and the search
that it judges.
"""
