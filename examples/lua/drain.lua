-- Ends a service cleanly, in a program that blocks: it begins the drain, handles what has come, then waits for
-- the end of the connection.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example drain" }))
local jobs = assert(nc:subscribe("jobs.drain"))
local done = assert(nats.connect(url, { name = "example drain observer" }))
local results = assert(done:subscribe("jobs.done"))
assert(done:flush())

for i = 1, 20 do
    assert(nc:publish("jobs.drain", "job " .. i, { reply = "jobs.done" }))
end
assert(nc:flush())

-- snippet: drain
assert(nc:start_drain(10)) -- the server sends no more
for msg in jobs:messages() do -- ends after the last one that has come
    assert(msg:respond(msg.data .. " is done"))
end
assert(nc:closed()) -- when all replies are at the server, and it was closed
-- snippet end

local count = 0
while count < 20 do -- a batch is what is there
    count = count + #assert(results:next_batch(20, 2))
end
print(("%d jobs done, the last things sent before the end"):format(count))
assert(count == 20)
assert(done:close())
