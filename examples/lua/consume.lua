-- A consumer: some messages, one, and all without end: they come ahead of the program, status events tell what happens
-- in between, a drain ends it in good order. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example consume" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

local config = { durable_name = "meter", deliver_policy = "new" }
assert(js:add_stream { name = "READINGS_LUA", subjects = { "readings.lua" }, storage = "memory" })
-- snippet: short
local consumer = assert(assert(js:stream("READINGS_LUA")):add_consumer(config)) -- js:consumer: one that exists

-- snippet end
local function fill()
    for number = 1, 100 do
        assert(js:publish("readings.lua", "reading " .. number))
    end
end

fill()
-- snippet: short
local fetched = assert(consumer:fetch(10, { timeout = 1 })) -- those that there are after a second
for _, msg in ipairs(fetched) do
    assert(msg:ack()) -- or nak(delay), term(reason), in_progress()
end
print(("fetched: %d"):format(#fetched))

local one = assert(consumer:next(1))
assert(one:ack_sync()) -- waits until the server has the ack

-- snippet end
-- Handles what comes until there were `count` messages, or a status that `stop` knows.
-- snippet: short
local sub = assert(consumer:consume { max_msgs = 50, heartbeat = 0.5, status_events = true })
local function handle(count, stop)
    local handled = 0
    for msg in sub:messages() do -- it does not end by itself
        if msg.kind == "status" then
            print("status: " .. msg.type)
            if stop[msg.type] then
                return
            end
        else
            assert(msg:ack())
            handled = handled + 1
            if handled == count then
                print(("handled: %d"):format(handled))
                return
            end
        end
    end
    error(select(2, sub:reason()))
end
-- snippet end

handle(89, {})

-- Somebody deletes the consumer: consuming waits until it is there again, and goes on.
assert(consumer:delete())
handle(math.huge, { consumer_deleted = true, consumer_not_found = true })
assert(js:add_consumer("READINGS_LUA", config))
fill()
handle(50, {})

-- The end: asks for no more, and handles what has come until nothing is left.
assert(sub:start_drain(5))
local rest = 0
for msg in sub:messages() do
    if msg.kind == "message" then
        assert(msg:ack())
        rest = rest + 1
    end
end
print(("drained: handled the %d that were on their way"):format(rest))
assert(sub:close())
assert(js:delete_stream("READINGS_LUA"))
