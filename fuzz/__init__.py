"""Fuzzing: everything that reads bytes of others, fed with bytes that are nearly right (docs/fuzzing.md)."""
