"""runtime: see docs/flow.md"""
