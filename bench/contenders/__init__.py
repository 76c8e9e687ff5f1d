"""The processes that are measured: each serves requests, one JSON object a line.

`stock`  runs on any CPython from 3.11 on, with the standard library alone
`vm`     runs on the host's Python and drives libpolyvm
`serve`  the loop that both share

All operations have the same names, arguments and replies in both, so that a section of the
benchmark need not know whom it asks.
"""
