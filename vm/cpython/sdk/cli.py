"""The command: from options to the path of an SDK."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdk import cache, compiling, fetch, layout, source, training
from sdk.errors import SdkError
from sdk.options import FLAVOURS, VARIANTS, Options
from sdk.progress import Progress
from sdk.releases import load_releases
from sdk.stages import Stages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

HERE = Path(__file__).resolve().parent.parent
MODULES = HERE / "Setup.local"
TRAINING = HERE / "train.py"
TOOLS = ("make", "git", "ar")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the path of the SDK asked for as the last line; build it first if need be."""
    signal.signal(signal.SIGTERM, _on_term)
    try:
        path = find_or_build(_parse(arguments))
    except SdkError as error:
        if error.log_tail:
            sys.stderr.write(f"\n{error.log_tail.rstrip()}\n")
        sys.stderr.write(f"\nbuild.py: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nbuild.py: interrupted; the same command goes on from the last step\n")
        return 130
    sys.stdout.write(f"{path}\n")
    return 0


@dataclass(frozen=True)
class Request:
    """The command line, and what the machine adds to it."""

    options: Options
    jobs: int
    tarball: Path | None
    allow_unpinned: bool
    compiler: str
    compiler_version: str

    def key(self, source_sha256: str) -> str:
        """Name of the SDK that this request makes of that source."""
        files = [MODULES, *patch_files()]
        if self.options.trained:
            files += [TRAINING, *(HERE / "habits").glob("*.py")]
        return cache.sdk_key(source_sha256, self.options, self.compiler_version, tuple(files))


def patch_files() -> tuple[Path, ...]:
    """Return the patches in the order of their numbers."""
    return tuple(sorted((HERE / "patches").glob("*.patch")))


def find_or_build(request: Request) -> Path:
    """Return the SDK's folder, from the cache if it is there whole."""
    releases = load_releases(HERE / "releases.toml")
    root = cache.cache_root()
    tarball = None
    if request.tarball is not None:
        tarball = fetch.local_tarball(
            request.tarball, releases, allow_unpinned=request.allow_unpinned
        )
    # Without a tarball named, an SDK of any pinned release serves, the best one first.
    hashes = [tarball.sha256] if tarball else [release.sha256 for release in releases]
    for sha256 in hashes:
        if (found := cache.finished_sdk(root, request.key(sha256))) is not None:
            return found
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise SdkError(
            f"the build needs {', '.join(missing)}, not on PATH; install it, on Debian with "
            "`apt-get install build-essential git`"
        )
    name = "-".join((*request.options.words, str(os.getpid())))
    progress = Progress(root / "logs" / f"{name}.log", steps=7 if request.options.trained else 5)
    try:
        with progress.step("get the source"):
            if tarball is None:
                with cache.locked(
                    root, "downloads", lambda: progress.update("waiting for another download")
                ):
                    tarball = fetch.obtain(releases, root / "downloads", progress)
        progress.say(f"source: {tarball.path} ({tarball.origin})")
        key = request.key(tarball.sha256)
        wait = f"another process is building the same SDK ({key}); waiting for it"
        with cache.locked(root, f"sdk-{key}", lambda: progress.say(wait)):
            found = cache.finished_sdk(root, key)
            return found or _build(request, tarball, root, key, progress)
    finally:
        progress.close()


def _build(
    request: Request, tarball: fetch.Tarball, root: Path, key: str, progress: Progress
) -> Path:
    """All steps after the source is there; each one that was finished before is skipped.

    Skipping is by whole steps: what an interrupted compiler left is not trusted.
    """
    started = time.monotonic()
    options = request.options
    work = root / f"work-{key}"
    stages = Stages(work)
    place = work / "source"
    with progress.step("unpack and patch"):
        if not stages.done("patched"):
            unpacked = source.unpack(tarball.path, work / "unpacked")
            source.release_of(unpacked)
            source.apply_patches(unpacked, patch_files(), progress)
            unpacked.rename(place)
            stages.mark("patched")
    env = compiling.build_environment(place, request.compiler)
    tree = compiling.Tree(place, request.jobs, env, progress)
    with progress.step("configure"):
        if not stages.done("configured"):
            compiling.configure(tree, options, MODULES)
            stages.mark("configured")
    if options.trained:
        with progress.step("compile with counters"):
            if not stages.done("instrumented", "trained"):
                compiling.clean(tree)
                training.instrument(tree)
                stages.mark("instrumented")
        with progress.step("train"):
            if not stages.done("trained"):
                training.train(tree, TRAINING)
                stages.mark("trained")
    with progress.step("compile"):
        if not stages.done("compiled"):
            if options.trained:
                training.optimise(tree, request.compiler_version)
            else:
                compiling.clean(tree)
                compiling.make_python(tree)
            stages.mark("compiled")
    with progress.step("lay out and check"):
        target = work / "sdk"
        layout.lay_out(tree, target)
        facts = layout.describe(target, layout.static_modules(MODULES))
        facts |= _description(request, tarball, key, stages)
        (target / "sdk.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
        path = cache.publish(root, key, target)
    shutil.rmtree(work)
    cache.remove_abandoned(root, time.time())
    progress.say(f"built CPython {facts['release']} in {time.monotonic() - started:.0f} s")
    shutil.move(progress.log_path, path / "build.log")
    return path


def _description(
    request: Request, tarball: fetch.Tarball, key: str, stages: Stages
) -> dict[str, object]:
    options = request.options
    return {
        "format": 1,
        "key": key,
        **asdict(options),
        "archive": "lib/libpython.a",
        "cc": request.compiler,
        "cc_version": request.compiler_version,
        "configure": options.configure,
        "cflags": [*options.opt, *options.cflags],
        "source_sha256": tarball.sha256,
        "source_origin": tarball.origin,
        "patches": [patch.name for patch in patch_files()],
        "train_seconds": stages.seconds_of("trained"),
    }


def _parse(arguments: Sequence[str] | None) -> Request:
    parser = argparse.ArgumentParser(
        prog="build.py",
        description="Obtain, build and cache the private CPython that VMs are linked from. "
        "The last line of the standard output is the SDK's folder.",
    )
    parser.add_argument(
        "--variant",
        choices=VARIANTS,
        default="pgo",
        help="pgo: -O3 with a trained profile, minutes (default); quick: -O2; small: -Os",
    )
    parser.add_argument(
        "--flavour",
        choices=FLAVOURS,
        default="isolated",
        help="isolated: a lock for each VM (default); free-threaded: no lock at all",
    )
    parser.add_argument(
        "--sanitize",
        action="store_true",
        help="readable under sanitizers: -O1 and debug information, whatever the variant",
    )
    parser.add_argument("--tarball", type=Path, metavar="PATH", help="a CPython source archive")
    parser.add_argument(
        "--allow-unpinned", action="store_true", help="take a --tarball with any hash"
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=int,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="compilers at a time (default: the number of cores)",
    )
    values = parser.parse_args(arguments)
    if values.jobs < 1:
        parser.error(f"-j {values.jobs}: at least 1 is needed")
    if values.allow_unpinned and values.tarball is None:
        parser.error("--allow-unpinned is about a --tarball; name one")
    compiler = os.environ.get("CC") or ("gcc" if shutil.which("gcc") else "cc")
    return Request(
        options=Options(values.variant, values.flavour, values.sanitize),
        jobs=values.jobs,
        tarball=values.tarball.resolve() if values.tarball else None,
        allow_unpinned=values.allow_unpinned,
        compiler=compiler,
        compiler_version=cache.compiler_version(compiler),
    )


def _on_term(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
