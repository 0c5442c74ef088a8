"""The recorded way to the hosts: an SSH server between an agent and its hosts, and what it writes down."""
