"""What every choice of sensors must satisfy beside importance."""
