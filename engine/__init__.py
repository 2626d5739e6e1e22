"""Everything of convtui that knows no screen: specs, data, nets, training, looking inside, the store."""

__version__ = "0.1.0"
