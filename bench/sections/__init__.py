"""The parts of the benchmark. Each module has

``TITLE``            what it measures, for a heading
``measure(setup)``   runs it and returns what it measured, as JSON can hold it
``rows(data)``       the design's numbers that it covers
``tables(data)``     everything else worth reading
"""

from types import ModuleType

from bench.sections import (
    arrays,
    dispatch,
    events,
    flows,
    freshness,
    guarding,
    lifecycle,
    memory,
    models,
    programs,
    scaling,
    sealing,
    search,
    triggers,
)

SECTIONS: dict[str, ModuleType] = {
    "programs": programs,
    "scaling": scaling,
    "lifecycle": lifecycle,
    "dispatch": dispatch,
    "guarding": guarding,
    "sealing": sealing,
    "triggers": triggers,
    "events": events,
    "flows": flows,
    "freshness": freshness,
    "arrays": arrays,
    "models": models,
    "search": search,
    "memory": memory,
}
