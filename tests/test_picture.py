"""Charts as files."""

import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from cli import ROOT, environment

from charnn.cli.chart import Axis, Chart, Line
from charnn.cli.picture import check_matplotlib, write_picture
from charnn.errors import CharnnError, InputError

X = np.arange(1.0, 9.0)


def chart(*names, base=10):
    return Chart("title", Axis("x", 2), Axis("y", base), [Line(name, X, 0.5**X) for name in names])


def test_an_svg_is_xml_and_the_same_each_time(tmp_path):
    for name in ("a.svg", "b.svg"):
        write_picture(tmp_path / name, chart("one", "two"), "svg")
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_curves_are_in_it(tmp_path):
    for names in ("a", "ab"):
        write_picture(tmp_path / names, chart(*names), "svg")
    assert (tmp_path / "ab").stat().st_size > (tmp_path / "a").stat().st_size


def test_axes_may_be_linear(tmp_path):
    for base in (None, 10):
        write_picture(tmp_path / str(base), chart("a", base=base), "svg")
    assert (tmp_path / "None").read_bytes() != (tmp_path / "10").read_bytes()


def test_a_png(tmp_path):
    write_picture(tmp_path / "x.png", chart("one"), "png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("name", ["1: $x^", r"1: $\frac$", "1: 日本", "1: <b>&"])
def test_names_are_data(name, tmp_path):
    """No formula, no markup; letters that the font lacks are no warning."""
    write_picture(tmp_path / "x.svg", chart(name), "svg")
    assert ElementTree.parse(tmp_path / "x.svg") is not None


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(CharnnError, match=r"cannot write .*missing"):
        write_picture(tmp_path / "missing" / "x.svg", chart("one"), "svg")


def test_matplotlib_leaves_nothing_in_anybodys_cache(tmp_path):
    folders = {
        "HOME": "home",
        "XDG_CACHE_HOME": "home/cache",
        "XDG_CONFIG_HOME": "home/config",
        "TMPDIR": "temporary",
    }
    for folder in ("home", "temporary"):
        (tmp_path / folder).mkdir()
    draw = "from test_picture import chart, write_picture; write_picture('x.svg', chart('one'), 'svg')"
    env = environment(**{name: str(tmp_path / folder) for name, folder in folders.items()})
    env["PYTHONPATH"] += f":{ROOT / 'tests'}"
    env.pop("MPLCONFIGDIR", None)
    subprocess.run([sys.executable, "-c", draw], env=env, cwd=tmp_path, check=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["home", "temporary", "x.svg"]


def test_without_matplotlib_the_remedy_is_said(monkeypatch):
    check_matplotlib()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'charnn\[plot\]'"):
        check_matplotlib()
