"""Zooweeper, Apache ZooKeeper and etcd side by side on one machine: the same loads, in turns, as ratios.

Rules: ensembles of three, all up during the whole run; whoever is not asked does next to nothing. A figure is taken in
turns (A B A B …), so that what disturbs the machine disturbs all alike; what counts is the ratio of a round, and of
the rounds the median, shown with the smallest and the largest.
"""
