-- A push consumer whose messages two workers share; then its stream is saved and restored, a message is traced, and the
-- server tells of the stream's end. Needs a server with JetStream.
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
info.config.name = "PUSH_LUA_BACK" -- the server may still be busy with what it has deleted
local restored = assert(js:restore(info, chunks)) -- or a function that gives one chunk after the other
print(("restored: %d messages"):format(restored.state.messages))
-- snippet end
assert(restored.state.messages == 20)

-- snippet: trace
-- What servers say about a message's way, without delivering it.
local inbox = assert(nc:new_inbox())
local told = assert(nc:subscribe(inbox))
assert(nc:publish("push.lua.job", "", { trace_destination = inbox, trace_only = true }))
local events = {}
local tree
repeat
    events[#events + 1] = assert(told:next(5)).data
    tree = assert(nats.trace_tree(events))
until tree.missing == 0
print(("trace: %s"):format(tree.trace.events[1].type))
-- snippet end

-- snippet: advisories
-- What servers tell of streams and consumers.
local advisories = assert(nc:subscribe("$JS.EVENT.ADVISORY.>"))
assert(js:delete_stream("PUSH_LUA_BACK"))
for msg in advisories:messages(5) do
    local kind, data = nats.advisory(msg)
    if kind == "stream_action" and data.stream == "PUSH_LUA_BACK" then
        print("advisory: " .. data.action)
        break
    end
end
-- snippet end
