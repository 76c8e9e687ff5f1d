"""A tokenizer, a precedence parser and a stack machine for arithmetic."""

from collections.abc import Iterator

N = 1100
CHECK = (4, [4, 108, 366927])

POWER = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2}
Tree = int | str | tuple[str, "Tree", "Tree"]
Code = list[tuple[str, int | str]]


def tokens(text: str) -> Iterator[str]:
    i = 0
    while i < len(text):
        c = text[i]
        start = i
        if c.isspace():
            i += 1
            continue
        if c.isdigit():
            while i < len(text) and text[i].isdigit():
                i += 1
        elif c.isalpha():
            while i < len(text) and text[i].isalnum():
                i += 1
        else:
            i += 1
        yield text[start:i]


class Parser:
    def __init__(self, text: str) -> None:
        self.tokens = list(tokens(text))
        self.at = 0

    def atom(self) -> Tree:
        token = self.tokens[self.at]
        self.at += 1
        if token == "(":
            inner = self.expression(1)
            self.at += 1
            return inner
        return int(token) if token.isdigit() else token

    def expression(self, least: int) -> Tree:
        left = self.atom()
        while self.at < len(self.tokens):
            operator = self.tokens[self.at]
            power = POWER.get(operator, 0)
            if power < least:
                break
            self.at += 1
            left = (operator, left, self.expression(power + 1))
        return left


def emit(tree: Tree, code: Code) -> Code:
    match tree:
        case int():
            code.append(("push", tree))
        case str():
            code.append(("load", tree))
        case (operator, left, right):
            emit(left, code)
            emit(right, code)
            code.append(("do", operator))
    return code


def evaluate(code: Code, names: dict[str, int]) -> int:
    stack: list[int] = []
    for what, value in code:
        if what == "push":
            stack.append(int(value))
        elif what == "load":
            stack.append(names[str(value)])
        else:
            b = stack.pop()
            a = stack.pop()
            if value == "+":
                stack.append(a + b)
            elif value == "-":
                stack.append(a - b)
            elif value == "*":
                stack.append(a * b % 65_521)
            elif value == "/":
                stack.append(a // b if b else 0)
            else:
                stack.append(a % b if b else a)
    return stack[0]


def run(n: int) -> list[int]:
    """[formulas, instructions, sum of values] for n formulas with three sets of names each."""
    length = total = 0
    for i in range(n):
        text = f"(x1 + {i}) * (y - {i % 7} * 3) / 5 + (z9 % {i + 3} - 2) * ({i} + x1 * (y + 1)) - 4"
        code = emit(Parser(text).expression(1), [])
        length = len(code) + length
        for k in range(3):
            total += evaluate(code, {"x1": k + i, "y": 11 * k, "z9": 1000 - i})
    return [n, length, total]
