-- Request and reply with coroutines over luv: a service and many concurrent requests in one Lua state.
local nats = require "natskit"
local loop = require "natskit.loop.luv"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local requests = 100

loop.run(function()
    local nc <close> = assert(nats.connect(url, { name = "example request luv" }))
    local service = assert(nc:subscribe("square"))

    loop.spawn(function()
        for msg in service:messages() do
            local number = tonumber(msg.data)
            assert(msg:respond(tostring(number * number)))
        end
    end)

    local done, sum = 0, 0
    for i = 1, requests do
        loop.spawn(function()
            local reply = assert(nc:request("square", tostring(i)))
            sum = sum + tonumber(reply.data)
            done = done + 1
        end)
    end
    while done < requests do
        loop.sleep(0.01)
    end
    print(("%d concurrent requests, sum of squares %d"):format(done, sum))
    assert(sum == requests * (requests + 1) * (2 * requests + 1) // 6)

    local _, message, code = nc:request("nobody.there")
    print(("nobody.there: %s (%s)"):format(message, code))
    assert(code == "no_responders")
end)
