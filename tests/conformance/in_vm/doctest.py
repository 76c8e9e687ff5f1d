"""Stands in for doctest: examples are source text, so here every suite of them is empty."""

import unittest
from typing import Any

IGNORE_EXCEPTION_DETAIL = ELLIPSIS = NORMALIZE_WHITESPACE = DONT_ACCEPT_TRUE_FOR_1 = 0


def DocTestSuite(*_args: Any, **_keywords: Any) -> unittest.TestSuite:  # noqa: N802  its name
    return unittest.TestSuite()


DocFileSuite = DocTestSuite
