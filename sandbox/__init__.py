"""A pretend estate on loopback: a legacy database, cloud APIs, and a comparison of both sides."""
