"""Texts without the credentials of addresses: of users in front of a host, of queries, of ODBC and
libpq settings, of headers, and all of these within JSON or behind percent signs.

Where it is uncertain how far a password goes, more is left out rather than less.
"""

import re
from urllib.parse import unquote

__all__ = ["without_credentials"]

HIDDEN = "…"
ENDING_QUOTE = r"""['"`](?=[\s,;:)}\]\\]|$)"""
WORD = rf"(?:(?!{ENDING_QUOTE})(?!\w{{1,20}}://)\S)"  # a character that may stand in a password
ADDRESS = re.compile(
    rf"""(?<![\w+.-])(?P<scheme>[a-z][\w+.-]+?)(?P<slashes>:\\/\\/|://|:/(?!/)|%3A%2F%2F)
    (?P<rest>{WORD}*)(?P<more>(?:[ ][^\s@:/'"]+){{0,4}}[ ]?[^\s@:/'"]*@(?=[\w\[]))?""",
    re.IGNORECASE | re.VERBOSE,
)
PORT = re.compile(r"""\d+(?:[/?#'"`,;:)}\]\\]|$)""")
WITH_PORTS = ("http", "https", "tcp", "ws", "wss", "grpc", "ray")
WITHOUT_SCHEME = re.compile(  # and Oracle's form
    rf"""(?:(?<![\w:@.%+/-])|(?<=//))[a-z][\w.%+-]*:(?!//){WORD}*@
    (?=localhost\b|[\w-]+(?:\.[\w-]+)+|[\w-]+:\d|[\w-]+/)
    |(?<=:thin:)[^\s@'"]+@""",
    re.IGNORECASE | re.VERBOSE,
)
SETTING = re.compile(
    r"""(?:(?<![\w.%-])|(?<=%3D))(?P<key>(?:[\w.-]|%(?!3D|25)[0-9a-f]{2}){1,80})(?:\[\w*\])?
    (?P<separator>(?:\\*['"])?\s*(?:=|:|%3D|%253D|,(?=\s*\\*['"]))\s*)""",
    re.IGNORECASE | re.VERBOSE,
)
SECRET_KEY = re.compile(
    r"password|passwd|passphrase|passcode|pwd|secret|token|signature|credential|authorization|"
    r"(?:access|account|api|auth|client|encryption|master|private|security|session|shared|storage|"
    r"subscription)key|^(?:pass|pw|sas|sig|auth|cookie|setcookie)$"
)
NO_SECRET = re.compile(r"(?:name|file|path|folder|type|uri|url|expiry|expires|size|dim|tokens)$")
IN_TEXT = re.compile(
    r"^(?:.*-.*(?:key|token)|(?:proxy-)?authorization|(?:set-)?cookie|passw.*|pwd)$"
)
BRACES = re.compile(r"\{(?:[^}]|\}\})*(?:\}|$)")
ESCAPED = re.compile(r"""\\+(['"]).*?(?:\\+\1|$)""", re.DOTALL)
QUOTED = re.compile(r"""(['"])(?:\\.|\1\1|(?!\1).)*(?:\1|$)""", re.DOTALL)
HEADER = re.compile(r"(?:basic|bearer|digest|negotiate|token)\s+\S+", re.IGNORECASE)
ENCODED = re.compile(r"""(?:%7B.*?%7D|(?!%3B|%26|%253B|%2526)[^\s&'"])*""", re.IGNORECASE)
OF_QUERY = re.compile(rf"(?:(?!&){WORD})*")
WITH_BLANKS = re.compile(rf"(?:(?!{ENDING_QUOTE})[^;\n])*")  # after a semicolon, as ODBC has it
BEFORE_ANOTHER = re.compile(r"[^;=\n]*(?=;\s*[\w ]+=)")
PLAIN = re.compile(rf"(?:\\.|(?![;&]){WORD})*")
CLOSING = ".,)]}'\""


def without_credentials(text: str) -> str:
    """The text, an error's perhaps, with ``user:password@`` of every address in it left out, and
    the value of every setting such as ``password=`` or ``X-Amz-Signature=``.
    """
    return _without_settings(WITHOUT_SCHEME.sub("", ADDRESS.sub(_without_user, text)))


def _without_user(found: re.Match[str]) -> str:
    scheme, slashes, rest = found["scheme"], found["slashes"], found["rest"]
    more, at = found["more"] or "", "%40" if slashes.startswith("%") else "@"
    password = _has_password(scheme, re.sub("%3A", ":", rest, flags=re.IGNORECASE))
    if password and at not in rest:
        rest, more = rest + more, ""
    front = rest if password else re.split(r"[/?#]|%2F", rest, maxsplit=1)[0]
    if at in front:
        rest = rest[front.rfind(at) + len(at) :]
    return f"{scheme}{slashes}{rest}{more}"


def _has_password(scheme: str, rest: str) -> bool:
    """A slash may stand in a password; digits alone are a port in addresses of servers."""
    user, _, after = rest.partition(":")
    if not after or re.search(r"""[/@'"\[]""", user):
        return False
    return not (scheme.lower().rpartition("+")[2] in WITH_PORTS and PORT.match(after))


def _without_settings(text: str) -> str:
    done, position = "", 0
    while found := SETTING.search(text, position):
        done += text[position : found.end()]
        position = found.end()
        if _is_secret(found, text):
            end = _end_of_value(found, text)
            done += HIDDEN if text[position:end] not in ("", HIDDEN) else text[position:end]
            position = end
    return done + text[position:]


def _is_secret(found: re.Match[str], text: str) -> bool:
    key = re.split(r"[;&?{}]", unquote(found["key"]))[-1].lower()
    name = re.sub(r"[^a-z0-9]", "", key)
    if name == "key":  # of a query, as Google has it
        return text[: found.start()].endswith(("?", "&"))
    if not SECRET_KEY.search(name) or NO_SECRET.search(name):
        return False
    in_words = found["separator"].strip() in (":", ",")
    return not in_words or IN_TEXT.match(key) is not None


def _end_of_value(found: re.Match[str], text: str) -> int:
    """Where the value ends that begins behind the separator."""
    start, before = found.end(), text[: found.start()].rstrip()[-1:]
    for whole in (BRACES, ESCAPED, QUOTED, HEADER):
        if value := whole.match(text, start):
            return value.end()
    if "%" in found["separator"]:
        return _end(ENCODED, text, start)
    if before in ("?", "&"):
        return start + len(text[start : _end(OF_QUERY, text, start)].rstrip(CLOSING))
    if before == ";":
        return _end(WITH_BLANKS, text, start)
    another = BEFORE_ANOTHER.match(text, start)
    if another:
        return another.end()
    return start + len(text[start : _end(PLAIN, text, start)].rstrip(CLOSING))


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    value = pattern.match(text, start)
    return start if value is None else value.end()
