"""Checks: what must hold, seen from outside. They observe and never steer; a Violation has the numbers that show it."""
