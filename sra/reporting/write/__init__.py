"""How numbers, units, rows and commands are written, the same everywhere."""
