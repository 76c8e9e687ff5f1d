"""Sealed bundles: signed by a publisher, encrypted for the hosts that may run them."""

EVENTS_KEY_VARIABLE = "POLYVM_EVENTS_KEY"  # says where the key of sealed events is
