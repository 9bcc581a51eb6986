"""What a round would last and cost on known devices over known networks; nothing here is measured.

Devices and networks are records with published figures (``devices.py``, ``networks.py``), a fleet
says which clients have which (``fleet.py``), and ``round_model.py`` makes seconds and joules of
counted operations (``federa.training_cost``) and counted bytes. Modelled seconds are never mixed
with measured ones.
"""

from federa.profiles.devices import (
    A100,
    DEVICES,
    Device,
    JetsonAgxOrin,
    JetsonOrinNano,
    JetsonXavierNx,
    Laptop,
    Phone,
    RaspberryPi5,
)
from federa.profiles.fleet import DeviceShare, Fate, NetworkShare, Profile, spell_out
from federa.profiles.networks import (
    ETHERNET_OVERHEAD,
    MEASURED_OVERHEAD,
    NETWORKS,
    PAYLOAD_OVERHEAD,
    Ethernet100,
    Ethernet1000,
    FiveG,
    Lte,
    Network,
    Wifi50,
)
from federa.profiles.round_model import (
    RoundSeconds,
    client_joules,
    client_seconds,
    compute_seconds,
    download_seconds,
    fits,
    slowest,
    upload_seconds,
)
from federa.profiles.sources import GIVEN

__all__ = [
    "A100",
    "DEVICES",
    "ETHERNET_OVERHEAD",
    "GIVEN",
    "MEASURED_OVERHEAD",
    "NETWORKS",
    "PAYLOAD_OVERHEAD",
    "Device",
    "DeviceShare",
    "Ethernet100",
    "Ethernet1000",
    "Fate",
    "FiveG",
    "JetsonAgxOrin",
    "JetsonOrinNano",
    "JetsonXavierNx",
    "Laptop",
    "Lte",
    "Network",
    "NetworkShare",
    "Phone",
    "Profile",
    "RaspberryPi5",
    "RoundSeconds",
    "Wifi50",
    "client_joules",
    "client_seconds",
    "compute_seconds",
    "download_seconds",
    "fits",
    "slowest",
    "spell_out",
    "upload_seconds",
]
