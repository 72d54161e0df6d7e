"""Messages of every kind, the same ones for the same seed.

    for message in mailgen.messages(500, seed=7): ...      bytes with CRLF, each with its own subject
    mailgen.plain("subject", "body")                       one simple message
    mailgen.ODD                                            name -> bytes: shapes that break careless code

Nothing here looks at a clock: dates come from the seed.
"""

import base64
import email.header
import email.utils
import quopri
import random

WORDS = ("post room letter box stamp seal paper ink quill desk lamp carrier pigeon road ferry harbour "
         "ledger clerk parcel string wax envelope signal lantern bridge market garden winter summer").split()
UNICODE = ["Grüße aus Köln", "Привет, мир", "こんにちは世界", "مرحبا بالعالم", "שלום עולם", "नमस्ते", "한국어 제목",
           "naïve café – “quoted”", "emoji 📬✉️🏤", "combining é ñ", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "Ελληνικά"]
CHARSETS = [("us-ascii", WORDS[0]), ("iso-8859-1", "Grüße aus Köln"), ("iso-8859-15", "Preis: 5 €"),
            ("windows-1252", "“quoted” – dash"), ("utf-8", "Привет 📬"), ("koi8-r", "Привет, мир"),
            ("iso-2022-jp", "こんにちは"), ("gb18030", "你好"), ("euc-kr", "한국어"), ("utf-16", "wide")]
EPOCH = 1_600_000_000


def crlf(text):
    if isinstance(text, str):
        text = text.encode("utf-8")
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def header_block(fields):
    return "".join(f"{name}: {value}\n" for name, value in fields)


def encoded(text):
    return text if text.isascii() else email.header.Header(text, "utf-8", maxlinelen=70).encode()


def sentence(rnd, words=8):
    return " ".join(rnd.choice(WORDS) for _ in range(words)).capitalize() + "."


def paragraphs(rnd, count):
    return "\n\n".join("\n".join(sentence(rnd, 9) for _ in range(rnd.randint(1, 6)))
                       for _ in range(count)) + "\n"


def envelope(rnd, subject, number, extra=()):
    """The usual fields, with the variation found in real mailboxes."""
    day = email.utils.formatdate(EPOCH + 3600 * number + rnd.randrange(3600), localtime=False)
    fields = [("From", rnd.choice(['"Ann Ang" <ann@example.net>', "ben@example.org (Ben)",
                                   "=?utf-8?q?J=C3=BCrgen?= <j@example.net>", "<only@example.com>"])),
              ("To", rnd.choice(["list@example.net", "undisclosed-recipients:;",
                                 "a@example.net,\n b@example.net,\n\tC <c@example.net>"])),
              ("Subject", encoded(subject)),
              ("Date", day),
              ("Message-ID", f"<{number}.{rnd.randrange(1 << 32):08x}@mailgen.example.net>")]
    if rnd.random() < 0.3:
        fields.append(("In-Reply-To", f"<{max(0, number - 1)}.x@mailgen.example.net>"))
        fields.append(("References", "\n ".join(f"<{k}.x@mailgen.example.net>" for k in range(rnd.randint(1, 20)))))
    if rnd.random() < 0.2:
        fields.append(("Cc", ", ".join(f"user{k}@example.net" for k in range(rnd.randint(1, 60)))))
    if rnd.random() < 0.1:
        fields.append(("X-Long", "x" * rnd.randint(200, 900)))
    fields.extend(extra)
    rnd.shuffle(fields)
    return fields


def plain(subject="A message", body="Hello.\n", sender="ann@example.net", to="ben@example.test", number=1):
    return crlf(header_block([("From", sender), ("To", to), ("Subject", encoded(subject)),
                              ("Date", email.utils.formatdate(EPOCH + number, localtime=False)),
                              ("Message-ID", f"<{number}.{abs(hash((subject, body))):x}@mailgen.example.net>")])
                + "\n" + body)


# ---------------------------------------------------------------- kinds

def kind_plain(rnd, subject, number):
    return crlf(header_block(envelope(rnd, subject, number)) + "\n" + paragraphs(rnd, rnd.randint(1, 5)))


def kind_charset(rnd, subject, number):
    charset, text = rnd.choice(CHARSETS)
    raw = (text + "\n" + sentence(rnd) + "\n").encode(charset, errors="replace")
    if charset == "utf-16" or rnd.random() < 0.5:
        body, how = base64.encodebytes(raw), "base64"
    else:
        body, how = quopri.encodestring(raw), "quoted-printable"
    fields = envelope(rnd, subject, number, [("MIME-Version", "1.0"),
                                             ("Content-Type", f'text/plain; charset="{charset}"'),
                                             ("Content-Transfer-Encoding", how)])
    return crlf(header_block(fields) + "\n") + crlf(body)


def kind_8bit(rnd, subject, number):
    fields = envelope(rnd, subject, number, [("MIME-Version", "1.0"),
                                             ("Content-Type", "text/plain; charset=utf-8"),
                                             ("Content-Transfer-Encoding", "8bit")])
    return crlf(header_block(fields) + "\n" + rnd.choice(UNICODE) + "\n" + paragraphs(rnd, 1))


def part(content_type, body, extra=""):
    return f"Content-Type: {content_type}\n{extra}\n{body}"


def multipart(rnd, subtype, parts, number, preamble="This is a multi-part message.\n", epilogue=""):
    mark = f"=_{number}_{rnd.randrange(1 << 30):x}"
    body = preamble + "".join(f"--{mark}\n{p}\n" for p in parts) + f"--{mark}--\n" + epilogue
    return f'multipart/{subtype};\n boundary="{mark}"', body


def kind_alternative(rnd, subject, number):
    kind, body = multipart(rnd, "alternative", [
        part("text/plain; charset=utf-8", rnd.choice(UNICODE) + "\n", "Content-Transfer-Encoding: 8bit\n"),
        part("text/html; charset=utf-8", f"<html><body><p>{sentence(rnd)}</p></body></html>\n")], number)
    return crlf(header_block(envelope(rnd, subject, number, [("MIME-Version", "1.0"), ("Content-Type", kind)]))
                + "\n" + body)


def attachment(rnd, size):
    raw = rnd.randbytes(size)
    name = rnd.choice(["scan.pdf", "=?utf-8?q?Gr=C3=BC=C3=9Fe.doc?=", "a b c.txt"])
    how = rnd.choice([f'name="{name}"', "name*=utf-8''Gr%C3%BC%C3%9Fe.pdf",
                      "name*0*=utf-8''Gr%C3%BC;\n name*1=sse.pdf"])
    return part(f"application/octet-stream; {how}", base64.encodebytes(raw).decode(),
                "Content-Transfer-Encoding: base64\nContent-Disposition: attachment\n")


def kind_mixed(rnd, subject, number):
    inner_kind, inner = multipart(rnd, "alternative", [part("text/plain", sentence(rnd) + "\n"),
                                                       part("text/html", "<p>x</p>\n")], number, "")
    parts = [part(inner_kind, inner)] + [attachment(rnd, rnd.randint(1, 20_000))
                                         for _ in range(rnd.randint(1, 4))]
    kind, body = multipart(rnd, "mixed", parts, number, epilogue=rnd.choice(["", "\n", "Epilogue\n"]))
    return crlf(header_block(envelope(rnd, subject, number, [("MIME-Version", "1.0"), ("Content-Type", kind)]))
                + "\n" + body)


def kind_forwarded(rnd, subject, number):
    inner = kind_alternative(rnd, "Fwd: " + subject, number + 100_000).decode("utf-8").replace("\r\n", "\n")
    kind, body = multipart(rnd, "mixed", [part("text/plain", "See below.\n"),
                                          part("message/rfc822", inner)], number)
    return crlf(header_block(envelope(rnd, subject, number, [("MIME-Version", "1.0"), ("Content-Type", kind)]))
                + "\n" + body)


def kind_dots(rnd, subject, number):
    lines = ["", ".", "..", "...", ".x", "x.", " .", ".\t.", "-", "--", "From here on", ">From there"]
    rnd.shuffle(lines)
    return crlf(header_block(envelope(rnd, subject, number)) + "\n" + "\n".join(lines) + "\n")


def kind_no_end(rnd, subject, number):
    """No line end after the last line: what a client appends, stays so."""
    return kind_plain(rnd, subject, number)[:-2]


def kind_long_lines(rnd, subject, number):
    body = "\n".join("".join(rnd.choice("abcdefgh ") for _ in range(rnd.randint(900, 990))) for _ in range(5))
    return crlf(header_block(envelope(rnd, subject, number)) + "\n" + body + "\n")


def kind_empty(rnd, subject, number):
    return crlf(header_block(envelope(rnd, subject, number)) + "\n")


KINDS = [kind_plain, kind_plain, kind_plain, kind_charset, kind_charset, kind_8bit, kind_alternative,
         kind_mixed, kind_forwarded, kind_dots, kind_long_lines, kind_empty]


def messages(count, seed=1, kinds=None):
    """Varied messages as bytes; subject "N of COUNT ..." and Message-ID tell them apart."""
    rnd = random.Random(seed)
    for number in range(1, count + 1):
        text = rnd.choice(UNICODE) if rnd.random() < 0.3 else sentence(rnd, 4)
        kind = rnd.choice(kinds or KINDS)
        yield kind(rnd, f"{number} of {count} {text}", number)


def subject_of(message):
    for line in message.split(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").split(b"\r\n"):
        if line.lower().startswith(b"subject:"):
            return str(email.header.make_header(email.header.decode_header(line[8:].strip().decode())))
    return ""


# ---------------------------------------------------------------- odd ones

def _nested(depth):
    text = "Content-Type: text/plain\n\ndeep\n"
    for level in range(depth):
        text = f'Content-Type: multipart/mixed; boundary="b{level}"\n\n--b{level}\n{text}\n--b{level}--\n'
    return text


ODD = {
    "no header at all": b"\r\njust a body\r\n",
    "no body": b"Subject: no body\r\n\r\n",
    "no blank line": b"Subject: header only\r\n",
    "no colon": b"Subject: x\r\nthis is no field\r\n\r\nbody\r\n",
    "space before colon": b"Subject : spaced\r\n\r\nbody\r\n",
    "first line folded": b" folded first\r\nSubject: x\r\n\r\nbody\r\n",
    "empty fold": b"Subject: x\r\n \r\n y\r\n\r\nbody\r\n",
    "8-bit header": "Subject: Grüße roh\r\n\r\nbody\r\n".encode("latin-1"),
    "utf-8 header": "Subject: Grüße 📬\r\n\r\nbody\r\n".encode(),
    "two subjects": b"Subject: one\r\nSubject: two\r\n\r\nbody\r\n",
    "bad date": b"Subject: date\r\nDate: Foo, 99 Bar 2999 77:88:99 +9999\r\n\r\nbody\r\n",
    "bad encoded word": b"Subject: =?utf-8?b?####?= =?x-none?q?=zz?= =?utf-8?q?=E2=82?=\r\n\r\nbody\r\n",
    "bad charset": b"Subject: c\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=\"../../x\"\r\n\r\nb\r\n",
    "boundary missing": b"Subject: m\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\n--x\r\n\r\nb\r\n",
    "boundary never": b"Subject: m\r\nContent-Type: multipart/mixed; boundary=zz\r\n\r\nno such line\r\n",
    "boundary cut": b"Subject: m\r\nContent-Type: multipart/mixed; boundary=zz\r\n\r\n--zz\r\n\r\nend is missing\r\n",
    "same boundary inside": b"Subject: m\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
                            b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n--a--\r\n",
    "base64 with rubbish": b"Subject: b\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!QUJD****\r\n=====\r\n",
    "rfc822 without end": b"Subject: r\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner",
    "long field name": b"X-" + b"a" * 900 + b": y\r\n\r\nbody\r\n",
    "group addresses": b"To: a:b@x,c@y;,d@z\r\nFrom: (only a comment)\r\nSubject: g\r\n\r\nbody\r\n",
    "unbalanced quotes": b"From: \"no end <a@b>\r\nTo: (((((\r\nSubject: q\r\n\r\nbody\r\n",
    "many received": b"".join(b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n" for _ in range(25))
                     + b"Subject: hops\r\n\r\nbody\r\n",
    "nested fifty": crlf("Subject: nested\nMIME-Version: 1.0\n" + _nested(50)),
    "thousand parts": crlf("Subject: parts\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=p\n\n"
                           + "--p\n\nx\n" * 1000 + "--p--\n"),
    "comment nest": b"From: " + b"(" * 200 + b")" * 200 + b" a@b\r\nSubject: n\r\n\r\nbody\r\n",
}
