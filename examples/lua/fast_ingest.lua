-- Fast ingest (server 2.14): many messages to one stream, which it acks by and by; what is refused ends it, and the
-- program knows up to where all is stored. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example fast ingest" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

assert(js:add_stream {
    name = "FAST_LUA", subjects = { "fast.lua.>" }, storage = "memory", allow_batched = true,
})

-- snippet: ingest
local fast = assert(js:ingest())
for i = 1, 10000 do
    assert(fast:publish("fast.lua.log", "line " .. i)) -- waits only while as many are under way as the stream takes
end
local ack = assert(fast:commit())
print(("stored: %d messages, the last as %d"):format(ack.count, ack.seq))
fast:close()

-- snippet end
-- snippet: ingest
local other = assert(js:ingest())
assert(other:publish("fast.lua.log", "line 1"))
assert(other:publish("fast.lua.log", "line 2", { expected_last_seq = 7 })) -- which the stream refuses
local none, message = other:commit()
assert(none == nil)
local info = other:info()
print(("ended: %s; stored up to %d of %d"):format(message, info.acked, info.published))
other:close()
-- snippet end
assert(js:delete_stream("FAST_LUA"))
