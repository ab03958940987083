"""The three kinds of errors (reject, retry, bug); each has one handler in `runtime/`."""


class TocsinError(Exception):
    """Anything tocsin raises on purpose."""


class Reject(TocsinError):
    """This input is wrong and stays wrong: it goes to the dead letters (or back to the caller) with its reason.

    `word` is the short named reason (`bad_json`, `missing_title`, …), the message tells where and what instead.
    """

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word


class Retry(TocsinError):
    """A passing fault: try again, bounded and jittered."""


class IllegalTransition(TocsinError):
    """A verb that the lifecycle table does not allow from this status. Nothing has changed."""
