"""sim: the simulated world, in which the real brain, storage and client run; see docs/simulator.md"""
