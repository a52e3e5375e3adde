"""A reader beside a writer: takes a lock on one row of current_viewers after another, and notes how long each took.

A process of its own, so that it does not share an interpreter with the writer that it is measured beside. Each lock is
due at a fixed moment and its wait counts from then: whoever is held up by one row is late for the next ones, too. It
goes on until its input ends, and then prints a JSON list of [moment when it was due (monotonic), seconds until it had
the row].
"""

import json
import random
import sys
import threading
import time

EVERY_S = 0.004
# A locking read waits for whoever has written the row and not committed, as another writer would.
QUESTION = "SELECT current FROM current_viewers WHERE stream_id = %s LOCK IN SHARE MODE"


def main(socket: str, first: int, last: int) -> None:
    """Rows of streams `first` to `last`, at random."""
    import MySQLdb

    ended = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    connection = MySQLdb.connect(unix_socket=socket, user="root", database="fullhouse", autocommit=True)
    cursor, chance = connection.cursor(), random.Random(7)
    print("ready", flush=True)
    taken = []
    due = time.monotonic()
    while not ended.is_set():
        due += EVERY_S
        time.sleep(max(0.0, due - time.monotonic()))
        cursor.execute(QUESTION, (chance.randint(first, last),))
        cursor.fetchall()
        taken.append((due, time.monotonic() - due))
    json.dump(taken, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
