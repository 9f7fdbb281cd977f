"""Providers: what is known about them, and everything that goes over the wire to them."""
