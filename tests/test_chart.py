"""Charts in characters."""

import re

import numpy as np
import pytest

from charnn.cli.chart import MARKS, ROWS, Axis, Chart, Line, line_chart, sparkline

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
X = np.arange(1.0, 101.0)


def chart(*ys, x=X, x_base=None, y_base=None):
    lines = [Line(f"line {number}", x, np.asarray(y, float)) for number, y in enumerate(ys)]
    return Chart("title", Axis("steps", x_base), Axis("height", y_base), lines)


def drawn(*args, width=80, colours=False, **axes):
    """The rows between the axes' names, as drawn, without the numbers at the left."""
    _, *rows, _, _ = line_chart(chart(*args, **axes), width, colours=colours).splitlines()
    return [row.partition("│")[2] for row in rows]


def test_a_straight_line_is_a_diagonal():
    columns = [row.index("1") for row in drawn(X)]
    assert len(columns) == ROWS and columns == sorted(columns, reverse=True)
    assert drawn(X)[0].rstrip()[-1] == "1" and drawn(X)[-1][0] == "1"


def test_an_exponential_is_straight_on_a_logarithmic_axis():
    assert drawn(10**X, y_base=10) == drawn(X)
    assert drawn(np.arange(11.0), x=2 ** np.arange(11.0), x_base=2) == drawn(
        np.arange(11.0), x=np.arange(11.0)
    )


def test_every_column_has_a_mark_and_no_row_is_wider_than_asked():
    for width in (60, 77):
        text = line_chart(chart(np.sin(X)), width, colours=False)
        assert max(map(len, text.splitlines())) == width
        marked = {i for row in drawn(np.sin(X), width=width) for i, cell in enumerate(row) if cell == "1"}
        assert marked == set(range(width - 12))


def test_lines_have_numbers_of_their_own():
    rows = drawn(X, -X)
    assert "1" in rows[0] and "2" in rows[-1]


def test_values_and_names_stand_at_the_axes():
    text = line_chart(chart(X * 2), 80, colours=False)
    name, *rows, _, bottom = text.splitlines()
    assert name.strip() == "height" and bottom.split() == ["1", "steps", "100"]
    assert (rows[0].split()[0], rows[ROWS // 2].split()[0], rows[-1].split()[0]) == ("200", "101", "2")


def test_colours_are_only_added():
    coloured = line_chart(chart(X, -X), 80, colours=True)
    assert COLOUR.search(coloured)
    assert COLOUR.sub("", coloured) == line_chart(chart(X, -X), 80, colours=False)


def test_what_a_logarithmic_axis_cannot_show_is_left_out():
    y = np.where(X > 50, 0.0, X)
    assert drawn(y, y_base=10)[0].rstrip().endswith("1")
    assert line_chart(chart(np.zeros(100), y_base=10), 80, colours=False) == ""
    mixed = drawn(np.zeros(100), X, y_base=10)
    assert "2" in mixed[0] and not any("1" in row for row in mixed)


@pytest.mark.parametrize("y", [[5.0], [5.0, 5.0]])
def test_a_point_and_a_level_line_have_a_chart(y):
    assert any("1" in row for row in drawn(y, x=np.arange(float(len(y)))))


def test_a_chart_has_a_least_width():
    assert line_chart(chart(X), 3, colours=False) == line_chart(chart(X), 52, colours=False)


def test_more_lines_than_marks_begin_again():
    assert MARKS[0] in drawn(*[X + i for i in range(len(MARKS) + 1)])[0]


def test_a_sparkline_goes_from_lowest_to_highest():
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 60) == "▁▂▃▄▅▆▇█"
    assert sparkline([3, 0, 7], 60) == "▄▁█"


def test_a_long_sparkline_is_of_means():
    assert sparkline([0, 0, 0, 9, 9, 9], 2) == "▁█"
    assert len(sparkline(range(1000), 60)) == 60


def test_sparklines_of_little():
    assert (sparkline([], 60), sparkline([4.0], 60), sparkline([4.0, 4.0], 60)) == ("", "▁", "▁▁")
