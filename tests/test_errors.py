"""Errors that users see."""

from ssiuml.errors import RecipeError, SsiumlError, UsageError


def test_error_without_hint_is_its_message() -> None:
    assert str(SsiumlError("node 16 does not exist")) == "node 16 does not exist"


def test_hint_is_a_second_line_indented_by_two_spaces() -> None:
    error = UsageError("node 16 does not exist", hint="take 1 to 15")
    assert str(error) == "node 16 does not exist\n  take 1 to 15"
    assert (error.message, error.hint) == ("node 16 does not exist", "take 1 to 15")


def test_all_errors_of_users_can_be_caught_as_one() -> None:
    assert issubclass(RecipeError, SsiumlError)
    assert issubclass(UsageError, SsiumlError)
