"""A sweep: many trainings of one job with other settings, to find the best trade between accuracy and sensors kept."""
