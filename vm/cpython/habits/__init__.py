"""Habits of task code: what train.py runs on the interpreter that counts."""
