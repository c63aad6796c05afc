-- A stream is read in its order: all that there is, the last message of each subject, and what follows. Needs a
-- server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example replay" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

assert(js:add_stream { name = "REPLAY_LUA", subjects = { "replay.lua.*" }, storage = "memory" })
for _, reading in ipairs { { "hall", "20.5" }, { "attic", "31.0" }, { "hall", "20.7" }, { "hall", "21.0" } } do
    assert(js:publish("replay.lua." .. reading[1], reading[2]))
end

-- snippet: replay
-- What there is: the loop ends by itself.
local all = {}
for msg in js:ordered("REPLAY_LUA", { ends = true }) do
    all[#all + 1] = msg.data
end
print("all: " .. table.concat(all, " "))
assert(#all == 4)

-- The last message of each subject: the state that they make up.
for msg in js:ordered("REPLAY_LUA", { deliver_policy = "last_per_subject", ends = true }) do
    print(("now: %s %s"):format(msg.subject, msg.data))
end
-- snippet end

-- From a place on, of one subject, and what follows: none is lost or comes twice, whatever happens.
local seen = {}
local options = {
    subjects = "replay.lua.hall", deliver_policy = "by_start_sequence", opt_start_seq = 3, marker = true,
}
for msg in js:ordered("REPLAY_LUA", options) do
    if msg.kind == "status" then -- all that there was has come
        print "now what happens"
        assert(js:publish("replay.lua.hall", "21.4"))
    else
        print("hall: " .. msg.data)
        seen[#seen + 1] = msg.data
        if msg.data == "21.4" then
            break
        end
    end
end
assert(table.concat(seen, " ") == "20.7 21.0 21.4")
assert(js:delete_stream("REPLAY_LUA"))
