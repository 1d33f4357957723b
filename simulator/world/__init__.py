"""Lifts that live: buildings, people, cars, doors and what interferes with them."""
