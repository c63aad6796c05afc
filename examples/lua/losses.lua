-- What tells of lost messages: a subscriber that is too slow, and the counters of its connection.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example losses" }))
local events = assert(nc:events())
local sub = assert(nc:subscribe("losses.lua", { pending_msgs_limit = 10 }))
for _ = 1, 100 do
    assert(nc:publish("losses.lua", "data"))
end
assert(nc:flush()) -- what came back before the PONG is in the queue

-- snippet: told
local event = assert(events:next(5))
print(("%s: %s"):format(event.type, event.subject))
local told, counters = assert(sub:stats()), assert(nc:stats())
print(("received %d, waiting %d, dropped %d"):format(told.received, told.pending_msgs, told.dropped_msgs))
print(("connection: dropped %d, unconfirmed %d, unsent %d"):format(counters.dropped_msgs, counters.unconfirmed,
    counters.unsent))
-- snippet end
assert(event.type == "slow_consumer" and told.received == 100)
