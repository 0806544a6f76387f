"""Forecast errors and epoch times beside other implementations and the dense network."""
