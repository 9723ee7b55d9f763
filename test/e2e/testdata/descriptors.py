# SPDX-License-Identifier: Apache-2.0
"""HTTP servers whose connections do not stay with the descriptor or the process
that accepted them: descriptors.py PORT MODE. Prints the process that answers.

dup    read from a dup() and write to an F_DUPFD copy; the original is closed
dup2   moved with dup2() onto a descriptor that was another connection before
fork   the parent accepts, a child that is forked afterwards answers
pass   the parent accepts and sends the descriptor to a worker over a UNIX socket
reuse  one connection after another on the same descriptor number
"""
import fcntl
import os
import socket
import sys

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000


def head(fd):
    """Returns once a request's head was read, False at the stream's end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = os.read(fd, 4096)
        if not more:
            return False
        data += more
    return True


def serve(read_fd, write_fd):
    while head(read_fd):
        print("answers", os.getpid(), flush=True)
        os.write(write_fd, PAGE)


def main(port, mode):
    listener = socket.create_server(("127.0.0.1", port), backlog=16)
    if mode == "pass":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        if os.fork() == 0:
            listener.close()
            while True:
                _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
                serve(fds[0], fds[0])
                os.close(fds[0])
    print("listening", flush=True)
    slot = None
    while True:
        conn, _ = listener.accept()
        fd = conn.detach()
        if mode == "dup":
            reader = os.dup(fd)
            writer = fcntl.fcntl(fd, fcntl.F_DUPFD, 100)
            os.close(fd)
            serve(reader, writer)
            os.close(reader)
            os.close(writer)
        elif mode == "dup2":
            slot = os.dup(fd) if slot is None else os.dup2(fd, slot)
            os.close(fd)
            serve(slot, slot)
        elif mode == "fork":
            if os.fork() == 0:
                listener.close()
                serve(fd, fd)
                os._exit(0)
            os.close(fd)
        elif mode == "pass":
            socket.send_fds(ours, [b"f"], [fd])
            os.close(fd)
        else:
            serve(fd, fd)
            os.close(fd)


main(int(sys.argv[1]), sys.argv[2])
