import pytest

from federa.profiles import Profile

DEVICE = {
    "name": "bench",
    "peak_flops_per_second": 100_000.0,
    "efficiency": 0.5,
    "memory_bytes": 10_000.0,
    "power_watts": 10.0,
    "idle_watts": 2.0,
}
"""50,000 FLOPs a second, so that 37,000 take 0.74 s."""
NETWORK = {
    "name": "wire",
    "down_bits_per_second": 8000.0,
    "up_bits_per_second": 4000.0,
    "round_trip_seconds": 0.5,
    "overhead": 0.0,
}
"""1000 bytes a second down and 500 up, half a second for each request."""


@pytest.fixture
def make_profile():
    """A profile of one device and one network with round numbers."""

    def make(**changes):
        return Profile.model_validate({"device": DEVICE, "network": NETWORK, **changes})

    return make


@pytest.fixture
def profile(make_profile):
    return make_profile()
