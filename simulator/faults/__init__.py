"""What goes wrong: the catalogue of causes, drawn rates, mass events."""
