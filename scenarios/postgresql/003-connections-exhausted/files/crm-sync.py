#!/usr/bin/python3
"""Brings customers into the CRM, one after the other; those that the CRM refuses are tried again later."""

import configparser
import signal
import sys
import time

import psycopg2

CONFIG = "/etc/crm-sync/sync.conf"
NEXT = """UPDATE customers SET tried = clock_timestamp() WHERE id = (
    SELECT id FROM customers WHERE %s ORDER BY tried NULLS FIRST, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, mail"""


class RefusedError(Exception):
    """The CRM does not take this customer."""


def read():
    config = configparser.ConfigParser()
    config.read(CONFIG)
    return config


def send(mail):
    if "@" not in mail:
        raise RefusedError(f"422 invalid mail address {mail!r}")


def step(config, which):
    """Bring one customer over; what becomes of the transaction of a refused one is said in the configuration."""
    connection = psycopg2.connect(config["database"]["dsn"], application_name="crm-sync")
    with connection.cursor() as cursor:
        cursor.execute(NEXT.replace("%s", which))
        for number, mail in cursor.fetchall():
            try:
                send(mail)
            except RefusedError as error:
                print(f"customer {number}: {error}", flush=True)
                if config["sync"]["on_refusal"] == "hold":
                    held.append(connection)
                    return
                connection.rollback()
    connection.commit()
    connection.close()


held = []
config = read()


def reload(*_):
    global config
    config = read()


signal.signal(signal.SIGHUP, reload)
while True:
    for which in ("mail LIKE '%@%'", "mail NOT LIKE '%@%'"):
        try:
            step(config, which)
        except psycopg2.Error as error:
            print(str(error).strip(), file=sys.stderr, flush=True)
    time.sleep(config.getfloat("sync", "interval"))
