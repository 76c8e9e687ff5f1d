"""The task that does nothing."""


def payload(i: int) -> None:
    """Nothing, whatever i is."""


def run(payload: None) -> None:
    """Return at once."""
