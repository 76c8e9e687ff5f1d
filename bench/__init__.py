"""PolyVM measured, side by side, against what a user would pick instead.

`python -m bench --help` tells the options, docs/benchmarks.md the method.
"""
