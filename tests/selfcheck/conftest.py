"""The scenarios below ``broken/`` are what the tests play, and no scenarios of this test session."""

collect_ignore = ["broken"]
