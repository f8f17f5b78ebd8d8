"""The house: who may import whom, what is public, what an import costs."""

import ast
import doctest
import importlib
import re
import types
from pathlib import Path

import pytest

import tidegate

PACKAGE = Path(tidegate.__file__).parent
FLOORS = {"_kernels": 0, "core": 1, "domain": 2, "cli": 4}
ADAPTERS = 3  # the folders of the personas
MAX_IMPORT_SECONDS = 0.25
HEAVY = (
    "pandas",
    "polars",
    "rich",
    "click",
    "msgspec",
    "psutil",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "pyarrow.flight",
)

MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
KERNELS = sorted(PACKAGE.glob("_kernels/*.pyx"))


def dotted(path):
    """Give the name of a module."""
    parts = [part for part in path.with_suffix("").parts if part != "__init__"]
    return ".".join(["tidegate", *parts])


def floor_of(parts):
    """Give the floor of a module; the package itself stands above the core and below the cli."""
    if len(parts) == 1:
        return FLOORS["cli"] if parts[0] == "__main__" else ADAPTERS
    return FLOORS.get(parts[0], ADAPTERS)


def imports_of(path):
    """Give the modules of tidegate that a module imports, wherever in it."""
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{path}: line {node.lineno}: a relative import")
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_point_down_only(path):
    mine = floor_of(path.with_suffix("").parts)
    for name in imports_of(path):
        if name == "tidegate" or name.startswith("tidegate."):
            theirs = floor_of(tuple(name.split(".")[1:]) or ("__init__",))
            assert theirs <= mine, f"{path} imports {name}, which is above it"
            if mine <= FLOORS["core"] and name.split(".")[1:2] != ["core"]:
                assert name.startswith("tidegate._kernels"), f"{path} imports the public face"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_nothing_hangs_on_an_assert(path):
    # python -O leaves asserts out, and what they call with them.
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)] == []


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.name)
def test_kernels_cimport_kernels_only(path):
    code = re.sub(r'""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for line in code.splitlines():
        words = line.split()
        if words[:1] in (["from"], ["cimport"], ["import"]) and len(words) > 1:
            root = words[1].split(".")[0]
            allowed = {"cython", "libc", "cpython", "tidegate"}
            if path.name == "pool.pyx" and "cimport" not in words:
                allowed.add("pyarrow")  # asked for memory as anyone would; nothing is linked
            assert root in allowed, f"{path.name}: {line}"
            assert root != "tidegate" or words[1].startswith("tidegate._kernels"), line


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.name)
def test_every_kernel_has_a_stub(path):
    assert path.with_suffix(".pyi").exists()


def test_every_pxd_is_cimported():
    text = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.p[yx][xd]"))
    for path in PACKAGE.rglob("*.pxd"):
        dotted = ".".join(("tidegate", *path.relative_to(PACKAGE).with_suffix("").parts))
        assert f"from {dotted} cimport" in text, f"{path.name} is cimported by nobody"


def test_package_is_marked_as_typed():
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_all_is_true(path):
    module = importlib.import_module(dotted(path))
    listed = getattr(module, "__all__", [])
    assert len(set(listed)) == len(listed)
    for word in listed:
        assert hasattr(module, word), f"__all__ of {path} names {word}, which is not there"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_all_names_what_other_modules_use(path):
    """What a module shares is in its `__all__`; the kernels share with the core by their stubs."""
    for name in imports_of(path):
        source, _, word = name.rpartition(".")
        if not source.startswith("tidegate.") or source.startswith("tidegate._kernels"):
            continue
        module = importlib.import_module(source)
        if not isinstance(getattr(module, word, module), types.ModuleType):
            assert word in module.__all__, f"{path} uses {word}, which {source} does not list"


def test_public_face_lists_all_that_it_has():
    own = {
        word
        for word, thing in vars(tidegate).items()
        if not word.startswith("_") and getattr(thing, "__name__", "") != f"tidegate.{word}"
    }
    assert own == set(tidegate.__all__)
    raised = {word for word, thing in vars(tidegate.errors).items() if isinstance(thing, type)}
    assert raised == set(tidegate.errors.__all__)


def test_everything_public_is_documented():
    for word in tidegate.__all__:
        thing = getattr(tidegate, word)
        if callable(thing):
            assert thing.__doc__, f"tidegate.{word} has no docstring"
            assert thing.__module__.startswith("tidegate"), word
    for word in tidegate.agg.__all__:
        assert getattr(tidegate.agg, word).__doc__, f"tidegate.agg.{word} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_examples_in_docstrings_are_true(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(dotted(path))
    assert doctest.testmod(module, raise_on_error=False).failed == 0


def test_examples_in_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    scope = {"__name__": "readme"}
    examples = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), scope)  # noqa: S102  # our own text


def test_import_is_quick(run_python, tmp_path):
    # What this thread takes, and again where it was more: others use the machine too, and NumPy has
    # threads that wait for work. From compiled code, as pip leaves it: the first run makes it.
    code = (
        f"import sys; sys.dont_write_bytecode, sys.pycache_prefix = False, {str(tmp_path)!r}; "
        "import time; start = time.thread_time(); import tidegate; "
        "print(time.thread_time() - start)"
    )
    assert any(float(run_python(code)) < MAX_IMPORT_SECONDS for _ in range(20))


def test_import_brings_in_nothing_heavy(run_python):
    code = f"import sys, tidegate; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    assert run_python(code).split() == []


def test_import_prints_and_changes_nothing(run_python):
    code = (
        "import signal, locale, warnings, logging\n"
        "before = (signal.getsignal(signal.SIGINT), locale.setlocale(locale.LC_ALL), "
        "list(warnings.filters), list(logging.getLogger().handlers))\n"
        "import numpy, pyarrow\n"
        "tiny = numpy.float64(5e-324)\n"
        "filters = list(warnings.filters)\n"
        "import tidegate\n"
        "assert (signal.getsignal(signal.SIGINT), locale.setlocale(locale.LC_ALL)) == before[:2]\n"
        "assert list(warnings.filters) == filters\n"
        "assert list(logging.getLogger().handlers) == before[3]\n"
        "assert tiny / 1 == tiny > 0, 'denormals are flushed'\n"
    )
    assert run_python(code) == ""


def test_run_as_a_module_is_the_command(run_tidegate):
    assert tidegate.__version__ in run_tidegate("--version").stdout
