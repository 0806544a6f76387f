"""Where and how a job's arms are trained: under Ray Train, or in the calling process."""
