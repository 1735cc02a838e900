"""Runs a trainer with an address where its tracking calls are taken: forward_tracking.py <socket> <program> [<argument>...]

Behind walls there is no network, and HTTP clients take no Unix socket: this listens on the loopback address of where it runs, and
passes each connection on to the socket that the server shows into the run's folder, byte by byte. The process itself becomes the
trainer; what forwards is a process of its own that the trainer does not know, and that ends with it. Standard library only.
"""
import os
import signal
import socket
import sys
import threading
import time


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        # The other direction may still have something to say.
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def forward(client, path):
    with client, socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(path)
        except OSError:
            return
        back = threading.Thread(target=pump, args=(server, client), daemon=True)
        back.start()
        pump(client, server)
        back.join()


def accept(listener, path):
    while True:
        try:
            client, _ = listener.accept()
            threading.Thread(target=forward, args=(client, path), daemon=True).start()
        except (OSError, RuntimeError):
            time.sleep(0.1)  # no descriptor or thread left: the trainer has taken them all


def lives(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def serve(listener, path, trainer):
    # A trainer that is told to stop writes its checkpoint first, and may log while it does.
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    threading.stack_size(256 * 1024)
    threading.Thread(target=accept, args=(listener, path), daemon=True).start()
    while lives(trainer):
        time.sleep(0.5)


def main():
    path, program = sys.argv[1], sys.argv[2:]
    try:
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        # Where the loopback device is down an address can be bound all the same.
        with socket.create_connection(listener.getsockname(), timeout=5):
            listener.accept()[0].close()
    except OSError as error:
        print(f"tracking cannot be reached from here: {error}", file=sys.stderr, flush=True)
        os.execvp(program[0], program)
    trainer = os.getpid()
    # Twice, so that a trainer that waits for its children finds none that it did not start.
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            try:
                serve(listener, path, trainer)
            finally:
                os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
    port = listener.getsockname()[1]
    listener.close()
    os.environ["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{port}"
    os.execvp(program[0], program)


main()
