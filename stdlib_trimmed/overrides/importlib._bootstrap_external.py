"""The part of path-based import that the rest of importlib asks for; it imports nothing.

In a VM, modules come from the library (built in or frozen) and from the task's bundle. No
finder looks at sys.path and no loader opens a file, so what is left are the constants and
the few functions that the import system itself calls.
"""

MAGIC_NUMBER = "@MAGIC_NUMBER@"
_RAW_MAGIC_NUMBER = int.from_bytes(MAGIC_NUMBER, "little")  # for import.c

SOURCE_SUFFIXES = [".py"]
BYTECODE_SUFFIXES = [".pyc"]
DEBUG_BYTECODE_SUFFIXES = OPTIMIZED_BYTECODE_SUFFIXES = BYTECODE_SUFFIXES
EXTENSION_SUFFIXES = []

_bootstrap = None


class NamespaceLoader:
    """Stands for packages without __init__, which a VM does not have."""


def spec_from_file_location(name, location=None, *, loader=None,
                            submodule_search_locations=None):
    """The spec of a module whose loader says where it came from; opens nothing."""
    spec = _bootstrap.ModuleSpec(name, loader, origin=location)
    spec._set_fileattr = location is not None
    if submodule_search_locations is not None:
        spec.submodule_search_locations = submodule_search_locations
    elif loader is not None and hasattr(loader, "is_package") and loader.is_package(name):
        spec.submodule_search_locations = []
    return spec


def _get_cached(filename):
    """There are no cached files."""


def _get_sourcefile(bytecode_path):
    return bytecode_path


def _fix_up_module(namespace, name, pathname, cpathname=None):
    """Called by PyImport_ExecCodeModule: give a bare module its import attributes."""
    spec = namespace.get("__spec__")
    if spec is None:
        spec = spec_from_file_location(name, pathname, loader=namespace.get("__loader__"))
    namespace["__spec__"] = spec
    namespace["__loader__"] = spec.loader
    namespace["__file__"] = pathname
    namespace["__cached__"] = cpathname


def _bless_my_loader(module_globals):
    """Called by warnings: the loader of a module, with complaints if its globals disagree."""
    if not isinstance(module_globals, dict):
        return None
    incomplete = "Module globals is missing a __spec__.loader"
    loader = module_globals.get("__loader__")
    if loader is None and "__spec__" not in module_globals:
        return None
    spec = module_globals.get("__spec__", loader)
    if loader is None and spec is None:
        raise ValueError(incomplete)
    from_spec = getattr(spec, "loader", None)
    if from_spec is None:
        if loader is None:
            raise (ValueError if hasattr(spec, "loader") else AttributeError)(incomplete)
        _bootstrap._warnings.warn(incomplete, DeprecationWarning)
        return loader
    if loader is not None and loader != from_spec:
        _bootstrap._warnings.warn(
            "Module globals; __loader__ != __spec__.loader", DeprecationWarning)
        return loader
    return from_spec


def _pack_uint32(number):
    return (int(number) & 0xFFFFFFFF).to_bytes(4, "little")


def _unpack_uint32(data):
    return int.from_bytes(data, "little")


def _unpack_uint16(data):
    return int.from_bytes(data, "little")


def _set_bootstrap_module(bootstrap):
    global _bootstrap
    _bootstrap = bootstrap


def _install(bootstrap):
    """Nothing to install: the path-based finder stays away."""
    _set_bootstrap_module(bootstrap)
