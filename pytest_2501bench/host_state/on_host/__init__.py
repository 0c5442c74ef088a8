"""What runs on a host to take its state; sent over SSH, never imported by us. See :mod:`.look`."""
