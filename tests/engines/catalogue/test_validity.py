"""Which version is in force on which day, against a brute force over days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.catalogue.validity import Window, windows_in_force

JAN, FEB, MAR, APR = (date(2026, month, 1) for month in range(1, 5))
ALWAYS = Window(None, None)


@pytest.mark.parametrize(
    ("versions", "left"),
    [
        pytest.param([], [], id="none"),
        pytest.param([ALWAYS], [(ALWAYS,)], id="one without limits"),
        pytest.param([Window(JAN, MAR)], [(Window(JAN, MAR),)], id="one with limits"),
        pytest.param([Window(MAR, JAN)], [()], id="one of no days"),
        pytest.param([ALWAYS, Window(FEB, None)], [(Window(None, FEB),), (Window(FEB, None),)], id="successor"),
        pytest.param([ALWAYS, Window(FEB, MAR)], [(Window(None, FEB), Window(MAR, None)), (Window(FEB, MAR),)], id="exception in the middle"),
        pytest.param([Window(FEB, MAR), ALWAYS], [(), (ALWAYS,)], id="covered whole"),
        pytest.param([Window(JAN, FEB), Window(FEB, MAR)], [(Window(JAN, FEB),), (Window(FEB, MAR),)], id="neighbours"),
        pytest.param([Window(JAN, MAR), Window(JAN, MAR)], [(), (Window(JAN, MAR),)], id="the same days"),
        pytest.param([Window(FEB, None), Window(JAN, None)], [(), (Window(JAN, None),)], id="successor that begins earlier"),
        pytest.param(
            [Window(JAN, None), Window(None, FEB), Window(MAR, APR)],
            [(Window(FEB, MAR), Window(APR, None)), (Window(None, FEB),), (Window(MAR, APR),)],
            id="three",
        ),
    ],
)
def test_later_recorded_versions_take_their_days_from_earlier_ones(versions: list[Window], left: list[tuple[Window, ...]]) -> None:
    assert windows_in_force(versions) == left


DAYS = [JAN + timedelta(days=number) for number in range(12)]
WINDOWS = st.builds(Window, st.none() | st.sampled_from(DAYS[1:-1]), st.none() | st.sampled_from(DAYS[1:-1]))


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(WINDOWS.filter(lambda window: window.start is None or window.end is None or window.start < window.end), max_size=6))
def test_on_every_day_the_version_recorded_last_that_is_valid_is_the_one_in_force(versions: list[Window]) -> None:
    left = windows_in_force(versions)
    for day in DAYS:

        def holds(window: Window, day: date = day) -> bool:
            return (window.start is None or window.start <= day) and (window.end is None or day < window.end)

        expected = max((number for number, window in enumerate(versions) if holds(window)), default=None)
        assert [number for number, windows in enumerate(left) for window in windows if holds(window)] == ([] if expected is None else [expected])
    assert all(window.start is None or window.end is None or window.start < window.end for windows in left for window in windows)
