"""Co-simulation of spiking networks: PyNN scripts in software and on neuromorphic hardware."""

__version__ = "0.1.0"
