"""Connects as new meters, so many as the argument says: all must be greeted, and the 120 of the site be there as well."""

import re
import socket
import sys
import time

number = int(sys.argv[1])
meters = []
try:
    for _ in range(number):
        meters.append(socket.create_connection(("127.0.0.1", 8044), timeout=5))
        meters[-1].settimeout(5)
        if meters[-1].recv(6) != b"ready\n":
            sys.exit(f"meter {len(meters)} of {number} was turned away")
    for _ in range(60):
        meters[-1].send(b"stat")
        answer = meters[-1].recv(100).decode().strip()
        if int(re.match(r"\d+", answer)[0]) >= number + 120:
            break
        time.sleep(0.5)
    else:
        sys.exit(f"{answer}, {number} of them new: not all of the site are there")
    print(answer)
except OSError as error:
    sys.exit(f"meter {len(meters)} of {number}: {error}")
