"""Rules that find what is wrong with an escalator or a moving walk; no lift meets them."""
