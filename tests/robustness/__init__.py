"""Real processes under fire: ensembles, proxies between their nodes, faults, clients that write everything down."""
