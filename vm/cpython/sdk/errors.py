"""The one exception that a user sees."""


class SdkError(Exception):
    """The SDK cannot be built; the message says what, where and what to do.

    log_tail holds the last lines of the tool that failed, or nothing.
    """

    def __init__(self, message: str, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail
