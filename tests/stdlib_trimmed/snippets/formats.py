# %% json
import json
from decimal import Decimal
print(json.dumps({"b": [1, 2.5, None, True, "é\n\u2028"], "a": {"x": ()}}, sort_keys=True), json.dumps([1], indent=2), json.dumps("é", ensure_ascii=False), json.dumps({1: 2, None: 3}))
print(json.loads('{"a": [1, 2e3, "\\u00e9", null, -0.0]}'), json.loads("1.10", parse_float=Decimal), json.loads('{"a":1}', object_hook=lambda d: list(d.items())), json.loads(b'"x"'), json.dumps(float("nan")))
class E(json.JSONEncoder):
    def default(self, o): return list(o)
print(E(separators=(",", ":")).encode({"s": {1}}), json.JSONDecoder().raw_decode("[1] tail"), "".join(json.JSONEncoder().iterencode([{"a": 1}])))
for bad in ("{", "[1,]", "nul", '{"a" 1}', '"\x01"', ""):
    try:
        json.loads(bad)
    except json.JSONDecodeError as error:
        print(error)
for bad in (object, {1}, {(): 1}):
    try:
        json.dumps(bad)
    except TypeError as error:
        print(error)
loop = []; loop.append(loop)
try:
    json.dumps(loop)
except ValueError as error:
    print(error)
# %% csv
import csv, io
out = io.StringIO()
w = csv.writer(out); w.writerow(["a,b", 'q"q', 1, None, 2.5]); w.writerows([[1, 2]])
d = csv.DictWriter(out, ["x", "y"], delimiter=";"); d.writeheader(); d.writerow({"x": 1, "y": "a;b"})
print(repr(out.getvalue()), list(csv.reader(["a,'b,c'"], quotechar="'")), list(csv.DictReader(["h1,h2", "1,2"])), csv.Sniffer().sniff("a;b;c\n1;2;3\n").delimiter, csv.list_dialects())
# %% pickle
import io, pickle
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import datetime
from fractions import Fraction
class A:
    def __init__(self, x): self.x = x
    def __eq__(self, o): return self.x == o.x
    def __reduce__(self): return (A, (self.x,))
class B:
    def __getstate__(self): return {"y": 1}
    def __setstate__(self, s): self.y = s["y"] + 1
data = [1, 2.5, "é", b"b", None, (1, {2}), {"k": [frozenset([3])]}, Counter("aab"), OrderedDict(a=1), deque([1]), datetime(2024, 1, 1), Fraction(1, 3), A(5), range(3), complex(1, 2), len, A, 10**30, bytearray(b"x"), Ellipsis]
for p in range(pickle.HIGHEST_PROTOCOL + 1):
    assert pickle.loads(pickle.dumps(data, p)) == data, p
print(pickle.loads(pickle.dumps(B())).y, pickle._loads(pickle._dumps(data)) == data)
l = []; l.append(l); print(pickle.loads(pickle.dumps(l))[0][0].__class__)
try:
    pickle.dumps(lambda: 0)
except Exception as error:
    print(type(error).__name__)
class P(pickle.Pickler):
    def persistent_id(self, o): return "id" if o == "special" else None
f = io.BytesIO(); P(f).dump(["special"]); print(len(f.getvalue()))
# %% base64_binascii
import base64, binascii
print(base64.b64encode(b"hi\xff"), base64.b64decode("aGk="), base64.urlsafe_b64encode(b"\xff\xfe"), base64.b32encode(b"x"), base64.b85encode(b"hello"), base64.a85decode(base64.a85encode(b"data")), base64.b16encode(b"\x0f"))
print(binascii.hexlify(b"ab", "-"), binascii.unhexlify("6162"), binascii.crc32(b"hello"), binascii.crc_hqx(b"x", 0), binascii.a2b_qp(b"=41"))
try:
    base64.b64decode("abc", validate=True)
except binascii.Error as error:
    print(error)
# %% hashlib_hmac
import hashlib, hmac
for name in sorted(hashlib.algorithms_guaranteed):
    h = hashlib.new(name, b"data")
    print(name, h.hexdigest(8) if name.startswith("shake") else h.hexdigest())
print(hashlib.sha256(b"a").digest_size, hashlib.blake2b(b"x", digest_size=8, key=b"k", person=b"p").hexdigest(), hmac.new(b"k", b"m", "sha256").hexdigest(), hmac.compare_digest("a", "b"), hmac.digest(b"k", b"m", "md5").hex())
try:
    hashlib.new("nope")
except ValueError as error:
    print(error)
# %% configparser_tomllib
import configparser, io, tomllib
c = configparser.ConfigParser()
c.read_string("[a]\nx = 1\ny: %(x)s2\n[b]\nflag = yes\n")
print(c["a"]["y"], c.getboolean("b", "flag"), c.sections(), c.getint("a", "x"), c.get("a", "zz", fallback="f"))
out = io.StringIO(); c.write(out); print(out.getvalue())
print(tomllib.loads('a = 1\n[t]\nd = 2024-01-01T00:00:00Z\nx = [1, "two", {k = 3.5}]\n"q.r" = """m\nn"""'))
for text in ("a = ", "[x", "a=1\na=2"):
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        print(error)
try:
    c.get("nope", "x")
except configparser.NoSectionError as error:
    print(error)
# %% marshal
import marshal
print(marshal.loads(marshal.dumps([1, "x", (2.5, None), {"a": b"b"}, frozenset([1])])))
code = marshal.loads(marshal.dumps((lambda x: x + 1).__code__))
import types
print(types.FunctionType(code, {})(4))
