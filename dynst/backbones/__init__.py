"""Networks that read active sensors only, and the readout that forecasts every location."""
