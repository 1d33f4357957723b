"""From the world to frames: what each terminal type knows, and how well."""
