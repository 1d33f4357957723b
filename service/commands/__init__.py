"""The commands of ``hoistway`` that need more than a call: keys, dead letters, doctor."""
