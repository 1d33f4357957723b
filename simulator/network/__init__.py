"""Between terminals and the broker, as a separate seeded layer."""
