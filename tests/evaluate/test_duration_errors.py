import math

import pytest

from emotts.errors import InputError
from emotts.evaluate.duration import duration_error, summarize_durations


def test_errors_are_in_samples():
    assert duration_error(24_000, 24_000, seconds=1.0).exact
    assert duration_error(24_001, 24_000, seconds=1.0).off == 1
    assert duration_error(959, 24_000, tokens=1).off == -1
    # A file of another rate is compared at the package's.
    assert duration_error(48_000, 48_000, seconds=1.0).off == 0


def test_shares_and_worst():
    errors = [duration_error(n, 24_000, seconds=1.0) for n in (24_000, 24_000, 24_960, 23_000)]
    summary = summarize_durations(errors)
    assert (summary.files, summary.exact, summary.within_token, summary.worst) == (4, 0.5, 0.75, 1000)
    assert math.isnan(summarize_durations([]).exact)


@pytest.mark.parametrize("request_", [{}, {"seconds": 1.0, "tokens": 25}])
def test_exactly_one_request_is_needed(request_):
    with pytest.raises(InputError, match="either in seconds or in tokens"):
        duration_error(24_000, 24_000, **request_)
