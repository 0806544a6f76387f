"""How good a forecast is: tables of errors, image metrics, naive references, and what inference
costs.
"""
