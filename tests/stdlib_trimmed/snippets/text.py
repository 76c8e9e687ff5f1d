# %% re
import re
print(re.findall(r"(\w)(\d+)", "a1 b22"), re.sub(r"(?P<n>\d+)", lambda m: str(int(m["n"]) * 2), "4 and 5"), re.split(r"[,;]\s*", "a, b;c"))
print(re.match(r"(?i)HELLO(?=\s)", "hello x"), re.fullmatch(r"\d{3,}", "1234").group(), re.compile("a.c", re.S).search("xa\nc").span(), re.escape("a.b*c"))
print(re.search(r"(?<!x)y", "xyzy").start(), re.sub(r"\bfoo\b", r"[\g<0>]", "foo food"), re.compile(r"""
  (\d+)   # number
  \s*(\w+)""", re.X).match("12 abc").groups(), re.search("ß", "SS", re.I), list(re.finditer("a", "banana"))[-1].span())
print(re.compile(r"(?P<y>\d{4})-(?P<m>\d\d)").match("2024-05").groupdict(), re.sub("(a)|b", r"\1x", "ab"), re.findall(r"(?>a+)b|c*+", "aab"), re.NOFLAG)
for bad in ("(", "*a", "[z-a]", r"(?P<1>x)", r"\8"):
    try:
        re.compile(bad)
    except re.error as error:
        print(error)
print(re.Scanner([(r"\d+", lambda s, t: int(t)), (r"\s+", None)]).scan("1 22"), re.compile("x"), re.template if hasattr(re, "template") else "")
# %% string
import string
print(string.Template("$who likes ${what}").substitute(who="a", what="b"), string.Template("$x").safe_substitute(), string.capwords("a bc d"), string.ascii_letters, string.punctuation)
class F(string.Formatter):
    def get_value(self, key, args, kwargs): return kwargs.get(key, f"<{key}>") if isinstance(key, str) else args[key]
print(F().format("{0} {a} {b!r:>5}", 1, b=2), list(string.Formatter().parse("x{y:z}")))
# %% formatting
print("%5.2f|%-5s|%05d|%x|%r" % (3.14159, "ab", 42, 255, "q"), f"{3.14159:.3e} {1234567:,} {0.256:.1%} {255:#010b} {'x':^7} {'é':*>4}", "{:>{w}}".format(5, w=4), f"{10:n}")
# %% textwrap_difflib
import difflib, textwrap
print(textwrap.fill("the quick brown fox jumps over the lazy dog", 16), textwrap.dedent("  a\n   b\n"), textwrap.shorten("a b c d e f", 8), textwrap.indent("a\nb", "> "))
print("".join(difflib.unified_diff(["a\n", "b\n"], ["a\n", "c\n"], "x", "y")), difflib.get_close_matches("appel", ["ape", "apple"]), difflib.SequenceMatcher(None, "abcd", "bcde").ratio())
print("\n".join(difflib.ndiff(["one"], ["ore"])), len(difflib.HtmlDiff().make_table(["a"], ["b"])))
# %% unicodedata
import unicodedata
print(unicodedata.name("é"), unicodedata.normalize("NFD", "é").encode(), unicodedata.category("A"), unicodedata.lookup("SNOWMAN"), unicodedata.east_asian_width("中"), "\N{BULLET}", unicodedata.numeric("½"), "ǅ".lower())
# %% html
import html
from html.parser import HTMLParser
print(html.escape("<a href='x'>&"), html.unescape("&lt;&eacute;&#65;&#x42;&notit;"))
class P(HTMLParser):
    def handle_starttag(self, tag, attrs): print("start", tag, attrs)
    def handle_data(self, data): print("data", data)
    def handle_endtag(self, tag): print("end", tag)
P().feed("<p class='a' id=b>hi &amp; <br/><!-- c --> you</p>")
# %% urllib_parse
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urljoin, urlparse, urlsplit, urlunsplit
u = urlparse("https://user:pw@host.example:8080/a/b;p?q=1&r=2#frag")
print(u, u.port, u.hostname, u.username, parse_qs("a=1&a=2&b="), quote("a b/ü"), unquote("a%20b%C3%BC"), urlencode({"x": [1, 2]}, doseq=True), urljoin("http://a/b/c", "../d"))
print(urlsplit("//x/y?z"), u.geturl(), u._replace(path="/new").geturl(), parse_qsl("a=1;b=2"))
# %% shlex_fnmatch_glob
import fnmatch, glob, os, shlex
print(shlex.split("a 'b c' \"d\\\"e\" f#g"), shlex.quote("it's"), shlex.join(["a b", "c"]), fnmatch.filter(["a.py", "b.txt"], "*.py"), fnmatch.translate("a*[!b]?"), glob.escape("[x]*"), glob.glob("/proc/self/stat"))
# %% locale
import locale
print(locale.localeconv()["decimal_point"], locale.atof("1.5"), locale.format_string("%d", 1234567, grouping=True), locale.normalize("en_US"), locale.strxfrm("a"))
# %% ipaddress
import ipaddress
n = ipaddress.ip_network("192.168.0.0/29")
print(n.num_addresses, list(n.hosts())[0], ipaddress.ip_address("::1").is_loopback, ipaddress.IPv4Address("10.0.0.1") in ipaddress.ip_network("10.0.0.0/8"), ipaddress.IPv6Address("2001:db8::1").exploded)
try:
    ipaddress.ip_address("1.2.3")
except ValueError as error:
    print(error)
# %% encodings
import codecs
text = "Grüße, €, 中"
for name in ("utf-8", "utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "UTF8", "u8"):
    assert text.encode(name).decode(name) == text, name
print("é".encode("latin-1"), "é".encode("cp1252"), "Я".encode("cp1251"), "é".encode("iso-8859-15"), "ő".encode("iso8859-2"), "a".encode("ascii"), "é".encode("ascii", "replace"), "é".encode("ascii", "xmlcharrefreplace"), "é".encode("ascii", "backslashreplace"), b"\xff".decode("utf-8", "replace"), b"\xff".decode("utf-8", "surrogateescape").encode("utf-8", "surrogateescape"))
print(codecs.encode("abc", "rot13"), codecs.encode(b"ab", "hex"), codecs.decode("YWI=\n".encode(), "base64"), "bücher".encode("idna"), "bücher".encode("punycode"), "a\\n".encode().decode("unicode_escape"), codecs.lookup("latin1").name, codecs.BOM_UTF8)
for bad in (lambda: "é".encode("ascii"), lambda: b"\xff".decode(), lambda: "x".encode("nope"), lambda: codecs.lookup("klingon")):
    try:
        bad()
    except (UnicodeError, LookupError) as error:
        print(type(error).__name__, error)
d = codecs.getincrementaldecoder("utf-8")()
print(d.decode(b"\xc3"), d.decode(b"\xa9"), next(codecs.iterdecode([b"a"], "utf-8")))
