"""Errors that users see."""

from ssiuml.errors import RecipeError, SsiumlError, UsageError


def test_error_without_a_hint_is_shown_as_its_message() -> None:
    assert str(SsiumlError("node 16 does not exist")) == "node 16 does not exist"


def test_hint_is_shown_as_a_second_line_indented_by_two_spaces() -> None:
    error = UsageError("node 16 does not exist", hint="take 1 to 15")
    assert str(error) == "node 16 does not exist\n  take 1 to 15"
    assert (error.message, error.hint) == ("node 16 does not exist", "take 1 to 15")


def test_every_error_that_a_user_can_cause_is_an_ssiuml_error() -> None:
    assert issubclass(RecipeError, SsiumlError)
    assert issubclass(UsageError, SsiumlError)
