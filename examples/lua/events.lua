-- What happens to a connection, as events: here it is made to reconnect, and closed.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc = assert(nats.connect(url, { name = "example events" }))
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

assert(nc:close())
print_until("closed")
assert(events:close())
