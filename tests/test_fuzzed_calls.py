"""The core, called with everything that a user can give it: a few of the many calls that ``make soak`` makes."""

from soak.calls import run


def test_no_call_of_the_core_breaks():
    outcome = run(count=300, seed=0)
    assert outcome.findings == []
    assert outcome.done >= 300
