"""The pure-Python programs that one VM and stock CPython both run.

A program is a module with

``N``      the size that ``run`` is measured at, 20 to 100 ms on a core of the 2020s,
``CHECK``  a pair of a small size and the value that ``run`` must return for it,
``run``    ``run(n)`` does the whole work and returns a value that JSON can hold.

Programs use only modules that a VM has, need no files, and return the same value under every
CPython from 3.11 on: every contender's value is compared with every other's.
"""
