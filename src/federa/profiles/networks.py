"""Links between clients and server: what a person gives, and presets with published figures.

Overhead 0.06 is what Flower 1.41 over TLS added to large messages at the network interface, frame
headers included. Flower's own messages are not counted: some 16 kB down and 29 kB up a site and
round, as measured in ``benchmarks/results/2026-11-26-deployment.md``. What network arXiv 2404.18848
assumed is not known here, so none is named after it.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, Field, model_validator

from federa.profiles.sources import GIVEN, with_own_source
from federa.registry import RECORD, Real

Rate: TypeAlias = Annotated[Real, Field(gt=0, le=1e13)]
Seconds: TypeAlias = Annotated[Real, Field(ge=0, le=3600)]
Fraction: TypeAlias = Annotated[Real, Field(ge=0, le=10)]

MEASURED_OVERHEAD = 0.06
PAYLOAD_OVERHEAD = 0.014
"""1.06 x 1448 / 1514 - 1: speed tests count what TCP carries, so frame headers are outside."""
ETHERNET_OVERHEAD = 0.077
"""1.06 x 1538 / 1514 - 1: the rate of IEEE 802.3 also carries preamble, checksum and gap."""
FIGURES = frozenset(
    ("down_bits_per_second", "up_bits_per_second", "round_trip_seconds", "overhead")
)


class Network(BaseModel):
    """The link of a client to the server; a preset is this record with figures for defaults.

    down, up: towards and from the client; overhead: the fraction of bytes that protocols add;
    source: where the figures come from, which figures of one's own replace unless it is given too.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "figures of one's own"

    name: str = Field(min_length=1)
    down_bits_per_second: Rate
    up_bits_per_second: Rate
    round_trip_seconds: Seconds
    overhead: Fraction = MEASURED_OVERHEAD
    source: str = GIVEN

    @model_validator(mode="before")
    @classmethod
    def _own_figures(cls, given: Any) -> Any:
        """A changed figure is no longer the source's."""
        return with_own_source(given, FIGURES)


class Lte(Network):
    """Mobile networks as measured on smartphones in the United States in 2019, mostly 4G.

    Source: Opensignal, State of Mobile: USA, May 2019 (first quarter of 2019): 21.3 Mbit/s down on
    average over all mobile networks, 6.3 up, latency 44.1 to 66.4 ms by state, of which this takes
    the middle. Telephones for 4G had it 93 % of the time.
    """

    aliases: ClassVar[tuple[str, ...]] = ("4g",)
    summary: ClassVar[str] = "21.3 Mbit/s down, 6.3 up, 55 ms: mostly 4G, United States, 2019"

    name: Literal["lte"] = "lte"
    down_bits_per_second: Rate = 21.3e6
    up_bits_per_second: Rate = 6.3e6
    round_trip_seconds: Seconds = 0.055
    overhead: Fraction = PAYLOAD_OVERHEAD
    source: str = "Opensignal, State of Mobile: USA, May 2019; latency is the middle of its range"


class FiveG(Network):
    """5G as measured by its users all over the world in 2023.

    Source: Ookla, The State of Worldwide Connectivity in 2023 (third quarter): medians of
    203.04 Mbit/s down, 18.93 up, and 44 ms to several servers.
    """

    aliases: ClassVar[tuple[str, ...]] = ("nr",)
    summary: ClassVar[str] = "203 Mbit/s down, 18.9 up, 44 ms: 5G worldwide, 2023"

    name: Literal["5g"] = "5g"
    down_bits_per_second: Rate = 203.04e6
    up_bits_per_second: Rate = 18.93e6
    round_trip_seconds: Seconds = 0.044
    overhead: Fraction = PAYLOAD_OVERHEAD
    source: str = "Ookla, The State of Worldwide Connectivity in 2023 (medians)"


class Wifi50(Network):
    """Wi-Fi of 50 Mbit/s in both directions, before a fixed line. The rate is assumed.

    Source of the round trip: Ookla, Speedtest Global Index, November 2022: 10 ms is the median of
    fixed lines. What Wi-Fi adds to it is not counted.
    """

    aliases: ClassVar[tuple[str, ...]] = ("wifi",)
    summary: ClassVar[str] = "50 Mbit/s both ways (assumed), 10 ms: Wi-Fi before a fixed line"

    name: Literal["wifi_50"] = "wifi_50"
    down_bits_per_second: Rate = 50e6
    up_bits_per_second: Rate = 50e6
    round_trip_seconds: Seconds = 0.010
    source: str = "rate assumed; round trip: Ookla, Speedtest Global Index, November 2022"


class Ethernet100(Network):
    """Fast Ethernet. Source of the rate: IEEE 802.3, 100BASE-TX. The round trip is assumed."""

    aliases: ClassVar[tuple[str, ...]] = ("fast_ethernet",)
    summary: ClassVar[str] = "100 Mbit/s both ways, 1 ms (assumed): Ethernet within a site"

    name: Literal["ethernet_100"] = "ethernet_100"
    down_bits_per_second: Rate = 100e6
    up_bits_per_second: Rate = 100e6
    round_trip_seconds: Seconds = 0.001
    overhead: Fraction = ETHERNET_OVERHEAD
    source: str = "IEEE 802.3, 100BASE-TX; round trip assumed"


class Ethernet1000(Network):
    """Gigabit Ethernet. Source of the rate: IEEE 802.3, 1000BASE-T. The round trip is assumed."""

    aliases: ClassVar[tuple[str, ...]] = ("gigabit_ethernet",)
    summary: ClassVar[str] = "1000 Mbit/s both ways, 1 ms (assumed): Ethernet within a site"

    name: Literal["ethernet_1000"] = "ethernet_1000"
    down_bits_per_second: Rate = 1e9
    up_bits_per_second: Rate = 1e9
    round_trip_seconds: Seconds = 0.001
    overhead: Fraction = ETHERNET_OVERHEAD
    source: str = "IEEE 802.3, 1000BASE-T; round trip assumed"


NETWORKS = (Lte, FiveG, Wifi50, Ethernet100, Ethernet1000)
