"""Print the API's description, as docs/openapi.json has it: for clients that are generated."""

from __future__ import annotations

import json
import sys

from liftlock.http.api.openapi import document_of
from liftlock.http.api.table import ENDPOINTS

if __name__ == "__main__":
    json.dump(document_of(ENDPOINTS), sys.stdout, indent=2)
    sys.stdout.write("\n")
