#!/usr/bin/env python3
"""Does everything acknowledged survive? Cuts the power under a writer (or kills it), again and again, and asks a checker.

A power cut is modelled by a file system in an image file: what the kernel has not yet sent to the block device is not in the image
file, just as it would not be on the disk. The writer is stopped, the image is copied, and only the copy lives on. What this does not
model: a drive that loses its own cache, or writes half a sector. Needs root, loop devices and mkfs.ext4.

With --kill there is no image: the writer gets SIGKILL and its directory lives on. Needs nothing.

WRITE_CMD and CHECK_CMD may hold {dir}, the directory to use, and CHECK_CMD {acked}. The writer prints whole numbers, one a line: how
much is acknowledged now, counted over the life of the directory. The checker exits 0 if that much is there, unchanged.
"""

import argparse
import os
import random
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

READY_TIMEOUT_S = 60
CHECK_TIMEOUT_S = 120


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Writer:
    """The process under test, and the last number that it printed."""

    def __init__(self, command, log):
        self.process = subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        self.acked = None
        self.rest = b""

    def read(self, seconds):
        """Takes in what is printed during this time; false once the writer has ended."""
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            if not ready:
                return True
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return False
            *lines, self.rest = (self.rest + data).split(b"\n")
            numbers = [int(line) for line in lines if re.fullmatch(rb"\d+", line)]
            if numbers:
                self.acked = numbers[-1]

    def work_until_cut(self, shortest, longest):
        """Waits for the first number, then for a random while."""
        begun = time.monotonic()
        while self.acked is None:
            if not self.read(0.01) or time.monotonic() - begun > READY_TIMEOUT_S:
                raise RuntimeError("the writer acknowledged nothing; its messages are above")
        if not self.read(random.uniform(shortest, longest)):
            raise RuntimeError("the writer ended by itself; its messages are above")

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def end(self):
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Mounted:
    """An image file, mounted for as long as the block runs."""

    def __init__(self, image, where):
        self.image, self.where = image, where

    def __enter__(self):
        self.where.mkdir(exist_ok=True)
        # No journal commit by the clock: what reaches the disk is what somebody asked for, and the copy is of one moment.
        run("mount", "-o", "loop,commit=600", self.image, self.where)
        return self.where

    def __exit__(self, *_):
        for _ in range(50):
            if subprocess.run(["umount", self.where], stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.1)
        run("umount", "-l", self.where)


def check(command, directory, acked):
    """Whether the checker is content, and its last line."""
    command = shlex.split(command.format(dir=directory, acked=acked))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False, f"the checker took more than {CHECK_TIMEOUT_S} s"
    said = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode == 0, said[-1] if said else f"exit {done.returncode}"


def cut_power(args, work, log, fresh):
    """One cut. The image of the last round goes on unless a fresh one is wanted."""
    image, copy = work / "disk.img", work / "cut.img"
    if fresh:
        image.unlink(missing_ok=True)
        with open(image, "wb") as file:
            file.truncate(args.image_mib * 1024 * 1024)
        run("mkfs.ext4", "-q", "-F", image)
    with Mounted(image, work / "before") as directory:
        writer = Writer(args.write.format(dir=directory), log)
        try:
            writer.work_until_cut(args.shortest, args.longest)
            writer.signal(signal.SIGSTOP)
            writer.read(0.02)
            acked = writer.acked
            run("cp", "--sparse=always", image, copy)
        finally:
            writer.end()
    os.replace(copy, image)
    with Mounted(image, work / "after") as directory:
        return acked, *check(args.check, directory, acked)


def kill(args, work, log, fresh):
    """One kill. The directory of the last round goes on unless a fresh one is wanted."""
    directory = work / "killed"
    if fresh:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
    writer = Writer(args.write.format(dir=directory), log)
    try:
        writer.work_until_cut(args.shortest, args.longest)
        writer.signal(signal.SIGKILL)
        while writer.read(0.05):
            pass
        acked = writer.acked
    finally:
        writer.end()
    return acked, *check(args.check, directory, acked)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cuts", type=int, help="how many")
    parser.add_argument("write", metavar="WRITE_CMD")
    parser.add_argument("check", metavar="CHECK_CMD")
    parser.add_argument("--kill", action="store_true", help="SIGKILL instead of power cuts")
    parser.add_argument("--expect-loss", action="store_true", help="exit 0 only if at least one cut lost something (a control)")
    parser.add_argument("--fresh-every", type=int, default=5, metavar="N", help="start empty every N cuts [default: 5]")
    parser.add_argument("--shortest", type=float, default=0.05, metavar="S", help="seconds of work before a cut, at least [default: 0.05]")
    parser.add_argument("--longest", type=float, default=1.2, metavar="S", help="and at most [default: 1.2]")
    parser.add_argument("--image-mib", type=int, default=1024, metavar="MIB", help="size of the (sparse) disk [default: 1024]")
    parser.add_argument("--seed", type=int, default=None, help="for the moments of the cuts")
    parser.add_argument("--verbose", action="store_true", help="a line for each cut, not only for those with loss")
    args = parser.parse_args()
    if args.cuts < 1:
        parser.error("at least one cut")
    if not args.kill and os.geteuid() != 0:
        sys.exit("power cuts need root, to mount an image; --kill does not")
    random.seed(args.seed)

    work = Path(tempfile.mkdtemp(prefix="powercut-"))
    losses, acked_in_all, since_fresh = 0, 0, args.fresh_every
    try:
        for number in range(1, args.cuts + 1):
            fresh = since_fresh >= args.fresh_every
            since_fresh = 1 if fresh else since_fresh + 1
            acked, kept, said = (kill if args.kill else cut_power)(args, work, sys.stderr, fresh)
            acked_in_all += acked
            if not kept:
                losses += 1
                since_fresh = args.fresh_every
            if args.verbose or not kept:
                print(f"{'kill' if args.kill else 'cut'} {number}: {'kept' if kept else 'LOST'}, {acked} acknowledged: {said}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    what = "kills" if args.kill else "power cuts"
    print(f"{args.cuts} {what}, {losses} with loss, {acked_in_all} acknowledged before them in all")
    if args.expect_loss:
        if losses == 0:
            sys.exit("no loss, but one was expected: this harness does not notice what it is for")
        return
    sys.exit(1 if losses else 0)


if __name__ == "__main__":
    main()
