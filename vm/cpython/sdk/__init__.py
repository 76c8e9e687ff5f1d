"""How the SDK is made: a static CPython library, its headers and its standard library.

Standard library only, so that it runs before anything is installed. One module per step,
in this order: releases, fetch (and apt), source, compiling (and training), layout; cache
decides whether any of it is needed, cli is the way in.
"""
