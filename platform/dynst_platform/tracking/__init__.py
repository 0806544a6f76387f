"""What becomes of a run's reports: a queue on disk, delivered to MLflow."""
