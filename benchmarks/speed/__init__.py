"""How long trainings, forecasts and imports take, and what part of it is whose."""
