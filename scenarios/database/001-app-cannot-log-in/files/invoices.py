#!/usr/bin/python3
"""Answers with the sum of an invoice; invoices are kept in PostgreSQL."""

import configparser
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

config = configparser.ConfigParser(interpolation=None)
config.read("/etc/invoices/invoices.conf")
database = dict(config["database"])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        number = self.path.strip("/").removeprefix("invoices/")
        try:
            connection = psycopg2.connect(**database, connect_timeout=3, application_name="invoices")
        except psycopg2.Error as error:
            print(str(error).strip(), file=sys.stderr, flush=True)
            return self.answer(503, {"error": "invoices are not available at the moment"})
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT total FROM invoices WHERE number = %s", (number,))
            found = cursor.fetchone()
            cursor.execute("SELECT current_user")
            user = cursor.fetchone()[0]
        connection.close()
        if found is None:
            return self.answer(404, {"error": f"no invoice {number}"})
        return self.answer(200, {"invoice": number, "total": found[0], "read_as": user})

    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        print(*args[1:], file=sys.stderr, flush=True)


ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
