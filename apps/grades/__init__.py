"""The replicated grade database: N servers, each with its own copy, kept identical through the ensemble.

A worked example of what a coordination service is for; docs/grades.md tells its whole story.

Rules: it knows the client library and gRPC alone, as any program of yours would. What is pure (statements, table,
layout) imports nothing of the world.
"""
