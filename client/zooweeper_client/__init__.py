"""The client library of Zooweeper."""
