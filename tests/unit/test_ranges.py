"""Ranges, without a socket: E36 and everything near it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock.http.ranges import RangeUnsatisfiable, Span, requested_span

ETAG = '"sha256:abc"'
sizes = st.integers(0, 2**40)


@given(st.text(), sizes)
def test_no_header_raises_anything_but_unsatisfiable(text, size):
    try:
        span = requested_span(text, None, ETAG, size)
    except RangeUnsatisfiable:
        return
    assert span is None or 0 <= span.start < span.stop <= size


@given(st.integers(0, 2**41), st.integers(0, 2**41), st.integers(1, 2**40))
def test_a_range_is_cut_to_the_blob(first, last, size):
    asked = f"bytes={first}-{last}"
    if first > last or first >= size:
        with pytest.raises(RangeUnsatisfiable):
            requested_span(asked, None, ETAG, size)
    else:
        assert requested_span(asked, None, ETAG, size) == Span(first, min(last + 1, size))


@given(st.integers(1, 2**41), st.integers(1, 2**40))
def test_a_suffix_is_the_end_of_the_blob(length, size):
    span = requested_span(f"bytes=-{length}", None, ETAG, size)
    assert span == Span(max(0, size - length), size)


@pytest.mark.parametrize("asked", ["bytes=-0", "bytes=0-", "bytes=0-0"])
def test_an_empty_blob_has_no_bytes_to_give(asked):
    with pytest.raises(RangeUnsatisfiable):
        requested_span(asked, None, ETAG, 0)


@pytest.mark.parametrize(
    "asked",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=1-2,3-4",
        "bytes=1-2,",
        "bytes 1-2",
        "bits=1-2",
        "bytes=+1-2",
        "bytes=1 -2",
        "bytes=\u0661-\u0662",
        "bytes=" + "1" * 31 + "-",
    ],
)
def test_what_is_not_one_range_is_ignored(asked):
    assert requested_span(asked, None, ETAG, 10) is None


@pytest.mark.parametrize("validator", ['"other"', f"W/{ETAG}", "Wed, 21 Oct 2026 07:28:00 GMT", ""])
def test_if_range_with_anything_but_the_etag_gets_the_whole(validator):
    assert requested_span("bytes=1-2", validator, ETAG, 10) is None
    assert requested_span("bytes=99-", validator, ETAG, 10) is None


def test_if_range_with_the_etag_lets_the_range_count():
    assert requested_span("bytes=1-2", f" {ETAG} ", ETAG, 10) == Span(1, 3)
