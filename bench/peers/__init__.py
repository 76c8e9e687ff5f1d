"""The Pythons that PolyVM is measured against, and how each one is obtained.

`debian`   a distribution's own optimised build, unpacked beside the system, never installed
`sdk`      the Python that our SDK build makes: same source and options as a VM
`ray`      Ray, installed into an environment of its own
`models`   the runtimes that run models, in another
`environment`  what makes such environments
`python`   what both are to the rest of the harness: a command that starts an interpreter
"""
