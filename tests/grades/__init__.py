"""Tests of the grade database."""
