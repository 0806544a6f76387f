"""Models and versions in MLflow, and the runs that made them."""
