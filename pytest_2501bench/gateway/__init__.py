"""How tickets reach the engine under test."""
