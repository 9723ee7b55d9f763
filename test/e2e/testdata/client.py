# SPDX-License-Identifier: Apache-2.0
"""Makes requests over one session of requests: client.py (METHOD URL BODY-SIZE)..."""
import sys

import requests

session = requests.Session()
args = sys.argv[1:]
for method, url, size in zip(args[0::3], args[1::3], args[2::3]):
    body = b"b" * int(size) or None
    response = session.request(method, url, data=body, timeout=30)
    print(response.status_code, len(response.content))
