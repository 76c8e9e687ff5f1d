"""What is carried into VMs, what is not, and what the test support must be told about them."""

from __future__ import annotations

# Python modules that VMs leave out, taken along whole where a test file imports them; with
# a package comes all that is in it, but for what ABSENT names.
CARRIED = frozenset(
    """
    unittest test argparse gettext pkgutil shutil tempfile pickletools platform symtable code
    _pyio _pydatetime _pydecimal _py_abc _threading_local nturl2path shelve this
    importlib.abc importlib.readers importlib.resources importlib.simple
    logging.config logging.handlers http sre_compile sre_constants sre_parse mailbox email
    zoneinfo._zoneinfo selectors filecmp fileinput quopri
    """.split()
)

# Modules that cannot be taken along, yet are imported at the top of files most of whose tests
# do without: see in_vm/absent.py. Others stay missing, which the files are prepared for.
ABSENT = frozenset(
    """
    ast dis opcode tokenize token subprocess socket socketserver
    py_compile signal wsgiref wsgiref.simple_server wsgiref.util dbm ssl smtpd asyncore asynchat
    pydoc _pyrepl http.client http.server http.cookiejar zipfile multiprocessing importlib.metadata urllib.error urllib.request
    test.support.asyncore test.support.smtpd test.support.asynchat test.test_import
    test.test_importlib test.test_importlib.util
    """.split()
)

# Changes to carried sources, each text standing there exactly once; lines keep their numbers
# in test files. First what test.support
# says of a platform without processes and threads, as it does on WASI.
CHANGES: dict[str, list[tuple[str, str]]] = {
    "test.support": [
        ("has_subprocess_support = not (", "has_subprocess_support = False and not ("),
        # linked_to_musl() asks a process.
        ("    import subprocess\n    exe = getattr(sys,", "    return False\n    exe = getattr(sys,"),
    ],
    "test.support.threading_helper": [
        ("can_start_thread = _can_start_thread()", "can_start_thread = False")
    ],
    "test.support.socket_helper": [
        ("IPV6_ENABLED = _is_ipv6_enabled()", "IPV6_ENABLED = False"),
        ("_bind_nix_socket_error = None", "_bind_nix_socket_error = OSError('no sockets')"),
    ],
    # Modules are frozen in a VM, and stay it; there is no byte code cache.
    "test.support.import_helper": [
        ("_imp._override_frozen_modules_for_tests(1 if enabled else -1)", "pass"),
        ("_imp._override_frozen_modules_for_tests(0)", "pass"),
    ],
    "test.support.script_helper": [("from importlib.util import source_from_cache", "")],
    # There are no finders of files.
    "pkgutil": [
        ("importlib.machinery.FileFinder, _iter_file_finder_modules)", "object, lambda *_: [])")
    ],
    # Temporary files are opened by path, in the folder of the run.
    "tempfile": [
        ("tempdir = None", "tempdir = _os.getcwd()"),
        ("if _os.name != 'posix' or _sys.platform == 'cygwin':", "if True:"),
        (
            "        file = _io.open(dir, mode, buffering=buffering,\n"
            "                        newline=newline, encoding=encoding, errors=errors,\n"
            "                        opener=opener)\n"
            "        try:\n            raw = ",
            "        name = mktemp(suffix, prefix, dir)\n"
            "        file = _io.open(name, mode, buffering=buffering,\n"
            "                        newline=newline, encoding=encoding, errors=errors)\n"
            "        try:\n            raw = ",
        ),
    ],
    "shutil": [("_use_fd_functions = (", "_use_fd_functions = False and (")],
    # One class is written as a string, for Python 2's sake.
    "test.picklecommon": [
        (
            "    exec('''\nclass use_metaclass(object, metaclass=metaclass):\n    pass\n''')",
            "    class use_metaclass(object, metaclass=metaclass):\n        pass\n\n",
        )
    ],
    # A decorator for repeated runs, which there are none of.
    "test.test_types": [
        ("from test.test_import import no_rerun", "no_rerun = lambda reason: lambda test: test")
    ],
    # fileConfig() evaluates source text; what it has set up when that fails disturbs others.
    "test.test_logging": [
        (
            '    """Reading logging config from a .ini-style config file."""',
            "    __unittest_skip__ = True; __unittest_skip_why__ = 'fileConfig() evaluates source'",
        ),
        ("fd, fn = tempfile.mkstemp(*args, **kwargs)", "fn = tempfile.mktemp(*args, **kwargs)"),
        ("    os.close(fd)\n    return fn", "    open(fn, 'w').close()\n    return fn"),
    ],
    # The tests that need these fail by themselves, and not the whole file.
    "test.test_bytes": [
        ("\n    _testlimitedcapi = import_helper.import_module('_testlimitedcapi')\n", "\n\n")
    ],
}
