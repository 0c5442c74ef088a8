"""Writes a week of nights: the reports' log, and the log of the jobs."""

import datetime
import pathlib
import random

random.seed(3)
reports, jobs, messages = [], [], []
start = datetime.datetime(2025, 6, 20)


def line(log, moment, text):
    log.append(f"{moment:%Y-%m-%d %H:%M:%S} {text}")


for day in range(10):
    night = start + datetime.timedelta(days=day)
    slow = day >= 3
    for minute in range(0, 24 * 60, 12):
        moment = night + datetime.timedelta(minutes=minute, seconds=random.randrange(50))
        name = random.choice(["sales", "stock", "customs", "freight"])
        taken = random.uniform(1.2, 3.9)
        if slow and 180 <= minute < 196:
            wait = 19 * 60 - (minute - 180) * 60
            line(reports, moment, f"report={name} waiting for /var/lib/reports/store.lock")
            moment += datetime.timedelta(seconds=wait)
            taken += wait
        line(reports, moment + datetime.timedelta(seconds=4), f"report={name} done in {taken:.1f} s")
    line(jobs, night.replace(hour=2, minute=15), "job=backup-store user=backup begin")
    line(jobs, night.replace(hour=2, minute=51, second=12), "job=backup-store user=backup end, 41.2 GB")
    if slow:
        line(jobs, night.replace(hour=3, minute=0, second=1), "job=reindex-catalogue user=catalogue begin")
    line(jobs, night.replace(hour=3, minute=0, second=1), "job=check-certificates user=root begin")
    line(jobs, night.replace(hour=3, minute=0, second=2), "job=check-certificates user=root end, 14 valid")
    if slow:
        line(jobs, night.replace(hour=3, minute=19, second=40), "job=reindex-catalogue user=catalogue end, 1 index")
    line(jobs, night.replace(hour=4, minute=30), "job=rotate-exports user=reports begin")
    line(jobs, night.replace(hour=4, minute=31, second=7), "job=rotate-exports user=reports end")
line(messages, start.replace(day=27, hour=2, minute=44), "kernel: sd 0:0:0:0: [sda] tag#18 timing out command, waited 30s")

for path, lines in (("/var/log/reports/reports.log", reports), ("/var/log/jobs.log", jobs), ("/var/log/reports/host.log", messages)):
    pathlib.Path(path).write_text("\n".join(sorted(lines)) + "\n")
