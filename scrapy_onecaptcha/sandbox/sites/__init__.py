"""Gated sites on loopback."""
