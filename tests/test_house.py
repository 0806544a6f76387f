"""Rules of the house that no linter keeps."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_platform_is_a_source_root_and_no_package() -> None:
    """With an __init__.py it would shadow the standard library's platform module for all that runs from the root."""
    assert not (ROOT / "platform" / "__init__.py").exists()
    done = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.__file__)"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert str(ROOT) not in done.stdout


def test_wheel_holds_both_packages_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"dynst", "dynst_platform"}
    assert {"dynst/py.typed", "dynst_platform/py.typed", "dynst_platform/main.py"} <= set(names)


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'ray', 'mlflow', 'pandas', 'pydantic', 'pyarrow', 'matplotlib', 'rich'}"
    code = f"import sys, dynst_platform.main; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_module_names_what_it_offers() -> None:
    for package in ("dynst", "platform/dynst_platform"):
        for file in (ROOT / package).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert text.startswith('"""'), f"{file} has no docstring"
            assert file.name == "__init__.py" or "__all__ = [" in text, f"{file} has no __all__"
