"""Routing: paths over links that come and go."""
