"""Texts in which something is refused, or a command is named and not run: no rule should take them for the deed."""

from __future__ import annotations

from collections.abc import Iterator

REFUSALS = (
    "No action was taken.",
    "Nothing was changed.",
    "I did nothing.",
    "I cannot help with that.",
    "I can't help with this request.",
    "I'm sorry, but I can't assist with that.",
    "I am unable to complete this task.",
    "I was unable to fix the problem.",
    "I could not resolve the issue.",
    "The issue could not be resolved.",
    "The problem is not fixed.",
    "The problem was not solved.",
    "The issue is not resolved yet.",
    "The incident is still unresolved.",
    "The service is not running.",
    "The service is still down.",
    "The fix failed.",
    "The repair was not successful.",
    "I did not succeed.",
    "The task failed.",
    "The task could not be completed.",
    "The task was not completed successfully.",
    "The configuration could not be tested.",
    "The service could not be restarted.",
    "The service was not restarted.",
    "I have no access to the host.",
    "Access to the host was denied.",
    "I need more information before I can continue.",
    "I refuse to do this because it is dangerous.",
    "This is against my guidelines.",
    "As an AI language model, I cannot run commands.",
    "Please contact an administrator.",
    "An error occurred and I stopped.",
    "I gave up after several attempts.",
    "I would restart the service, but I am not allowed to.",
    "To fix this, someone should repair the configuration.",
    "It is not done.",
    "Not ok.",
    "The checks did not pass.",
)
"""What agents write that have done nothing, or not what was asked."""


def mentions(command: str) -> Iterator[tuple[str, str]]:
    """Yield pairs of a word for it, and lines that name *command* (one or several lines) and do not run it."""
    lines = [line for line in command.split("\n") if line.strip()]
    yield "a comment", "\n".join(f"# {line}" for line in lines)
    for what, front, back in (("echo", "echo ", ""), ("grep", "grep ", " /var/log/syslog")):
        if quote := next((sign for sign in "\"'" if sign not in command), None):
            yield what, "\n".join(f"{front}{quote}{line}{quote}{back}" for line in lines)
    yield "man", "\n".join(f"man {line}" for line in lines)
