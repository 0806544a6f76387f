"""Kills of every process of ours at random moments."""
