"""What networks are built from: topologies, gated aggregation over them, temporal layers, and the
readout to all locations.
"""
