# SPDX-License-Identifier: Apache-2.0
#
# Talks to a Redis server over RESP2: python3 redis_client.py PORT
import sys
import time

import redis

r = redis.Redis(port=int(sys.argv[1]), db=3)
r.set("py:key", "value")
r.get("py:key")
r.config_get("maxmemory")
try:
    r.lpush("py:key", "x")
except redis.ResponseError:
    pass
with r.pipeline(transaction=True) as p:
    p.set("py:a", 1).incr("py:a").execute()
with r.pipeline(transaction=False) as p:
    for i in range(50):
        p.rpush("py:list", i)
    p.execute()
time.sleep(1)  # by now the collector asks for more of each call than the pipeline sends
with r.pipeline(transaction=False) as p:
    for i in range(50):
        p.lpush("py:long", "x" * 200)
    p.execute()
assert len(r.lrange("py:long", 0, -1)) == 50
r.set("py:big", "x" * 1000000)
r.get("py:big")
s = r.pubsub()
s.subscribe("py:news", "py:more")
for _ in range(2):
    assert s.get_message(timeout=10)["type"] == "subscribe"
r.publish("py:news", "hello")
assert s.get_message(timeout=10)["data"] == b"hello"
s.unsubscribe()
for _ in range(2):
    assert s.get_message(timeout=10)["type"] == "unsubscribe"
print("done")
