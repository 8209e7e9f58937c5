"""Tests of zooweeper.runtime."""
