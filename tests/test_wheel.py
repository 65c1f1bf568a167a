"""A built wheel, installed elsewhere, trains from another folder, with nothing of the checkout."""

from __future__ import annotations

import ast
import os
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pandas as pd
import pytest

from tests.prefect_home import fill

ROOT = Path(__file__).resolve().parents[1]
_SOURCES = ("flows", "tasks", "data", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment that has the wheel; other packages are borrowed from this one."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("wheel")
    for name in _SOURCES:  # a copy, because building leaves folders behind
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / "source" / name, ignore=ignored)
        else:
            shutil.copy(source, folder / "source" / name)
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('..'))"
    made = subprocess.run(
        [sys.executable, "-c", build], cwd=folder / "source", capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    purelib = next((folder / "env").glob("lib/python*/site-packages"))
    # the project itself may be installed here as editable: only the packages' folder is lent, no .pth of it
    lent = [path for path in (*site.getsitepackages(), *sys.path) if path.endswith("site-packages")]
    (purelib / "lent.pth").write_text("\n".join(dict.fromkeys(lent)) + "\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile",
         "--disable-pip-version-check", "--target", str(purelib), str(wheel)],
        check=True, capture_output=True,
    )  # fmt: skip
    command = folder / "env/bin/cropyield"
    command.write_text(
        f"#!{folder}/env/bin/python\nimport sys\nfrom flows.cli.main import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    return command


def test_an_installed_wheel_trains_from_another_folder(elsewhere: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "data/tutorial", tmp_path / "mine")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [elsewhere, "train", tmp_path / "mine/settings.toml", "--store", "results"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280,
        env=environment | {"PREFECT_HOME": str(fill(tmp_path / "prefect"))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(pd.read_parquet(tmp_path / "results/predictions.parquet")) == 30
    (report,) = (tmp_path / "results").glob("runs/*/report.html")
    assert "data-chart" in report.read_text(encoding="utf-8")


def test_a_notebook_beside_a_package_named_data(elsewhere: Path, tmp_path: Path) -> None:
    """A kernel looks into its folder before what is installed; one sentence says what is hidden."""
    nbformat, nbclient = (pytest.importorskip(name) for name in ("nbformat", "nbclient"))
    folder = tmp_path / "mine"
    shutil.copytree(ROOT / "data/tutorial", folder)
    (folder / "data").mkdir()
    (folder / "data/__init__.py").write_text("MINE = 1\n")
    cells = (
        "from flows.python import train_yields",
        'run = train_yields("settings.toml")\nlen(run.predictions()), run.places["report"]',
        'run.metrics().set_index("crop").loc["apples", "rmse"] < 2, len(run.drivers())',
        "import data.settings.files, sys; sys.modules['data'].__file__",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(
        notebook, timeout=280, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    kernel = client.create_kernel_manager()
    kernel.kernel_spec.argv[0] = str(elsewhere.parent / "python")
    kernel.transport, kernel.ip = "ipc", str(tmp_path / "kernel")
    kernel.connection_file = str(tmp_path / "kernel.json")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    own = {"PREFECT_HOME": str(fill(tmp_path / "prefect")), "IPYTHONDIR": str(tmp_path / "ipython")}
    client.execute(env=clean | own)
    first, trained, scores, place = ([*cell.outputs] for cell in notebook.cells)
    assert f"{folder / 'data/__init__.py'} can't be imported in this process" in first[0]["text"]
    rows, report = ast.literal_eval(trained[-1]["data"]["text/plain"])
    assert (rows, Path(report).is_file()) == (30, True)
    assert "True" in scores[0]["data"]["text/plain"]
    assert str(elsewhere.parents[1]) in place[0]["data"]["text/plain"]


def test_the_wheel_holds_what_ships(elsewhere: Path) -> None:
    asked = (
        "import data, flows, tasks, pathlib; print(pathlib.Path(data.__file__).parent);"
        "from importlib import metadata; print(metadata.version('cropyield'))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    told = subprocess.run(
        [elsewhere.parent / "python", "-c", asked], cwd=elsewhere.parent, capture_output=True, text=True,
        check=True, env=environment,
    )  # fmt: skip
    place, version = told.stdout.split()
    assert Path(place).is_relative_to(elsewhere.parents[1])
    assert version == "0.1.0"
    for name in ("sample/settings.toml", "sample/weather", "tutorial/weather.parquet"):
        assert (Path(place) / name).exists()
    for name in ("report.html", "vega.js", "page.css"):
        assert (Path(place).parent / "tasks/report/templates" / name).exists()
    for name in ("tasks/propose/templates/settings.toml.jinja", "data/synthetic/templates/world.toml.jinja"):
        assert (Path(place).parent / name).exists()
