"""What all commands share on a terminal."""
