#!/usr/bin/env python3
"""Makes the golden documents and index.json anew: the same bytes each time.

`generate.py` writes beside itself; `generate.py FOLDER` writes into that folder.
"""

import json
import sys
from pathlib import Path

import refused_body
import refused_header
import refused_keys
import valid
from cases import CASES, KEYS


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for module in (valid, refused_header, refused_keys, refused_body):
        for add_cases in module.PARTS:
            add_cases()
    cases = sorted(CASES, key=lambda case: case.name)
    names = [case.name for case in cases]
    doubles = {name for name in names if names.count(name) > 1}
    if doubles:
        sys.exit(f"generate.py: one name, several documents: {', '.join(sorted(doubles))}")
    documents = folder / "documents"
    documents.mkdir(parents=True, exist_ok=True)
    for old in documents.iterdir():
        old.unlink()
    for case in cases:
        (documents / f"{case.name}.sealed").write_bytes(case.file)
        if case.header is not None:
            (documents / f"{case.name}.header").write_bytes(case.header)

    # One document a line: a change shows as one.
    keys = json.dumps({name: key.describe() for name, key in KEYS.items()}, indent=1)
    lines = ",\n".join(json.dumps(case.entry(), ensure_ascii=False) for case in cases)
    index = f'{{"keys": {keys},\n"documents": [\n{lines}\n]}}\n'
    (folder / "index.json").write_text(index, encoding="utf-8")


if __name__ == "__main__":
    main()
