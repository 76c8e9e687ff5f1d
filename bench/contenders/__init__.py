"""The processes that are measured: each serves requests, one JSON object a line.

`stock`  runs on any CPython from 3.11 on, with the standard library alone
`ray_actors`  runs on a Python that has Ray
`vm`     runs on the host's Python and drives libpolyvm
`host`   loads bundles as PolyVM's host does
`models`  runs models, by one runtime or another
`model_vms`  runs tasks in VMs that call one model
`triggers`  matches events, in PolyVM and in a plain list
`serve`  the loop that all share

Operations of `stock` and `vm` have the same names, arguments and replies, so that a section of the
benchmark need not know whom it asks.
"""
