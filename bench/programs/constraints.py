"""A one-way constraint graph with strengths, kept satisfied while inputs change.

The work is of the kind that the DeltaBlue benchmark made known: planning over a graph of
objects, then executing the plan many times.
"""

N = 1200
CHECK = (4, [95, 80, 314, 88])

REQUIRED, STRONG, NORMAL, WEAK = range(4)


class Variable:
    def __init__(self, value: int = 0) -> None:
        self.value = value
        self.strength = WEAK + 1
        self.source: Constraint | None = None
        self.readers: list[Constraint] = []
        self.mark = 0


class Constraint:
    """Computes one variable from others; the stronger of two writers wins."""

    def __init__(self, strength: int, inputs: list[Variable], output: Variable) -> None:
        self.strength = strength
        self.inputs = inputs
        self.output = output
        for variable in inputs:
            variable.readers.append(self)

    def execute(self) -> None:
        raise NotImplementedError

    def claim(self) -> bool:
        """Take the output unless a stronger constraint has it."""
        owner = self.output.source
        if owner is not None and owner is not self and self.output.strength <= self.strength:
            return False
        self.output.source = self
        self.output.strength = self.strength
        return True


class Equal(Constraint):
    def execute(self) -> None:
        self.output.value = self.inputs[0].value


class Scale(Constraint):
    def __init__(
        self, strength: int, x: Variable, by: Variable, add: Variable, y: Variable
    ) -> None:
        super().__init__(strength, [x, by, add], y)

    def execute(self) -> None:
        x, by, add = self.inputs
        self.output.value = (x.value * by.value + add.value) % 100_003


class Total(Constraint):
    def execute(self) -> None:
        total = 0
        for variable in self.inputs:
            total += variable.value
        self.output.value = total % 100_003


class Edit(Constraint):
    """An input from outside."""

    def __init__(self, output: Variable) -> None:
        super().__init__(REQUIRED, [], output)
        self.wanted = 0

    def execute(self) -> None:
        self.output.value = self.wanted


class Planner:
    def __init__(self) -> None:
        self.mark = 0

    def plan(self, edit: Edit) -> list[Constraint]:
        """What must be executed, in order, when `edit` changes (the graph has no cycle)."""
        self.mark += 1
        mark = self.mark
        order: list[Constraint] = []
        stack: list[tuple[Constraint, bool]] = [(edit, False)]
        while stack:
            constraint, done = stack.pop()
            if done:
                order.append(constraint)
                continue
            output = constraint.output
            if output.mark == mark or output.source is not constraint:
                continue
            output.mark = mark
            stack.append((constraint, True))
            stack += [
                (reader, False)
                for reader in output.readers
                if reader.output.mark != mark and reader.claim()
            ]
        order.reverse()
        return order


def chain(length: int) -> tuple[Edit, Variable]:
    """A chain of equalities from an edited variable to the last one."""
    first = Variable()
    edit = Edit(first)
    edit.claim()
    last = first
    for i in range(length):
        following = Variable()
        Equal(STRONG if i % 3 else NORMAL, [last], following).claim()
        Equal(WEAK, [first], following).claim()
        last = following
    return edit, last


def projection(width: int) -> tuple[Edit, Variable, list[Variable]]:
    """Many scaled copies of one variable and their total."""
    x = Variable(3)
    edit = Edit(x)
    edit.claim()
    by = Variable(7)
    results: list[Variable] = []
    for i in range(width):
        y = Variable()
        Scale(STRONG, x, by, Variable(i), y).claim()
        results.append(y)
    total = Variable()
    Total(NORMAL, results, total).claim()
    return edit, total, results


def run(n: int) -> list[int]:
    """[end of a chain, one scaled copy, their total, constraints planned] for graphs of size n."""
    planner = Planner()
    chain_edit, end = chain(n)
    scale_edit, total, copies = projection(n)
    planned = 0
    for _ in range(8):
        plan = planner.plan(chain_edit)
        planned += len(plan)
        for value in range(12):
            chain_edit.wanted = value * 5 + 40
            for constraint in plan:
                constraint.execute()
        plan = planner.plan(scale_edit)
        planned += len(plan)
        for value in range(12):
            scale_edit.wanted = value
            for constraint in plan:
                constraint.execute()
    return [end.value, copies[-1].value, total.value, planned]
