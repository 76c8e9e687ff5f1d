"""Stands in for _opcode: the one constant that test.support looks at while it is imported."""

ENABLE_SPECIALIZATION = True
