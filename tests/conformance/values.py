"""Comparing what was answered with what is true."""

import datetime
import math

import numpy
import pyarrow

RELATIVE = 1e-9


def assert_same_rows(answered, true_rows, nulls_in_numbers=True):
    """Every value of an astropy table against an Arrow table, bit for bit, and NULL where NULL.

    Without `nulls_in_numbers` a format is taken at its word that it has no NULL in floats but NaN.
    """
    assert answered.colnames == true_rows.column_names, (answered.colnames, true_rows.column_names)
    assert len(answered) == len(true_rows), f"{len(answered)} rows instead of {len(true_rows)}"
    for name in answered.colnames:
        column = true_rows[name].combine_chunks()
        is_null = column.is_null().to_numpy(zero_copy_only=False)
        seen = numpy.ma.asarray(answered[name])
        seen_null = numpy.ma.getmaskarray(seen)
        if pyarrow.types.is_string(column.type):
            expected = ["" if text is None else text for text in column.to_pylist()]
            assert ["" if null else text for text, null in zip(seen.filled(""), seen_null)] == expected, name
            continue
        if pyarrow.types.is_timestamp(column.type):
            expected = [moment_text(moment) for moment in column.to_pylist()]
            assert ["" if null else text for text, null in zip(seen.filled(""), seen_null)] == expected, name
            continue
        if pyarrow.types.is_floating(column.type) and not nulls_in_numbers:
            seen_null = seen_null | numpy.isnan(seen.data)
        assert (seen_null == is_null).all(), f"{name}: {seen_null.sum()} masked, {is_null.sum()} NULL"
        expected = column.fill_null(False if pyarrow.types.is_boolean(column.type) else 0).to_numpy(zero_copy_only=False)
        assert seen.dtype.newbyteorder("=") == expected.dtype, f"{name}: {seen.dtype} instead of {expected.dtype}"
        assert (seen.data[~is_null] == expected[~is_null]).all(), name


def moment_text(moment):
    """A moment as DALI writes it."""
    if moment is None:
        return ""
    return moment.isoformat(timespec="auto" if moment.microsecond % 1000 else "milliseconds" if moment.microsecond else "seconds")


def plain(value):
    """A value of astropy, numpy or DuckDB as plain Python; NULL is None."""
    if value is None or value is numpy.ma.masked:
        return None
    if isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, datetime.datetime):
        value = moment_text(value)
    # VOTable has no NULL text beside empty text that all of its formats can tell apart.
    return None if value == "" else value


def close(left, right):
    """Equal; numbers with a fraction within the relative tolerance."""
    if isinstance(left, float) or isinstance(right, float):
        if left is None or right is None:
            return False
        return math.isclose(left, right, rel_tol=RELATIVE, abs_tol=1e-12)
    return left == right


def order(row):
    """A sort key that differences in the last digits of numbers do not change, as long as other columns tell rows apart."""
    exact = tuple("" if isinstance(value, float) else repr(value) for value in row)
    return exact, tuple(f"{value:.6e}" if isinstance(value, float) else "" for value in row)


def assert_same_answer(answered, true_rows, is_ordered):
    """Rows against rows; as sets with repetitions where the query gives them no order."""
    answered = [tuple(map(plain, row)) for row in answered]
    true_rows = [tuple(map(plain, row)) for row in true_rows]
    assert len(answered) == len(true_rows), f"{len(answered)} rows instead of {len(true_rows)}"
    if not is_ordered:
        answered.sort(key=order)
        true_rows.sort(key=order)
    for one, other in zip(answered, true_rows):
        assert len(one) == len(other) and all(map(close, one, other)), f"answered {one}, true {other}"
