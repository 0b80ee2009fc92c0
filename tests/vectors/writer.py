"""A writer of sealed documents, from docs/format.md alone, that can break the format's rules.

Nothing here is random and nothing is constant-time: every key, salt and OAEP seed is derived from a
name, so that the documents are the same each time they are made. For tests only.
"""

import hashlib
import hmac
import math
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = bytes.fromhex("9353524D0D0A1A0A")
UNIT = 512
SLOT_OVERHEAD = 8 + 32 + 16  # generation, HMAC, checksum
RSA_OAEP_256, A256KW = 1, 2


def derive(label, length):
    """`length` bytes that look random and belong to `label`."""
    return hashlib.shake_256(b"strongroom vectors: " + label.encode()).digest(length)


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


# Keys that wrap


@dataclass(frozen=True)
class AesKey:
    """An AES-256 key that wraps with A256KW."""

    key_id: str
    secret: bytes
    algorithm = A256KW

    def wrap(self, payload, _label="", initial=b"\xa6" * 8):
        """RFC 3394, section 2.2.1."""
        block = Cipher(algorithms.AES(self.secret), modes.ECB()).encryptor()
        check, parts = initial, [payload[i : i + 8] for i in range(0, len(payload), 8)]
        for step in range(6 * len(parts)):
            index = step % len(parts)
            mixed = block.update(check + parts[index])
            check = xor(mixed[:8], struct.pack(">Q", step + 1))
            parts[index] = mixed[8:]
        return check + b"".join(parts)

    def describe(self):
        return {"key_id": self.key_id, "algorithm": "A256KW", "key": self.secret.hex()}


@dataclass(frozen=True)
class RsaKey:
    """An RSA-2048 key that wraps with RSA-OAEP-256."""

    key_id: str
    p: int
    q: int
    algorithm = RSA_OAEP_256
    exponent = 65537

    @property
    def modulus(self):
        return self.p * self.q

    def wrap(self, payload, label="", oaep_label=b"", digest="sha256", mask_digest="sha256"):
        return self.encrypt(oaep(payload, label, oaep_label, digest, mask_digest))

    def encrypt(self, block):
        number = pow(int.from_bytes(block, "big"), self.exponent, self.modulus)
        return number.to_bytes(256, "big")

    def describe(self):
        d = pow(self.exponent, -1, math.lcm(self.p - 1, self.q - 1))
        numbers = rsa.RSAPrivateNumbers(
            self.p,
            self.q,
            d,
            rsa.rsa_crt_dmp1(d, self.p),
            rsa.rsa_crt_dmq1(d, self.q),
            rsa.rsa_crt_iqmp(self.p, self.q),
            rsa.RSAPublicNumbers(self.exponent, self.modulus),
        )
        pem = numbers.private_key().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {"key_id": self.key_id, "algorithm": "RSA-OAEP-256", "key": pem.decode()}


def oaep(payload, label, oaep_label=b"", digest="sha256", mask_digest="sha256"):
    """RFC 8017, section 7.1.1, step 2, for a modulus of 256 bytes; the seed belongs to `label`."""

    def mask(seed, length):
        blocks = -(-length // hashlib.new(mask_digest).digest_size)
        stream = (
            hashlib.new(mask_digest, seed + struct.pack(">I", i)).digest() for i in range(blocks)
        )
        return b"".join(stream)[:length]

    label_hash = hashlib.new(digest, oaep_label).digest()
    seed = derive("oaep seed/" + label, len(label_hash))
    padding = bytes(256 - len(payload) - 2 * len(label_hash) - 2)
    block = xor(label_hash + padding + b"\x01" + payload, mask(seed, 255 - len(seed)))
    return b"\x00" + xor(seed, mask(block, len(seed))) + block


def prime(label):
    """A prime of 1024 bits, its two highest set, that belongs to `label`."""
    small = math.prod(n for n in range(3, 2000) if all(n % d for d in range(2, math.isqrt(n) + 1)))
    top = 3 << 1022
    for attempt in range(100_000):
        candidate = int.from_bytes(derive(f"prime/{label}/{attempt}", 128), "big") | top | 1
        fits = math.gcd(candidate, small) == 1 and candidate % RsaKey.exponent != 1
        if fits and is_prime(candidate):
            return candidate
    raise AssertionError("no prime found")


def is_prime(number):
    """Miller and Rabin's test, the first forty bases."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in range(2, 42):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = pow(power, 2, number)
            if power == number - 1:
                break
        else:
            return False
    return True


# Documents


@dataclass(frozen=True)
class Recipient:
    """One entry of a slot."""

    layer: int
    algorithm: int
    key_id: bytes
    wrapped: bytes

    def encode(self):
        lengths = struct.pack(">HH", len(self.key_id), len(self.wrapped))
        return bytes([self.layer, self.algorithm]) + lengths + self.key_id + self.wrapped

    def order(self):
        return self.layer, self.algorithm, self.key_id


def encode_context(pairs):
    """The pairs in the order given."""
    encoded = b""
    for text in (text for pair in pairs for text in pair):
        encoded += struct.pack(">H", len(text.encode())) + text.encode()
    return encoded


def sorted_context(pairs):
    return sorted(pairs, key=lambda pair: pair[0].encode())


def expand(key, info):
    """HKDF-Expand to 32 bytes: RFC 5869's first block."""
    return hmac.digest(key, info + b"\x01", "sha256")


def mac_of(slot):
    return slot[-48:-16]


def nonce(index, last):
    return bytes(6) + struct.pack(">I", index) + bytes([0, last])


def patched(data, patches):
    """`data` with other bytes at some offsets; a negative one counts from the end."""
    result = bytearray(data)
    for offset, replacement in patches.items():
        start = range(len(data))[offset]
        result[start : start + len(replacement)] = replacement
    assert len(result) == len(data), "a patch runs past the end"
    return bytes(result)


class Document:
    """A sealed document in parts, which a test may replace before it puts them together.

    `recipients` are pairs of a layer and a key, or whole `Recipient`s. `core` and `geometry` patch
    those parts before anything is derived from them: the document is then sealed consistently, and
    the patch is its only defect. `stated_len` and `context_bytes` do the same for their fields.
    """

    def __init__(
        self, seed, text, recipients, *, stream=False, layers=1, log2=12, slots=2, size=None,
        context=(), context_bytes=None, expires_at=0, stated_len=None, core=None, geometry=None,
    ):  # fmt: skip
        self.seed, self.text, self.layers, self.chunk_len = seed, text, layers, 1 << log2
        self.context, self.expires_at = list(context), expires_at
        self.data_keys = [derive(f"{seed}/data key {layer}", 32) for layer in range(1, layers + 1)]
        self.salt = derive(f"{seed}/salt", 32)
        if stated_len is None:
            stated_len = 2**64 - 1 if stream else len(text)

        prk = self.extract(b"".join(self.data_keys))
        context_key = expand(prk, b"strongroom/1 context")
        if context_bytes is None:
            context_bytes = encode_context(sorted_context(self.context))
        fields = struct.pack(">BBBBIQQ", 1, 1, layers, log2, 0, stated_len, expires_at)
        tag = hmac.digest(context_key, context_bytes, "sha256")
        self.core = patched(MAGIC + fields + self.salt + tag, core or {})

        core_hash = hashlib.sha256(self.core).digest()
        self.prologue = self.core + expand(prk, b"strongroom/1 commit" + core_hash)
        self.header_key = expand(prk, b"strongroom/1 header" + core_hash)
        self.chunk_keys = [self.chunk_key(i, key) for i, key in enumerate(self.data_keys, 1)]

        self.recipients = sorted(map(self.recipient, recipients), key=Recipient.order)
        used = SLOT_OVERHEAD + sum(len(recipient.encode()) for recipient in self.recipients)
        before = 136 if slots == 1 else 0
        size = -(-(used + before) // UNIT) if size is None else size
        self.geometry = patched(bytes([slots, size]) + bytes(6), geometry or {})
        self.slot_len = size * UNIT - before
        self.gap = b"" if slots == 1 else bytes(UNIT - 136)
        self.slots = [self.slot() for _ in range(slots)]
        self.records = self.seal(text)

    def extract(self, secret):
        return hmac.digest(self.salt, secret, "sha256")

    def chunk_key(self, layer, data_key):
        core_hash = hashlib.sha256(self.core).digest()
        info = b"strongroom/1 chunk key" + bytes([layer]) + core_hash
        return expand(self.extract(data_key), info)

    def payload(self, layer):
        return b"SRMDK" + bytes([1, 1, layer]) + self.data_keys[layer - 1]

    def recipient(self, entry, payload=None, **how):
        """A recipient from a layer and a key; `payload` and `how` it is wrapped may be wrong."""
        if isinstance(entry, Recipient):
            return entry
        layer, key = entry
        label = f"{self.seed}/{layer}/{key.key_id}"
        wrapped = key.wrap(self.payload(layer) if payload is None else payload, label, **how)
        return Recipient(layer, key.algorithm, key.key_id.encode(), wrapped)

    def slot(self, generation=1, recipients=None, *, fill=b"", checksum=None, mac=None):
        """A slot. `recipients` are used as they are, unsorted; `fill` follows them."""
        if recipients is None:
            recipients = self.recipients
        if not isinstance(recipients, bytes):
            recipients = b"".join(recipient.encode() for recipient in recipients)
        content = struct.pack(">Q", generation) + recipients + fill
        assert len(content) <= self.slot_len - 48, "the slot is too small: give a size"
        content = content.ljust(self.slot_len - 48, b"\x00")
        content += self.mac(content) if mac is None else mac
        return content + (hashlib.sha256(content).digest()[:16] if checksum is None else checksum)

    def mac(self, content):
        return hmac.digest(self.header_key, self.prologue + self.geometry + content, "sha256")

    def seal(self, text):
        """The records of a text's chunks."""
        cuts = range(0, max(len(text), 1), self.chunk_len)
        chunks = [text[cut : cut + self.chunk_len] for cut in cuts]
        return [self.record(i, c, i == len(chunks) - 1) for i, c in enumerate(chunks)]

    def record(self, index, chunk, last, *, keys=None, associated=None):
        """One record, sealed under each key in turn, the innermost first."""
        for key in self.chunk_keys if keys is None else keys:
            chunk = AESGCM(key).encrypt(nonce(index, last), chunk, associated)
        return chunk

    @property
    def header(self):
        return self.prologue + self.geometry + self.gap + b"".join(self.slots)

    @property
    def body(self):
        return b"".join(self.records)

    @property
    def sealed(self):
        return self.header + self.body

    @property
    def detached_body(self):
        return self.prologue + self.body
