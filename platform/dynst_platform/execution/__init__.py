"""Where work runs: Ray Train, Ray tasks, a Ray of our own, or the calling process."""
