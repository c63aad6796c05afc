-- What each level of delivery promises: accepted, written, flushed, acked. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example delivery" }))
local js = assert(nc:jetstream())
assert(js:add_stream { name = "DELIVERY_LUA", subjects = { "delivery.lua.kept" } })

-- snippet: levels
-- Accepted: the message is in the outbox of this process, behind all that was published before.
assert(nc:publish("delivery.lua", "hello"))
-- Written: the operating system has it.
assert(nc:written())
-- Flushed: the server has processed it, and has sent it to who subscribed.
assert(nc:flush())
-- Acked: a stream has stored it.
local ack = assert(js:publish("delivery.lua.kept", "hello"))
-- snippet end
print(("acked: number %d of %s"):format(ack.seq, ack.stream))

-- snippet: outcome
-- Where no stream takes the subject nothing acks.
local none, message, code, _, _, outcome = js:publish("delivery.lua.nobody", "hello")
print(("not acked: %s, %s"):format(message, outcome)) -- "unknown" would say that it may be stored
assert(none == nil and code == "no_stream" and outcome ~= "unknown")
-- snippet end

print(("in doubt: %d messages"):format(nc:stats().unconfirmed))
assert(js:delete_stream("DELIVERY_LUA"))
