"""Finds faults and trapped passengers in frames: pure, vectorised, one file per finding."""
