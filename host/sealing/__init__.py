"""Sealed bundles: signed by a publisher, encrypted for the hosts that may run them."""
