#!/usr/bin/env python3
"""A bot that keeps karma: `bob++` and `bob--` in the room count, and `karma bob` shows the count.

    ./karma.py karma.json -p 2222 karma@chat.example.org

The first argument is the file for the counts, the others go to ssh. The bot needs an ssh key of its own.
"""
import json
import os
import random
import re
import subprocess
import sys
import time

SSH = ["ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15"]
MOST = 10_000  # names that are counted: people can make up any number of them
VOTE = re.compile(r"(?<!\S)([a-z0-9][a-z0-9._-]{0,31}?)(\+\+|--)(?!\S)")


class Bot:
    def __init__(self, file):
        self.file = file
        self.state = {"place": "00000000000", "karma": {}}  # before the first message
        if os.path.exists(file):
            with open(file) as f:
                self.state = json.load(f)

    def save(self, place):
        """The place and the counts change in one step, so each message counts once."""
        self.state["place"] = place
        with open(self.file + ".new", "w") as f:
            json.dump(self.state, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(self.file + ".new", self.file)

    def session(self, ssh):
        """Handles messages in order. Those of INBOX were handled by a session that ended before its READ."""
        self.ssh, gap = ssh, False
        self.send(CMD="JOIN", SINCE=self.state["place"])
        self.send(CMD="INBOX", REF="inbox")
        for line in ssh.stdout:
            frame = json.loads(line)
            if frame["CMD"] == "ACK" and frame["OF"] == "JOIN":
                self.me = frame.get("UID")
            if frame["CMD"] == "MSG" and frame["FROM"] != self.me:
                if "REF" not in frame:
                    handle = self.said if frame["TYPE"] == "ALL" else self.asked
                    handle(frame)
                if frame["TYPE"] != "ALL" and not ("REF" in frame and gap):
                    self.send(CMD="READ", IDS=[frame["ID"]])
            elif frame["CMD"] in ("ERROR", "BYE") or frame.get("TYPE") == "FAIL":
                print(line, end="", file=sys.stderr)
                gap = gap or frame["CODE"] == "gap"

    def said(self, m):
        """Counts the votes of all room messages, past ones too. Answers only live messages."""
        for nick, sign in VOTE.findall(m["MSG"].lower()):
            karma = self.state["karma"]
            if nick != m["FROM"] and (nick in karma or len(karma) < MOST):
                karma[nick] = karma.get(nick, 0) + (1 if sign == "++" else -1)
        self.save(m["ID"])
        if not m.get("REPLAY"):
            self.answer(m)

    def asked(self, m):
        """Answers a direct message, however long it has waited. It answers before it saves: rather twice than never."""
        self.answer(m, TO=[m["FROM"]])
        self.save(m["ID"])

    def answer(self, m, **to):
        """Answers questions. No answer is a question, so two bots do not talk for ever."""
        match m["MSG"].lower().split():
            case ["karma"]:
                self.send(CMD="SEND", MSG="bob++ and bob-- in the room count; ask me: karma bob", **to)
            case ["karma", nick]:
                self.send(CMD="SEND", MSG=f"{nick} has {self.state['karma'].get(nick, 0)}", **to)

    def send(self, **frame):
        print(json.dumps(frame), file=self.ssh.stdin, flush=True)


def main(file, *ssh_arguments):
    bot, pause = Bot(file), 1
    while True:
        began = time.monotonic()
        try:
            with subprocess.Popen([*SSH, *ssh_arguments, "json"], encoding="utf-8",
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ssh:
                bot.session(ssh)
        except BrokenPipeError:
            pass  # the session ended while the bot wrote; ssh reports why
        pause = 1 if time.monotonic() - began > 60 else min(2 * pause, 60)
        time.sleep(pause * random.uniform(0.5, 1))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
