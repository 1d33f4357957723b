"""Frames to MQTT messages, sent in time over few connections."""
