"""CPython's own regression tests, run inside VMs: see docs/conformance.md."""
