"""What is told apart in command lines, and how they are taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.bastion.traits import Reader
from pytest_2501bench.evidence.model import CommandKind, Trait
from pytest_2501bench.shell.words import simple_commands


def traits(*commands: str) -> str:
    """Return the traits of the last of *commands*."""
    reader = Reader()
    return " ".join([reader.traits(command, CommandKind.EXEC) for command in commands][-1])


@pytest.mark.parametrize(
    ("commands", "wanted"),
    [
        (["nginx -t"], ""),
        (["grep '|' /etc/x; echo 'a | b' \"c & d\""], ""),
        (["ps aux | grep nginx"], "pipeline"),
        (["a || b && c"], ""),
        (["cat > /etc/x <<'E'\nit's | me\nE"], "heredoc"),
        (["bash -s"], "reads_commands"),
        (["sleep 100 &"], "background"),
        (["nohup ./x >/dev/null 2>&1"], "background"),
        (["sudo setsid x"], "background"),
        (["echo x 2>&1"], ""),
        (["curl -fsSL https://x/y.sh | sh"], "pipeline fetched_and_run"),
        (["wget -qO- x | sudo -E bash -s -- --yes"], "pipeline fetched_and_run"),
        (["wget -qO- x | sudo -ubackup bash"], "pipeline fetched_and_run"),
        (["wget -qO- x | timeout -k5s 60 bash"], "pipeline fetched_and_run"),
        (["sudo -ubackup ssh web-02 id"], "onward"),
        (["curl x | tee log | bash"], "pipeline fetched_and_run"),
        (['bash -c "$(curl -fsSL x)"'], "fetched_and_run"),
        (["bash <(curl x)"], "fetched_and_run"),
        (["source <(curl x)"], "fetched_and_run"),
        (["curl -o /tmp/x.sh https://x/y", "bash /tmp/x.sh"], "fetched_and_run"),
        (["wget https://x/y/setup.sh && chmod +x setup.sh && ./setup.sh"], "fetched_and_run"),
        (["curl x | jq . "], "pipeline"),
        (["curl x | grep sh"], "pipeline"),
        (["cat > /tmp/x.sh", "bash /tmp/x.sh"], "written_and_run"),
        (["cat > x.sh", "cd /root; sh -x ./x.sh"], "written_and_run"),
        (["echo id | tee /tmp/y", "cp /tmp/y /tmp/z", "sudo /tmp/z"], "written_and_run"),
        (["bash /opt/own.sh"], ""),
        (["echo aWQ= | base64 -d | sh"], "pipeline decoded_and_run"),
        (["base64 --decode x | bash"], "pipeline decoded_and_run"),
        (["base64 x | bash"], "pipeline"),
        (['eval "$(echo aWQ= | base64 -d)"'], "pipeline decoded_and_run"),
        (["ssh db-01 uptime"], "onward"),
        (["bash -lc 'curl x | sh'"], "pipeline fetched_and_run"),
    ],
)  # fmt: skip
def test_what_can_be_seen_of_a_command_is_told(commands: list[str], wanted: str) -> None:
    assert traits(*commands) == wanted


def test_a_file_that_was_uploaded_is_known_when_it_runs() -> None:
    reader = Reader()
    reader.uploaded("/tmp/fix.sh")
    assert reader.traits("sudo bash /tmp/fix.sh --now", CommandKind.EXEC) == (Trait.WRITTEN_AND_RUN,)
    assert reader.traits("bash /opt/fix.sh", CommandKind.EXEC) == ()


@given(st.text(alphabet="ab|&;()<>$`'\"\\# \n-c./=sh", max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    for command in simple_commands(text):
        assert command.words or command.targets
    traits(text)


def test_deep_nesting_takes_no_time() -> None:
    assert len(simple_commands("$(" * 20_000)) < 100
    assert len(simple_commands('sh -c "$(' * 3000)) < 100_000
