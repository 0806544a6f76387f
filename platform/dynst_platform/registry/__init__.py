"""From the runs of an experiment to the model in service: compare, promote, go back."""
