"""Tests of zooweeper.doors."""
