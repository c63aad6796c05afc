-- A push consumer whose messages two workers share; then its stream is saved and restored. Needs a server with
-- JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example push" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

assert(js:add_stream { name = "PUSH_LUA", subjects = { "push.lua.*" }, storage = "file" })

-- snippet: share
-- The members of a queue find their consumer by its name; a message is acked when its handler has returned.
local done = 0
local workers = {}
for i = 1, 2 do
    workers[i] = assert(js:subscribe("push.lua.*", {
        queue = "workers",
        handler = function()
            done = done + 1
        end,
    }))
end
for number = 1, 20 do
    assert(js:publish("push.lua.job", tostring(number)))
end
while done < 20 do
    nats.dispatch(1)
end
print(("shared: %d jobs done once"):format(done))
print("consumer: " .. assert(workers[2]:push_info()).consumer)
-- snippet end
for _, worker in ipairs(workers) do
    worker:close()
end

-- snippet: snapshot
-- The messages of a snapshot are chunks, which go to a file, say.
local snapshot, info = js:snapshot("PUSH_LUA")
local chunks = {}
for msg in assert(snapshot):messages() do
    chunks[#chunks + 1] = msg.data
end
snapshot:close()
assert(js:delete_stream("PUSH_LUA"))
local restored = assert(js:restore(info, chunks)) -- or a function that gives one chunk after the other
print(("restored: %d messages"):format(restored.state.messages))
-- snippet end
assert(restored.state.messages == 20)
assert(js:delete_stream("PUSH_LUA"))
