-- What happens to a connection, as events: here it is made to reconnect, and closed. Between that the program looks
-- whether it works, at its last lines of the protocol, and at all that lives in the process.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
-- snippet: trace
local nc = assert(nats.connect(url, { name = "example events", trace_lines = 100 }))
-- snippet end
local events = assert(nc:events())
local sub = assert(nc:subscribe("events.lua"))

-- Prints events until one of this type has come.
local function print_until(kind)
    -- snippet: loop
    for event in events:messages(5) do
        print(("event: %s %s"):format(event.type, event.server))
        if event.type == kind then
            return
        end
    end
    -- snippet end
    error("no event " .. kind)
end

assert(nc:reconnect())
assert(nc:publish("events.lua", "sent after the reconnect"))
print_until("reconnected")
local msg = assert(sub:next(5)) -- the subscription is there again
print(("received '%s' by transport %d"):format(msg.data, nc:info().epoch))

-- snippet: health
local now = sub:health() -- nc:health()
if now.works then
    print "health: it works"
else
    print(("health: %s for %d ms: %s"):format(now.state, now.since_ms or 0, now.text))
end
-- snippet end
-- snippet: trace
for _, line in ipairs(nc:trace()) do
    print("trace:", line.time_ns, line.out and ">>" or "<<", line.line)
end
-- snippet end
-- snippet: dump
for _, thing in ipairs(nats.dump().objects) do
    print("dump:", thing.kind, thing.state, thing.subject, thing.pending_msgs)
end
-- snippet end

assert(nc:close())
print_until("closed")
assert(events:close())
