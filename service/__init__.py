"""The composition root: the only package in which everything meets."""
