"""Rules that find what is wrong with a lift, and what they share."""
