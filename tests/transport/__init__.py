"""Tests of zooweeper.transport."""
