#!/usr/bin/env python3
"""A second implementation of Holdfast's proofs, from docs/proofs.md and the standards alone.

Checks and makes what Sources/Proofs checks and makes, written another way: trees by recursion from
the definitions of RFC 6962, Ed25519 from the formulas of RFC 8032, batches from docs/log-format.md.
Uses nothing but Python's own library. Slow and plain on purpose.

  proof_check.py self-test                          known answers of the standards
  proof_check.py check PROOF --key KEY [--kept F]   one proof: a JSON object, status 1 if it fails
  proof_check.py answer < questions > answers       a JSON object a line, see `answer`
  proof_check.py make SEED                          proofs and forgeries for others to check
"""

import argparse
import base64
import hashlib
import json
import random
import struct
import sys


class Wrong(Exception):
    """What is wrong with a proof."""


# Ed25519 (RFC 8032, 5.1) -----------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def add(p, q):
    """Sum of two points in extended coordinates (X, Y, Z, T)."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(number, point):
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def x_of(y, sign):
    """The x of a point with this y, None if there is none."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def encode_point(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode_point(data):
    number = int.from_bytes(data, "little")
    y = number & (1 << 255) - 1
    x = x_of(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (x_of(BASE_Y, 0), BASE_Y, 1, x_of(BASE_Y, 0) * BASE_Y % P)


def sha512_number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def expand(secret):
    digest = hashlib.sha512(secret).digest()
    number = int.from_bytes(digest[:32], "little")
    return number & (1 << 254) - 8 | 1 << 254, digest[32:]


def public_key(secret):
    return encode_point(multiply(expand(secret)[0], BASE))


def sign(secret, message):
    scalar, prefix = expand(secret)
    public = encode_point(multiply(scalar, BASE))
    r = sha512_number(prefix, message) % L
    point = encode_point(multiply(r, BASE))
    s = (r + sha512_number(point, public, message) * scalar) % L
    return point + s.to_bytes(32, "little")


def is_signed(public, signature, message):
    if len(public) != 32 or len(signature) != 64:
        return False
    key, point = decode_point(public), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or point is None or s >= L:
        return False
    k = sha512_number(signature[:32], public, message) % L
    left, right = multiply(s, BASE), add(point, multiply(k, key))
    return encode_point(left) == encode_point(right)


# Merkle trees (RFC 6962, 2.1) ------------------------------------------------------------------

def leaf_hash(data):
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count):
    """The largest power of two below count."""
    return 1 << (count - 1).bit_length() - 1


def tree_hash(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(tree_hash(leaves[:k]), tree_hash(leaves[k:]))


def inclusion(index, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return inclusion(index, leaves[:k]) + [tree_hash(leaves[k:])]
    return inclusion(index - k, leaves[k:]) + [tree_hash(leaves[:k])]


def consistency(old, leaves):
    def part(old, leaves, is_whole):
        if old == len(leaves):
            return [] if is_whole else [tree_hash(leaves)]
        k = split(len(leaves))
        if old <= k:
            return part(old, leaves[:k], is_whole) + [tree_hash(leaves[k:])]
        return part(old - k, leaves[k:], False) + [tree_hash(leaves[:k])]
    return part(old, leaves, True) if 0 < old < len(leaves) else []


def root_from(leaf, index, size, path):
    """The root a path leads to, by going down to the leaf and coming back up."""
    if not 0 <= index < size:
        raise Wrong("no such leaf")
    if size == 1:
        if path:
            raise Wrong("the path is too long")
        return leaf
    if not path:
        raise Wrong("the path is too short")
    k = split(size)
    if index < k:
        return node_hash(root_from(leaf, index, k, path[:-1]), path[-1])
    return node_hash(path[-1], root_from(leaf, index - k, size - k, path[:-1]))


def roots_from(old, size, path, old_root):
    """Both roots that a consistency path leads to; `old_root` stands for the old tree itself."""
    def part(old, size, path, is_whole):
        if old == size:
            if is_whole:
                if path:
                    raise Wrong("the path is too long")
                return old_root, old_root
            if len(path) != 1:
                raise Wrong("the path has the wrong length")
            return path[0], path[0]
        if not path:
            raise Wrong("the path is too short")
        k, last = split(size), path[-1]
        if old <= k:
            first, second = part(old, k, path[:-1], is_whole)
            return first, node_hash(second, last)
        first, second = part(old - k, size - k, path[:-1], False)
        return node_hash(last, first), node_hash(last, second)
    return part(old, size, path, True)


def is_consistent(old, old_root, size, root, path):
    if old > size:
        return False
    if old == size:
        return not path and old_root == root
    if old == 0:
        return not path and old_root == tree_hash([])
    try:
        return roots_from(old, size, path, old_root) == (old_root, root)
    except Wrong:
        return False


def is_included(leaf, index, size, root, path):
    try:
        return root_from(leaf, index, size, path) == root
    except Wrong:
        return False


# Signed notes and heads (C2SP signed-note, tlog-checkpoint, tlog-cosignature) ------------------

def from_base64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not the usual form of base64")
    return data


def key_id(name, key):
    return hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]


def key_text(name, kind, public):
    key = bytes([kind]) + public
    return f"{name}+{key_id(name, key).hex()}+{base64.b64encode(key).decode()}"


class Key:
    def __init__(self, text):
        self.name, given, encoded = text.split("+", 2)
        self.key = from_base64(encoded)
        self.id = key_id(self.name, self.key)
        if self.id.hex() != given:
            raise Wrong("the key's id is not its own")

    def has_signed(self, text, signature):
        if self.key[0] == 1:
            return is_signed(self.key[1:], signature, text.encode())
        if self.key[0] == 4 and len(signature) == 72:
            time = struct.unpack(">Q", signature[:8])[0]
            message = f"cosignature/v1\ntime {time}\n{text}"
            return is_signed(self.key[1:], signature[8:], message.encode())
        return False


def signature_line(name, key, signature):
    return "\u2014 %s %s\n" % (
        name, base64.b64encode(key_id(name, key) + signature).decode())


def sign_note(text, name, secret):
    key = b"\x01" + public_key(secret)
    return text + "\n" + signature_line(name, key, sign(secret, text.encode()))


def cosign_note(note, name, secret, time):
    text = note[:note.rindex("\n\n") + 1]
    message = f"cosignature/v1\ntime {time}\n{text}"
    signature = struct.pack(">Q", time) + sign(secret, message.encode())
    return note + signature_line(name, b"\x04" + public_key(secret), signature)


class Head:
    """A note that is a head, its signature by one key checked."""

    def __init__(self, note, key):
        middle = note.rindex("\n\n")
        self.text = note[:middle + 1]
        lines = self.text.split("\n")[:-1]
        if len(lines) < 3 or not all(lines):
            raise Wrong("a head has three lines or more")
        self.origin, self.size, self.root = lines[0], int(lines[1]), from_base64(lines[2])
        if str(self.size) != lines[1] or len(self.root) != 32 or self.origin != key.name:
            raise Wrong("the head is not one of this log")
        self.more = dict(line.split(" ", 1) for line in lines[3:])
        for line in note[middle + 2:].split("\n")[:-1]:
            mark, name, encoded = line.split(" ")
            if mark != "\u2014":
                raise Wrong("a line is no signature")
            data = from_base64(encoded)
            if name == key.name and data[:4] == key.id:
                if not key.has_signed(self.text, data[4:]):
                    raise Wrong("the head's signature is not the key's")
                return
        raise Wrong("the key did not sign the head")


# Proofs (docs/proofs.md) -----------------------------------------------------------------------

def batch_parts(batch, position):
    """Hash, previous hash, positions and the record of an event, of a batch's bytes."""
    magic, version, header, first, count, record, names, origin = struct.unpack_from(
        "<IHHQIIII", batch)
    if (magic, version, header, record) != (0x424C4648, 1, 96, 80) or origin not in (0, 40):
        raise Wrong("no batch begins here")
    if len(batch) != 96 + 80 * count + names + origin + 32:
        raise Wrong("the batch has another length than it says")
    digest = hashlib.sha256(batch[:-32]).digest()
    if digest != batch[-32:]:
        raise Wrong("the batch's bytes are not those of its hash")
    if not first <= position < first + count:
        raise Wrong("the position is not in the batch")
    start = 96 + 80 * (position - first)
    return digest, batch[64:96], first, first + count - 1, batch[start:start + 80]


def hashes(texts):
    found = [from_base64(text) for text in texts]
    if any(len(entry) != 32 for entry in found):
        raise Wrong("a hash has 32 bytes")
    return found


def check_inclusion(proof, key):
    head = Head(proof["head"], key)
    index, path = proof["leafIndex"], hashes(proof["path"])
    digest, previous, first, last, record = batch_parts(
        from_base64(proof["batch"]), proof["position"])
    if record != from_base64(proof["record"]):
        raise Wrong("the record is not the batch's")
    if not is_included(leaf_hash(digest), index, head.size, head.root, path):
        raise Wrong("the path does not lead to the root")
    before = hashes(proof["previousPath"])
    if index == 0:
        if previous != bytes(32) or before:
            raise Wrong("there is nothing before the first batch")
    elif not is_included(leaf_hash(previous), index - 1, head.size, head.root, before):
        raise Wrong("the batch does not continue the one before it")
    after, end = head.size - 1 - index, int(head.more["position"])
    if first <= index or last > end or after > end - last or (after == 0 and last != end):
        raise Wrong("the positions do not fit the place in the tree")
    if after == 0 and head.more["chain"] != digest.hex():
        raise Wrong("the head names another hash")
    return head, index, {
        link["size"]: hashes(link["path"]) for link in proof["links"]}, record


def check_consistency(proof, key):
    old, head = Head(proof["oldHead"], key), Head(proof["head"], key)
    path = hashes(proof["path"])
    if not is_consistent(old.size, old.root, head.size, head.root, path):
        raise Wrong("the log does not go on from the older head")
    return head, 0, {old.size: path}, b""


def check(text, key, kept=""):
    """What a proof shows, or Wrong."""
    proof, key = json.loads(text), Key(key)
    makers = {"holdfast/inclusion/1": check_inclusion, "holdfast/consistency/1": check_consistency}
    if proof["form"] not in makers:
        raise Wrong("not a proof")
    head, index, links, record = makers[proof["form"]](proof, key)
    covering = []
    for note in notes(kept):
        old = Head(note, key)
        if old.size != head.size and old.size not in links:
            continue
        if not is_consistent(
                old.size, old.root, head.size, head.root, links.get(old.size, [])):
            raise Wrong("the log is not the one of a kept head")
        if old.size > index:
            covering.append(old.size)
    return {"valid": True, "size": head.size, "record": record.hex(),
            "kept": min(covering, default=None)}


def notes(text):
    """The notes of a file of heads."""
    current = ""
    for line in text.splitlines(keepends=True):
        is_signature = line.startswith("\u2014 ")
        if current and "\n\u2014 " in current and not is_signature:
            yield current
            current = ""
        if not current and (line == "\n" or line.startswith("received ")):
            continue
        current += line
    if current:
        yield current


# Being asked, and asking others ----------------------------------------------------------------

def answer(question):
    """One question of another implementation, the same way it would be answered there."""
    kind = question["ask"]
    if kind == "inclusion":
        return is_included(
            from_base64(question["leaf"]), question["index"], question["size"],
            from_base64(question["root"]), [from_base64(text) for text in question["path"]])
    if kind == "consistency":
        return is_consistent(
            question["old"], from_base64(question["oldRoot"]), question["size"],
            from_base64(question["root"]), [from_base64(text) for text in question["path"]])
    if kind == "head":
        try:
            Head(question["note"], Key(question["key"]))
            return True
        except (Wrong, ValueError):
            return False
    raise ValueError(kind)


def make(seed):
    """Answers and near misses: each object says whether it holds."""
    rng = random.Random(seed)

    def text(data):
        return base64.b64encode(data).decode()

    def spoiled(path):
        path = list(path)
        kind = rng.randrange(4) if path else 0
        if kind == 0:
            path.insert(rng.randrange(len(path) + 1), rng.randbytes(32))
        elif kind == 1:
            path.pop(rng.randrange(len(path)))
        elif kind == 2:
            at = rng.randrange(len(path))
            path[at] = path[at][:5] + bytes([path[at][5] ^ 1]) + path[at][6:]
        else:
            path.append(path[0])
        return path

    for _ in range(150):
        size = rng.randrange(1, 200)
        leaves = [leaf_hash(rng.randbytes(32)) for _ in range(size)]
        root, index, old = tree_hash(leaves), rng.randrange(size), rng.randrange(size + 1)
        for holds in (True, False):
            path = inclusion(index, leaves)
            yield {"ask": "inclusion", "leaf": text(leaves[index]), "index": index, "size": size,
                   "root": text(root), "holds": holds,
                   "path": [text(part) for part in (path if holds else spoiled(path))]}
            path = consistency(old, leaves)
            yield {"ask": "consistency", "old": old, "oldRoot": text(tree_hash(leaves[:old])),
                   "size": size, "root": text(root), "holds": holds,
                   "path": [text(part) for part in (path if holds else spoiled(path))]}
    for number in range(8):
        secret, name = rng.randbytes(32), f"example.com/log-{number}"
        head = f"{name}\n{number * 7}\n{text(rng.randbytes(32))}\nposition {number * 50}\n"
        note = sign_note(head, name, secret)
        key = key_text(name, 1, public_key(secret))
        yield {"ask": "head", "note": note, "key": key, "holds": True}
        yield {"ask": "head", "note": note.replace("position ", "position 1"), "key": key,
               "holds": False}
        witness, time = rng.randbytes(32), 1_700_000_000 + number
        cosigned = cosign_note(note, "witness.example", witness, time)
        yield {"ask": "cosignature", "note": cosigned, "time": time, "holds": True,
               "key": key_text("witness.example", 4, public_key(witness))}
        yield {"ask": "cosignature", "note": cosigned, "time": time, "holds": False,
               "key": key_text("witness.example", 4, public_key(secret))}


VECTORS = [  # RFC 8032, 7.1: secret, public, message, signature
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
]

# Leaves and roots that implementations of RFC 6962 are tested with.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657",
          "606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def self_test():
    for secret, public, message, signature in VECTORS:
        secret, public, message, signature = map(
            bytes.fromhex, (secret, public, message, signature))
        assert public_key(secret) == public and sign(secret, message) == signature
        assert is_signed(public, signature, message)
        assert not is_signed(public, signature, message + b"x")
        assert not is_signed(public, signature[:32] + bytes(32), message)
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
    for size, root in ROOTS.items():
        assert tree_hash(leaves[:size]).hex() == root
    assert [part.hex()[:8] for part in consistency(6, leaves)] == ["0ebc5d34", "ca854ea1",
                                                                   "d37ee418"]
    for size in range(9):
        for old in range(size + 1):
            roots = tree_hash(leaves[:old]), tree_hash(leaves[:size])
            path = consistency(old, leaves[:size])
            assert is_consistent(old, roots[0], size, roots[1], path)
    assert Key("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").has_signed(
        "This is an example message.\n", from_base64(
            "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72"
            "IneyaQM=")[4:])


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("self-test")
    commands.add_parser("answer")
    commands.add_parser("make").add_argument("seed", type=int)
    checking = commands.add_parser("check")
    checking.add_argument("proof")
    checking.add_argument("--key", required=True)
    checking.add_argument("--kept")
    options = parser.parse_args()
    if options.command == "self-test":
        self_test()
    elif options.command == "answer":
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))))
    elif options.command == "make":
        for line in make(options.seed):
            print(json.dumps(line))
    else:
        kept = open(options.kept, encoding="utf-8").read() if options.kept else ""
        try:
            with open(options.proof, encoding="utf-8") as file:
                print(json.dumps(check(file.read(), options.key, kept)))
        except (Wrong, ValueError, KeyError, struct.error) as error:
            print(json.dumps({"valid": False, "reason": f"{error}"}))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
