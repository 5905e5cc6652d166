"""The package and programs that use it pass mypy --strict, and the declared names are the real ones."""

import ast
import inspect
import pathlib
import subprocess
import sys

import anear
import pytest

mypy = pytest.importorskip("mypy", reason="mypy is among the development tools")
HERE = pathlib.Path(__file__).parent
PACKAGE = pathlib.Path(anear.__file__).parent


def check(*paths: pathlib.Path) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", *map(str, paths)],
        env={"MYPYPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin"},
        cwd=HERE,
        capture_output=True,
        text=True,
    )
    return finished.stdout + finished.stderr


def functions_of(node: ast.Module | ast.ClassDef) -> set[str]:
    return {each.name for each in node.body if isinstance(each, ast.FunctionDef)}


def members_of(name: str, classes: dict[str, ast.ClassDef]) -> set[str]:
    bases = [base.id for base in classes[name].bases if isinstance(base, ast.Name) and base.id in classes]
    return functions_of(classes[name]).union(*(members_of(base, classes) for base in bases))


def test_package_and_typical_uses_are_typed(tmp_path):
    output = check(PACKAGE, HERE / "typical_uses.py")
    assert "Success: no issues found" in output, output


def test_a_wrong_use_is_seen_by_the_checker(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import anear\nanear.open('x').create_collection('c').search([1.0], k='ten')\n")
    assert 'expected "int"' in check(wrong)


def test_the_stub_declares_what_the_compiled_module_has():
    from anear import _core

    stub = ast.parse((PACKAGE / "_core.pyi").read_text())
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    functions = functions_of(stub)
    for name, kind in inspect.getmembers(_core, inspect.isclass):
        if kind.__module__ != "anear._core":
            continue
        assert name in classes
        for member in vars(kind):
            if not member.startswith("_"):
                assert member in members_of(name, classes), f"{name}.{member}"
    for name, _ in inspect.getmembers(_core, inspect.isbuiltin):
        assert name.startswith("_") or name in functions, name


def test_everything_public_is_documented():
    for name in anear.__all__:
        thing = getattr(anear, name)
        if isinstance(thing, type) and "Index" not in name:  # Those are described in the package's own text.
            assert vars(thing).get("__doc__"), name
    for kind in (anear.Store, anear.Collection):
        for name, member in vars(kind).items():
            if callable(member) and not name.startswith("_"):
                assert member.__doc__, f"{kind.__name__}.{name}"
