"""Send a message from USER_A to USER_B of an instance and show it arriving: first_message.py ENV."""

import imaplib
import shlex
import smtplib
import ssl
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

WAIT_SECONDS = 20


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        env = dict(shlex.split(line)[0].split("=", 1) for line in lines if "=" in line)
    tls = ssl.create_default_context(cafile=env["CAFILE"])
    message = EmailMessage()
    message["From"] = f"Ann <{env['USER_A']}>"
    message["To"] = f"Ben <{env['USER_B']}>"
    message["Subject"] = "The first message"
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = make_msgid(domain=env["USER_A"].partition("@")[2])
    message.set_content("It went in by submission, through authd and deliver into your Maildir,\n"
                        "and you are reading it over IMAP.\n")
    began = time.monotonic()
    with smtplib.SMTP(env["HOST"], int(env["SUBMISSION_PORT"]), timeout=WAIT_SECONDS) as smtp:
        smtp.starttls(context=tls)
        smtp.login(env["USER_A"], env["PASS_A"])
        smtp.send_message(message)
    accepted = time.monotonic()
    with imaplib.IMAP4_SSL(env["HOST"], int(env["IMAPS_PORT"]), ssl_context=tls,
                           timeout=WAIT_SECONDS) as imap:
        imap.login(env["USER_B"], env["PASS_B"])
        while True:
            imap.select("INBOX", readonly=True)
            found = imap.search(None, "HEADER", "Message-ID", message["Message-ID"])[1][0].split()
            if found:
                break
            if time.monotonic() - began > WAIT_SECONDS:
                sys.exit("run: it was accepted, but did not appear in the INBOX")
            time.sleep(0.05)
        parts = imap.fetch(found[-1], "(BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT)] BODY.PEEK[TEXT])")[1]
    for part in parts:
        if isinstance(part, tuple):
            for line in part[1].decode().rstrip().splitlines():
                print(f"    | {line}")
    print(f"run: accepted after {1000 * (accepted - began):.0f} ms, "
          f"read over IMAP after {1000 * (time.monotonic() - began):.0f} ms")


if __name__ == "__main__":
    try:
        main()
    except (OSError, smtplib.SMTPException, imaplib.IMAP4.error) as e:
        sys.exit(f"run: {type(e).__name__}: {e}")
