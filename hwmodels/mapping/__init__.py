"""Partition, place and route: from a Network to tables that say which cell is where.

A mapper gets limits and a graph of routers and gives a :class:`Placement`. It must not know any
chip's timing or arithmetic.
"""

from hwmodels.mapping.placement import Axons, CoreLimits, Placement, Routers, mesh_graph

__all__ = ["Axons", "CoreLimits", "Placement", "Routers", "mesh_graph"]
