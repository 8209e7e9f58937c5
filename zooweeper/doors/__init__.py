"""doors: see docs/flow.md"""
