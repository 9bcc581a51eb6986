"""A federation on real machines: one server, sites that connect to it, and Flower between them."""
