"""Models whose circuits are known exactly, because nothing else in them can act."""

from tests.planted.backup import plant_backup
from tests.planted.circuits import Planted, Size, plant_channels, plant_heads, plant_neurons

__all__ = ["Planted", "Size", "plant_backup", "plant_channels", "plant_heads", "plant_neurons"]
