"""cli: see docs/flow.md"""
