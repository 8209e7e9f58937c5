"""ops: see docs/flow.md"""
