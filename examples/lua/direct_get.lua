-- Stored messages without a consumer: one, a page of a stream, and the last message of each subject. Needs a server
-- with JetStream, from 2.11 on.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example direct get" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

local subjects = { "direct.lua.*" }
assert(js:add_stream { name = "DIRECT_LUA", subjects = subjects, storage = "memory", allow_direct = true })
for _, reading in ipairs { { "hall", "20.5" }, { "attic", "31.0" }, { "hall", "20.7" }, { "hall", "21.0" } } do
    assert(js:publish("direct.lua." .. reading[1], reading[2]))
end

-- snippet: one
-- One, by its sequence, and the last one of a subject.
local second = assert(js:direct_get("DIRECT_LUA", { seq = 2 }))
print(("second: %s %s"):format(second.subject, second.data))
local hall = assert(js:direct_get("DIRECT_LUA", { last_by_subj = "direct.lua.hall" }))
print(("hall: %d, %s"):format(hall.seq, hall.data))
-- snippet end
assert(second.data == "31.0" and hall.seq == 4)

-- snippet: page
-- Two messages from the second on; the loop raises if they cannot be read.
for msg in js:get_batch("DIRECT_LUA", { seq = 2, batch = 2 }) do
    print(("page: %d, %s"):format(msg.seq, msg.data))
end
-- snippet end

-- snippet: last
-- The last message of each subject: the state that they make up.
local now = {}
for msg in js:get_last_for("DIRECT_LUA") do
    now[#now + 1] = msg.subject .. " " .. msg.data
end
print("now: " .. table.concat(now, ", "))
-- snippet end
assert(#now == 2)
assert(js:delete_stream("DIRECT_LUA"))
