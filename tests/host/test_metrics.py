from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic

from polyvm.host.breakers import State
from polyvm.host.latency import Histogram
from polyvm.host.metrics import Metrics
from polyvm.host.switches import Paused, Verb
from polyvm.vm import Outcome, QueueFull, ThreadStats
from tests.host.runner import CLOSED
from tests.host.test_invocations import Site
from tests.host.test_registry import bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Seeded


def metrics(site: Site) -> Metrics:
    return Metrics(
        site.registry,
        site.invocations,
        threads=lambda: ThreadStats(threads=4, stuck=2, unserved=1),
        refused=lambda: 3,
        lost_records=lambda: 5,
    )


def scrape(made: Metrics) -> Callable[..., float]:
    """Return a function that gives the value of a sample, by name and labels."""
    body, content_type = made.exposition("text/plain")
    assert content_type.startswith("text/plain")
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in classic(body.decode())
        for sample in family.samples
    }
    return lambda name, **labels: samples[name, frozenset(labels.items())]


def test_what_a_host_tells() -> None:
    site = Site(room=4)
    for _ in range(3):
        site.invocations.submit("a", 0)
    site.finish(Outcome.FAILED, 1)
    site.finish(Outcome.DONE, 1)
    site.registry.deploy(bundle("a", version="2.0"))
    site.invocations.submit("a", 0)
    site.finish()
    site.invocations.submit("a", 0)
    site.switches.turn("lane", "regular", Verb.PAUSE)
    with pytest.raises(Paused):
        site.invocations.submit("a", 0)
    value = scrape(metrics(site))
    place = {"task": "a", "lane": "regular"}
    assert value("polyvm_invocations_total", **place, outcome="done") == 3
    assert value("polyvm_invocations_total", **place, outcome="failed") == 1
    assert value("polyvm_invocations_total", **place, outcome="crashed") == 0
    assert value("polyvm_run_seconds_count", **place) == 4
    assert value("polyvm_run_seconds_bucket", **place, le="1.024e-06") == 4
    assert value("polyvm_run_seconds_sum", **place) == 4 * 1000 / 10**9
    assert value("polyvm_queue_seconds_bucket", **place, le="+Inf") == 4
    assert value("polyvm_queued", **place) == 1
    assert value("polyvm_vms", **place) == 1
    assert value("polyvm_vm_memory_bytes", **place) == 1000
    assert value("polyvm_rejections_total", task="a", reason="paused") == 1
    assert value("polyvm_bundles", state="live") == 1
    assert value("polyvm_bundles", state="refused") == 3
    assert value("polyvm_log_records_lost_total") == 5
    assert value("polyvm_worker_threads_stuck") == 2
    assert value("process_resident_memory_bytes") > 0


def test_states_of_breakers() -> None:
    site = Site()
    for name in ("opened", "trying", "in-processes"):
        site.registry.deploy(bundle(name))
    site.runner.breakers = {
        2: structs.replace(CLOSED, state=State.OPEN),
        3: structs.replace(CLOSED, state=State.HALF_OPEN),
        4: None,
    }
    value = scrape(metrics(site))
    assert [value("polyvm_breaker_state", task=task) for task in ("a", "opened", "trying")] == [
        0,
        1,
        2,
    ]
    with pytest.raises(KeyError):
        value("polyvm_breaker_state", task="in-processes")


def test_counts_go_up_only_over_versions_and_lanes(rand: Seeded) -> None:
    site = Site(room=50)
    made = metrics(site)
    before: dict[object, float] = {}
    for number in range(60):
        match rand.randrange(4):
            case 0:
                lane = rand.choice(["core", "regular", "low"])
                site.registry.deploy(bundle("a", version=f"{number}.0", events=f'lane = "{lane}"'))
            case 1:
                site.finish(rand.choice(list(Outcome)), rand.randrange(20))
            case 2:
                site.registry.withdraw("a")
            case _:
                try:
                    while site.registry.submit("a", b"", 1) and rand.random() < 0.8:
                        pass
                except QueueFull:
                    site.finish()
        body, _ = made.exposition("application/openmetrics-text")
        now = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in openmetrics(body.decode())
            for sample in family.samples
            if sample.name.startswith(("polyvm_invocations", "polyvm_run_s", "polyvm_queue_s"))
        }
        fallen = {
            key: (before[key], now.get(key)) for key in before if now.get(key, -1) < before[key]
        }
        assert not fallen
        before = dict(now)


def test_bounds_of_buckets_are_exact(rand: Seeded) -> None:
    values = [rand.randrange(2 ** rand.randrange(1, 63)) for _ in range(500)]
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    exponents = sorted(rand.sample(range(4, 63), 10))
    expected = [sum(value < 2**exponent for value in values) for exponent in exponents]
    assert histogram.below(exponents) == expected
    copy = histogram.copy()
    histogram.record(0)
    assert copy.below(exponents) == expected
    assert copy.percentile(50) == copy.copy().percentile(50)
