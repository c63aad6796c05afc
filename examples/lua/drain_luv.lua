-- Ends a service cleanly, with coroutines over luv: the drain lets the service handle what has come, sends its
-- replies, and closes the connection. No request is lost.
local nats = require "natskit"
local loop = require "natskit.loop.luv"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local requests = 50

loop.run(function()
    local nc = assert(nats.connect(url, { name = "example drain luv" }))
    local service = assert(nc:subscribe("slow.square"))
    assert(nc:flush())

    loop.spawn(function()
        for msg in service:messages() do -- ends after the last message of the drain
            loop.sleep(0.002) -- it takes its time
            local number = tonumber(msg.data)
            assert(msg:respond(tostring(number * number)))
        end
    end)

    local client <close> = assert(nats.connect(url, { name = "example drain client" }))
    local answered = 0
    for i = 1, requests do
        loop.spawn(function()
            assert(client:request("slow.square", tostring(i), { timeout = 10 }))
            answered = answered + 1
        end)
    end
    assert(client:flush()) -- the server has all requests; the service has handled a few

    print(("drain with %d of %d requests answered"):format(answered, requests))
    assert(nc:drain(10))
    assert(client:flush()) -- after the replies
    while answered < requests do
        loop.sleep(0.001)
    end
    print(("drained, %d answered"):format(answered))

    local _, message, code = nc:publish("too.late", "x")
    print(("then: %s (%s)"):format(message, code))
    assert(nc:closed()) -- true, because the program itself has ended it
    nc:close()
end)
