"""What `from polyvm import np` costs a VM: no module that is dear to import."""

from __future__ import annotations

from polyvm.vm import Vm
from tests.vm import programs

DEAR = {"typing", "dataclasses", "inspect", "re", "collections.abc", "enum"}


def test_importing_np_loads_no_dear_module() -> None:
    source = """
        import sys
        from polyvm import np

        def run(payload):
            total = float(np.sum(np.unique(np.asarray(payload))))
            return [total, sorted(sys.modules)]
    """
    with Vm() as vm:
        vm.load(programs.program(source))
        total, loaded = programs.value_of(vm.call(programs.pack([1, 2, 2, 4])))
    assert total == 7
    assert DEAR.isdisjoint(loaded)
