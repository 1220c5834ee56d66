"""Errors that a user can cause. The commands print them without a traceback."""


class SsiumlError(Exception):
    """A message with the value that is wrong and the expected one. *hint* tells the user what to do."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = self._text()
        # Names of files may hold bytes that are no UTF-8, and a message has to be printable even then.
        return text.encode("utf-8", "backslashreplace").decode()

    def _text(self) -> str:
        """Return the message and, if there is a hint, a second line with it, indented by two spaces."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class RecipeError(SsiumlError):
    """A recipe is missing, cannot be read, or asks for something that cannot be built."""


class UsageError(SsiumlError):
    """A wrong call or wrong input; the commands exit with status 2."""
