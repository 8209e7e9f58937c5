"""Measurements of a running ensemble: the bars it must clear, and its speed.

Rules: everything runs real processes, started by the machinery of `deploy.sh`; load comes from the client library.
What a figure means stands in the docstring of the file that takes it. Figures are data first, text last.
"""
