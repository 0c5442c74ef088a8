"""Starts the job three times, the way that its schedule does, and watches sessions and ledger."""

import glob
import json
import os
import pwd
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

INCOMING = Path("/var/spool/booking/incoming")
LEDGER = Path("/var/lib/booking/ledger.csv")
RUNS = Path("/var/lib/booking/runs.log")
PROBES = 8


started = []


def end_started():
    """What was started here ends here; the next run of the schedule goes on."""
    for each in started:
        if each.poll() is None and each.args[0] != "systemctl":
            os.killpg(each.pid, signal.SIGTERM)


def fail(why):
    end_started()
    print(why)
    sys.exit(1)


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def cron_jobs():
    """(schedule, user, command, settings) of each crontab line about the job."""
    for path in ["/etc/crontab", *glob.glob("/etc/cron.d/*"), *glob.glob("/var/spool/cron/crontabs/*")]:
        name, own = Path(path).name, "crontabs/" in path
        if "/cron.d/" in path and not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            continue  # cron leaves these out
        settings = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
        for line in Path(path).read_text(errors="replace").splitlines():
            if match := re.match(r"\s*(\w+)\s*=\s*(.*?)\s*$", line):
                settings[match[1]] = match[2].strip("\"'")
            elif "book" in line and not line.lstrip().startswith("#"):
                parts = line.split(None, 5 if own else 6)
                if len(parts) == (6 if own else 7):
                    yield parts[:5], name if own else parts[5], parts[-1].replace("\\%", "%"), dict(settings)


def timers():
    """(timer, service) of each timer whose service is about the job."""
    for timer in json.loads(output("systemctl", "list-timers", "--all", "--output=json") or "[]"):
        service = timer.get("activates") or ""
        if service and "book" in output("systemctl", "show", "-P", "ExecStart", service):
            yield timer, service


def starters():
    """Programs that start the job once each, after a look whether it comes every minute."""
    for schedule, user, command, settings in cron_jobs():
        if schedule[0] not in ("*", "*/1") or any(field not in ("*", "*/1") for field in schedule[1:]):
            fail(f"the job does not come every minute: {' '.join(schedule)}")
        if user != "booking":
            fail(f"the job runs as {user}")
        if output("systemctl", "is-active", "cron") != "active" or output("systemctl", "is-enabled", "cron") != "enabled":
            fail("the job is cron's, and cron is off")
        settings |= {"HOME": pwd.getpwnam(user).pw_dir, "LOGNAME": user, "USER": user}
        yield ["/usr/sbin/runuser", "-u", user, "--", settings["SHELL"], "-c", command], settings
    for timer, service in timers():
        name = timer["unit"]
        coming = (timer.get("next") or 0) / 1e6 - time.time()
        if output("systemctl", "is-active", name) != "active" or output("systemctl", "is-enabled", name) != "enabled":
            fail(f"{name} is {output('systemctl', 'is-active', name)}, {output('systemctl', 'is-enabled', name)}")
        if coming > 75 and output("systemctl", "show", "-P", "ActiveState", service) not in ("active", "activating"):
            fail(f"the job does not come every minute: {name} comes in {coming:.0f} s")
        if output("systemctl", "show", "-P", "User", service) != "booking":
            fail(f"the job runs as {output('systemctl', 'show', '-P', 'User', service) or 'root'}")
        yield ["systemctl", "start", "--no-block", service], dict(os.environ)


def sessions():
    """Processes that have a session open."""
    open_now = set()
    for line in RUNS.read_text().splitlines():
        _, pid, _, what = line.split()
        (open_now.add if what == "opened" else open_now.discard)(pid)
    alive = set()
    for pid in open_now:
        try:
            if b"book" in Path(f"/proc/{pid}/cmdline").read_bytes():
                alive.add(pid)
        except OSError:
            pass
    return alive


def one_session():
    if len(open_now := sessions()) > 1:
        fail(f"{len(open_now)} sessions are open at the same time: processes {', '.join(sorted(open_now))}")


def wait(condition, seconds):
    end = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < end:
        one_session()
        time.sleep(0.1)
    return done


def booked():
    rows = [line.split(";") for line in LEDGER.read_text().splitlines()]
    return [row for row in rows if row[0] in probes]


one_session()
ways = list(starters())
if not ways:
    fail("neither a crontab nor a timer starts the job")

begin = int(time.time())
probes = [f"P-{begin}{number}" for number in range(PROBES)]
owner = pwd.getpwnam("booking")
for probe in probes:
    new = INCOMING / f".{probe}"
    new.write_text("1.00\n")
    os.chown(new, owner.pw_uid, owner.pw_gid)
    new.rename(INCOMING / f"{probe}.order")

# The first one works, unless a run of the schedule is at it already; what comes then must leave it alone and go.
for turn in range(3):
    for words, settings in ways:
        started.append(
            subprocess.Popen(
                words, env=settings, cwd="/var/lib/booking", start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )
    if turn == 0 and not wait(sessions, 20):
        fail("the job was started and does not work")
if not wait(lambda: sum(each.poll() is None for each in started) <= 1, 12) and len(booked()) < PROBES:
    fail("runs queue up behind the one at work")
if not wait(lambda: {row[0] for row in booked()} == set(probes), 40):
    fail(f"of {PROBES} new orders {len({row[0] for row in booked()})} were booked")
wait(lambda: False, 2.5)
rows = booked()
if len(rows) != PROBES:
    fail(f"{PROBES} new orders were booked {len(rows)} times")
if len({row[2] for row in rows}) < PROBES - 2:
    fail("the answers of the accounting system are no longer waited for")
end_started()
