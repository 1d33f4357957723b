"""Rules that find what is wrong with a terminal, its sensors and its frames."""
