"""Where local days, weeks, months and years begin, and what a row in them gets."""

import datetime as dt
import zoneinfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.oracle import EPOCH, LocalCalendar, local_start

import tidegate as tg
from tidegate import agg, errors
from tidegate.core.calendar import CalendarTable, first_instants, load_zone

HOUR = 3_600


def starts(shape, times, unit="s"):
    """Give the starts of the windows that hold some times, and how many each has."""
    column = pa.array(np.array(times, f"M8[{unit}]"))
    out = tg.aggregate(pa.table({"t": column}), shape, on="t", n=agg.rows())
    return [str(start) for start in out["window_start"].to_numpy()], out["n"].to_pylist()


def hourly(first, last):
    """Give every hour from one time to before another."""
    return np.arange(first, last, dtype="M8[h]").astype("M8[s]")


# Days


@pytest.mark.parametrize(
    ("tz", "day", "n_hours"),
    [
        ("America/New_York", "2024-03-10", 23),
        ("America/New_York", "2024-11-03", 25),
        ("Europe/Berlin", "2024-03-31", 23),
        ("Europe/Berlin", "2024-10-27", 25),
        ("Asia/Tokyo", "2024-03-10", 24),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("America/Sao_Paulo", "2018-02-17", 25),
    ],
)
def test_local_day_has_as_many_hours_as_its_clock_shows(tz, day, n_hours):
    middle = np.datetime64(day, "h") + 12
    out = tg.aggregate(
        pa.table({"t": hourly(middle - 72, middle + 72)}),
        tg.Calendar("day", tz=tz),
        on="t",
        n=agg.rows(),
    )
    zone = zoneinfo.ZoneInfo(tz)
    local = [t.replace(tzinfo=dt.UTC).astimezone(zone) for t in out["window_start"].to_pylist()]
    counts = {str(t.date()): n for t, n in zip(local, out["n"].to_pylist(), strict=True)}
    assert counts[day] == n_hours
    lengths = (out["window_end"].to_numpy() - out["window_start"].to_numpy()) // np.timedelta64(
        1, "h"
    )
    assert n_hours in lengths.tolist()


def test_day_whose_midnight_is_skipped_begins_at_the_change():
    # In Sao Paulo 2018-11-03 23:59:59 was followed by 2018-11-04 01:00:00, at 03:00 UTC.
    shape = tg.Calendar("day", tz="America/Sao_Paulo")
    found, counts = starts(shape, ["2018-11-04T02:59:59", "2018-11-04T03:00:00"])
    assert found == ["2018-11-03T03:00:00", "2018-11-04T03:00:00"]
    assert counts == [1, 1]


def test_day_whose_midnight_comes_twice_begins_at_the_first():
    # In Havana 2023-11-05 00:59:59 was followed by 2023-11-05 00:00:00, at 05:00 UTC.
    shape = tg.Calendar("day", tz="America/Havana")
    found, counts = starts(shape, ["2023-11-05T04:00:00", "2023-11-05T05:00:00"])
    assert (found, counts) == (["2023-11-05T04:00:00"], [2])


def test_clock_that_goes_back_over_midnight_does_not_open_the_day_before_again():
    # In St John's 2010-11-07 00:00:59 was followed by 2010-11-06 23:01:00, at 02:31 UTC.
    shape = tg.Calendar("day", tz="America/St_Johns")
    found, counts = starts(
        shape, ["2010-11-07T02:29:59", "2010-11-07T02:30:00", "2010-11-07T02:31"]
    )
    assert found == ["2010-11-06T02:30:00", "2010-11-07T02:30:00"]
    assert counts == [1, 2]


def test_change_of_half_an_hour_makes_a_day_of_23_and_a_half_hours():
    shape = tg.Calendar("day", tz="Australia/Lord_Howe")
    out = tg.aggregate(
        pa.table({"t": hourly("2024-10-05T00", "2024-10-07T00")}), shape, on="t", n=agg.rows()
    )
    lengths = out["window_end"].to_numpy() - out["window_start"].to_numpy()
    assert (lengths / np.timedelta64(1, "h")).tolist() == [24, 23.5, 24]


def test_day_that_never_was_is_no_window():
    # Apia went from 2011-12-29 to 2011-12-31, at 10:00 UTC.
    shape = tg.Calendar("day", tz="Pacific/Apia")
    found, _ = starts(shape, hourly("2011-12-29T12", "2012-01-01T00"))
    assert found == ["2011-12-29T10:00:00", "2011-12-30T10:00:00", "2011-12-31T10:00:00"]


# Groups


@pytest.mark.parametrize(
    ("unit", "n", "time", "start"),
    [
        ("week", 1, "2024-02-29", "2024-02-26"),  # Monday
        ("week", 2, "1970-01-18", "1970-01-05"),
        ("week", 2, "1970-01-04", "1969-12-22"),
        ("day", 7, "1970-01-08", "1970-01-08"),
        ("day", 7, "1969-12-31", "1969-12-25"),
        ("month", 1, "2024-02-29", "2024-02-01"),
        ("month", 6, "2024-08-31", "2024-07-01"),
        ("month", 5, "1970-06-30", "1970-06-01"),
        ("quarter", 1, "2024-05-31", "2024-04-01"),
        ("quarter", 2, "2024-05-31", "2024-01-01"),
        ("year", 1, "1969-12-31", "1969-01-01"),
        ("year", 10, "1999-12-31", "1990-01-01"),
        ("year", 4, "1974-12-31", "1974-01-01"),
    ],
)
def test_groups_are_counted_from_the_anchor_of_their_unit(unit, n, time, start):
    assert starts(tg.Calendar(unit, n), [time])[0] == [start + "T00:00:00"]


# The times of a column


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_any_unit_of_timestamps_has_the_same_windows(unit):
    shape = tg.Calendar("day", tz="America/New_York")
    found, _ = starts(shape, ["2024-03-10T04:59:59", "2024-03-10T05:00:00"], unit)
    assert np.array(found, "M8[s]").astype(str).tolist() == [
        "2024-03-09T05:00:00",
        "2024-03-10T05:00:00",
    ]


def test_zone_of_the_column_is_how_its_times_are_shown_and_nothing_else():
    utc = pa.array(hourly("2024-03-09T00", "2024-03-12T00"))
    shape = tg.Calendar("day", tz="America/New_York")
    plain = tg.aggregate(pa.table({"t": utc}), shape, on="t", n=agg.rows())
    zoned = tg.aggregate(
        pa.table({"t": utc.cast(pa.timestamp("s", "Asia/Tokyo"))}), shape, on="t", n=agg.rows()
    )
    assert zoned["window_start"].type == pa.timestamp("s", "Asia/Tokyo")
    assert zoned["window_start"].cast(pa.int64()) == plain["window_start"].cast(pa.int64())
    assert zoned["n"] == plain["n"]


def test_dates_are_instants_too():
    out = tg.aggregate({"t": [dt.date(2024, 2, 29)]}, tg.Calendar("month"), agg.rows(), on="t")
    assert out["window_end"].tolist() == [dt.datetime(2024, 3, 1)]


@pytest.mark.parametrize("times", [[1, 2], [1.0, 2.0]])
def test_times_without_a_unit_are_refused(times):
    with pytest.raises(errors.WindowError, match="cast it to a timestamp"):
        tg.aggregate({"t": times}, tg.Calendar("day"), agg.rows(), on="t")


def test_null_time_is_rejected_and_needs_no_window():
    side = tg.Side()
    table = pa.table({"t": pa.array([None, 0, None], pa.timestamp("s"))})
    out = tg.aggregate(table, tg.Calendar("day"), agg.rows(), on="t", side=side)
    assert out["rows"].to_pylist() == [1]
    assert side.late["reason"].to_pylist() == ["null time", "null time"]


@pytest.mark.parametrize("unit", ["day", "week", "month", "quarter", "year"])
@pytest.mark.parametrize("time_unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_time_whose_window_cannot_be_written_is_rejected(unit, time_unit, sign):
    side = tg.Side()
    far = -(2**63) if sign < 0 else 2**63 - 1
    table = pa.table({"t": pa.array([0, far, 1], pa.timestamp(time_unit))})
    out = tg.aggregate(table, tg.Calendar(unit, tz="Asia/Tokyo"), agg.rows(), on="t", side=side)
    assert out["rows"].to_pylist() == [2]
    assert side.late["reason"].to_pylist() == ["time out of range"]


def test_first_and_last_windows_of_all_are_those_that_datetime_holds():
    side = tg.Side()
    times = ["0001-01-03", "0001-01-02T23:59:59", "9999-12-28T23:59:59", "9999-12-29"]
    table = pa.table({"t": np.array(times, "M8[s]")})
    out = tg.aggregate(table, tg.Calendar("day"), agg.rows(), on="t", side=side)
    assert out["window_start"].to_pylist() == [dt.datetime(1, 1, 3), dt.datetime(9999, 12, 28)]
    assert side.late["row"].to_pylist() == [1, 3]


def test_nanoseconds_go_as_far_as_whole_windows_fit():
    side = tg.Side()
    table = pa.table({"t": np.array(["1677-09-21T12", "1677-09-22", "2262-04-10"], "M8[ns]")})
    out = tg.aggregate(table, tg.Calendar("day"), agg.rows(), on="t", side=side)
    assert out.num_rows == 2
    assert side.late["row"].to_pylist() == [0]


def test_windows_too_long_for_the_column_are_refused():
    with pytest.raises(errors.WindowError, match="no calendar window of 700 years"):
        tg.aggregate({"t": np.array([0], "M8[ns]")}, tg.Calendar("year", 700), agg.rows(), on="t")


# What is asked for


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "hour"}, "choose from day, week"),
        ({"unit": "days"}, "choose from day, week"),
        ({"unit": "day", "n": 0}, "n is 0"),
        ({"unit": "day", "n": -1}, "n is -1"),
        ({"unit": "day", "n": 1.0}, "n is 1.0"),
        ({"unit": "day", "n": True}, "n is True"),
        ({"unit": "year", "n": 1001}, "from 1 to 1000"),
        ({"unit": "day", "tz": "America/Nowhere"}, "no time zone that is known"),
        ({"unit": "day", "tz": "America"}, "no time zone that is known"),
        ({"unit": "day", "tz": "../../etc/passwd"}, "no time zone that is known"),
        ({"unit": "day", "tz": "/etc/localtime"}, "no time zone that is known"),
        ({"unit": "day", "tz": "\0"}, "no time zone that is known"),
        ({"unit": "day", "tz": ""}, "no time zone that is known"),
        ({"unit": "day", "tz": dt.timezone(dt.timedelta(hours=1))}, "give the name"),
        ({"unit": "day", "tz": None}, "give the name"),
    ],
)
def test_bad_calendar_is_a_named_error(options, message):
    with pytest.raises(errors.WindowError, match=message):
        tg.Calendar(**options)


def test_zone_may_be_given_as_zoneinfo():
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    assert tg.Calendar("day", tz=zone) == tg.Calendar("day", 1, "Europe/Berlin")


@pytest.mark.parametrize("shape", [tg.Calendar("week", 2, "Asia/Tokyo"), tg.Calendar("year")])
def test_plan_goes_to_json_and_back(shape):
    plan = tg.Aggregator(shape, agg.rows(), on="t").plan
    assert tg.Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    "change",
    [("week", "hour"), ('"n": 2', '"n": 0'), ("Asia/Tokyo", "../x"), ('"n": 2', '"n": []')],
)
def test_plan_that_says_what_cannot_be_is_refused(change):
    text = tg.Aggregator(tg.Calendar("week", 2, "Asia/Tokyo"), agg.rows(), on="t").plan.to_json()
    with pytest.raises(errors.InputError):
        tg.Plan.from_json(text.replace(*change))


# The table


def zones():
    """Name all zones that are there, without the aliases of a few."""
    return sorted(name for name in zoneinfo.available_timezones() if "/" in name)


@pytest.mark.parametrize("tz", zones()[::7])
def test_every_day_of_a_zone_begins_when_its_clock_says(tz):
    days = np.arange("1890-01-01", "2040-01-01", dtype="M8[D]").astype(np.int64)
    seconds = first_instants(load_zone(tz), days * 86_400)
    assert (np.diff(seconds) >= 0).all()
    zone = zoneinfo.ZoneInfo(tz)
    for day, second in zip(days[::5].tolist(), seconds[::5].tolist(), strict=True):
        midnight = EPOCH + dt.timedelta(days=day)
        shown, before = (
            (EPOCH + dt.timedelta(seconds=at)).replace(tzinfo=dt.UTC).astimezone(zone)
            for at in (second, second - 1)
        )
        assert before.replace(tzinfo=None) < midnight <= shown.replace(tzinfo=None)


@pytest.mark.parametrize("tz", ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"])
@pytest.mark.parametrize("year", [1799, 1800, 1900, 2099, 2100, 2499, 2500, 2899, 3333, 9998])
def test_rules_hold_in_all_years(tz, year):
    table = CalendarTable("day", 1, load_zone(tz), 1)
    first = int(np.datetime64(f"{year:04}-01-01", "s").astype(np.int64))
    table.cover(first)
    shape = LocalCalendar("day", 1, tz)
    begin = first // 86_400
    zone = zoneinfo.ZoneInfo(tz)
    for day in range(begin + 1, begin + 360):
        at = int(table.edges[day - table.first])
        shown = (EPOCH + dt.timedelta(seconds=at)).replace(tzinfo=dt.UTC).astimezone(zone)
        assert shown.replace(tzinfo=None) == EPOCH + dt.timedelta(days=day)
    if year >= 2000:  # local mean time is no whole number of minutes
        assert table.edges[begin + 90 - table.first] == local_start(begin + 90, shape)


@given(st.lists(st.integers(-6 * 10**10, 2 * 10**11), min_size=1, max_size=4))
def test_windows_keep_their_numbers_and_edges_however_the_table_grows(times):
    grown = CalendarTable("month", 1, load_zone("Europe/Paris"), 1)
    for time in times:
        grown.cover(time)
        assert grown.edges[0] <= time < grown.edges[-1]
        alone = CalendarTable("month", 1, load_zone("Europe/Paris"), 1)
        alone.cover(time)
        low = max(grown.first, alone.first)
        high = min(grown.first + len(grown.edges), alone.first + len(alone.edges))
        assert low < high
        np.testing.assert_array_equal(
            grown.edges[low - grown.first : high - grown.first],
            alone.edges[low - alone.first : high - alone.first],
        )


def test_far_time_costs_no_more_than_all_days_there_are():
    live = tg.Aggregator(tg.Calendar("day", tz="Europe/London"), agg.rows(), on="t", lateness=None)
    day = np.datetime64("2024-05-05T12", "s")
    far = np.array([day, np.datetime64("9000-01-01"), np.datetime64("250000-01-01"), day])
    live.push({"t": far.astype("M8[s]")})
    assert live._run.bound.table.edges.nbytes < 30 << 20
    assert live.flush()["rows"].to_pylist() == [2, 1]
    assert live.stats.rejected == 1
