#!/usr/bin/python3
"""Answers how many pieces of an article are in stock; the numbers are kept in Redis."""

import configparser
import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

config = configparser.ConfigParser()
config.read("/etc/stock/stock.conf")
redis = config["redis"]


def ask(*commands):
    """Send commands to Redis; return the last answer."""
    with socket.create_connection((redis["host"], redis.getint("port")), timeout=3) as connection:
        stream = connection.makefile("rwb")
        answer = None
        for command in commands:
            stream.write(b"*%d\r\n" % len(command))
            for word in command:
                stream.write(b"$%d\r\n%s\r\n" % (len(word), word.encode()))
            stream.flush()
            line = stream.readline().rstrip().decode()
            if line.startswith("-"):
                raise OSError(line[1:])
            answer = line[1:]
            if line.startswith("$"):
                answer = None if line == "$-1" else stream.read(int(line[1:]) + 2)[:-2].decode()
        return answer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        article = self.path.strip("/").removeprefix("stock/")
        try:
            pieces = ask(["AUTH", redis["password"]], ["GET", f"stock:{article}"])
        except OSError as error:
            print(f"{redis['host']}:{redis['port']}: {error}", file=sys.stderr, flush=True)
            return self.answer(503, {"error": "stock is not available at the moment"})
        if pieces is None:
            return self.answer(404, {"error": f"no article {article}"})
        return self.answer(200, {"article": article, "pieces": int(pieces)})

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
