"""Several processes that train one model: collectives, and proof that all took the same
decision.
"""
