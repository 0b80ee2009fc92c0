#!/usr/bin/env python3
"""Reads each document of index.json, compares what comes of it with what the index expects, and
fails on any difference.

`read.py` reads the index beside itself; `read.py FOLDER` that of another folder.
"""

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from reader import ALGORITHMS, Refused, read_document

OUTCOMES = ("opens", "authentication", "format", "expired", "no_key")
LEAST_DOCUMENTS, LEAST_NEGATIVE = 150, 120


def load_key(entry):
    aes = entry["algorithm"] == "A256KW"
    key = bytes.fromhex(entry["key"]) if aes else load_pem_private_key(entry["key"].encode(), None)
    return ALGORITHMS[entry["algorithm"]], entry["key_id"].encode(), key


def difference(document, folder, keys):
    """What comes of a document, and how that differs from the index, if it does."""
    expected = document["expect"]
    expected = expected if isinstance(expected, list) else [expected]
    at_hand = [keys[name] for name in document["keys"]]
    data = (folder / document["file"]).read_bytes()
    header = (folder / document["header"]).read_bytes() if "header" in document else None
    try:
        text = read_document(data, header, at_hand, document["context"], document["now"])
    except Refused as refused:
        wrong = f"{refused.outcome} ({refused}), expected: {' or '.join(expected)}"
        return refused.outcome, None if refused.outcome in expected else wrong
    if "opens" not in expected:
        return "opens", f"it opens, expected: {' or '.join(expected)}"
    found = len(text), hashlib.sha256(text).hexdigest()
    same = found == (document["plaintext_len"], document["plaintext_sha256"])
    return "opens", None if same else "it opens, but to another text"


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    keys = {name: load_key(entry) for name, entry in index["keys"].items()}
    seen, differences = Counter(), []
    for document in index["documents"]:
        outcome, differs = difference(document, folder, keys)
        seen[outcome] += 1
        if differs:
            differences.append(f"{document['name']}: {differs}")

    total, negative = seen.total(), seen.total() - seen["opens"]
    if total < LEAST_DOCUMENTS or negative < LEAST_NEGATIVE:
        differences.append(f"only {total} documents, {negative} of them negative")
    print(f"{total} documents:", ", ".join(f"{seen[name]} {name}" for name in OUTCOMES))
    sys.exit("\n".join(f"read.py: {line}" for line in differences) or None)


if __name__ == "__main__":
    main()
