-- Publish and subscribe with coroutines over luv: one task publishes while two others wait for messages.
local nats = require "natskit"
local loop = require "natskit.loop.luv"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"

local total = loop.run(function()
    local nc <close> = assert(nats.connect(url, { name = "example pubsub luv" }))
    local got = 0

    local function follow(subject)
        local sub = assert(nc:subscribe(subject, { max_msgs = 3 }))
        loop.spawn(function()
            for msg in sub:messages() do -- ends after max_msgs
                print(("%s: %s '%s'"):format(subject, msg.subject, msg.data))
                got = got + 1
            end
        end)
    end

    follow("ticks.slow")
    follow("ticks.*")
    for i = 1, 3 do
        assert(nc:publish("ticks.slow", "tick " .. i))
        loop.sleep(0.02) -- the other tasks run meanwhile
    end
    while got < 6 do
        loop.sleep(0.01)
    end
    return got
end)

print(("%d messages"):format(total))
