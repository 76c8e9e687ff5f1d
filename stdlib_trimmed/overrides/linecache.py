"""Cache lines from Python source files: in a VM there are none, and none are looked for.

Tracebacks, warnings and inspect ask this module for source lines and cope with not getting
any. A task that holds source text of its own can still put it into ``cache``.
"""

__all__ = ["getline", "clearcache", "checkcache", "lazycache"]

cache = {}  # filename -> (size, mtime, lines, fullname)
_interactive_cache = {}


def clearcache():
    """Clear the cache entirely."""
    cache.clear()


def getline(filename, lineno, module_globals=None):
    """Line ``lineno`` of the file, or '' if it is not in the cache."""
    lines = getlines(filename, module_globals)
    return lines[lineno - 1] if 1 <= lineno <= len(lines) else ""


def getlines(filename, module_globals=None):
    """The cached lines of the file, or []."""
    entry = cache.get(filename)
    return entry[2] if entry is not None and len(entry) != 1 else []


def checkcache(filename=None):
    """Nothing changes behind the cache's back."""


def updatecache(filename, module_globals=None):
    """The cached lines of the file, or []: files are not read."""
    return getlines(filename)


def lazycache(filename, module_globals):
    """False: no loader in a VM has sources."""
    return False


def _make_key(code):
    return (code.co_filename, code.co_qualname, code.co_firstlineno)


def _getline_from_code(filename, lineno):
    lines = _getlines_from_code(filename)
    return lines[lineno - 1] if 1 <= lineno <= len(lines) else ""


def _getlines_from_code(code):
    entry = _interactive_cache.get(_make_key(code))
    return entry[2] if entry is not None and len(entry) != 1 else []


def _register_code(code, string, name):
    """Called when source text is compiled, which no VM does."""
