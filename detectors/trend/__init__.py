"""Rules that need days: what comes back too often, stays away too long, or gets worse."""
