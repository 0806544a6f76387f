"""DynST: learn which sensors of a network can be switched off, together with the forecaster that does without them.

Shapes in this package: B batch, T window, H horizon, S sensors, K active sensors, C channels, D hidden width.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
