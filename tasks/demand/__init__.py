"""Demand: how many units of each item sell at each location, as distributions, and what to order."""

from tasks.demand.task import DemandTask

__all__ = ["DemandTask"]
