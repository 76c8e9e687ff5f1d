"""Stands in for doctest: examples are source text, so here every suite of them is empty."""

import unittest

IGNORE_EXCEPTION_DETAIL = ELLIPSIS = NORMALIZE_WHITESPACE = DONT_ACCEPT_TRUE_FOR_1 = 0


def DocTestSuite(*args, **kwargs):
    return unittest.TestSuite()


DocFileSuite = DocTestSuite
