-- A service with handlers, served in coroutines over luv; a client that asks it, is refused once, finds it, and reads
-- its statistics.
local loop = require "natskit.loop.luv"
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"

local function ask(client, subject, text)
    local reply = assert(client:request(subject, text, { timeout = 5 }))
    local description, code = reply:service_error()
    if description then
        print(("%s: error %d: %s"):format(subject, code, description))
    else
        print(("%s: %s"):format(subject, reply.data))
    end
end

loop.run(function()
    local nc <close> = assert(nats.connect(url, { name = "example service" }))
    local client <close> = assert(nats.connect(url))
    -- snippet: service
    local service <close> = assert(nc:service { name = "texts-lua", version = "1.0.0", description = "turns texts" })
    local group = assert(service:group("texts.lua"))
    assert(service:endpoint { name = "reverse", group = group, handler = function(request)
        if request.data == "" then
            error { code = 400, description = "a text, please" }
        end
        assert(request:respond(request.data:reverse()))
    end })
    assert(service:endpoint { name = "upper", group = group, metadata = { unit = "bytes" }, handler = function(request)
        assert(request:respond(request.data:upper()))
    end })
    assert(nc:flush()) -- the server knows the endpoints
    -- snippet end

    ask(client, "texts.lua.reverse", "stressed")
    ask(client, "texts.lua.upper", "quiet")
    ask(client, "texts.lua.reverse", "")
    for one in client:discover("stats", { name = "texts-lua" }) do
        local first = one.endpoints[1]
        print(("found: %d requests, %d error, the last: %s"):format(first.num_requests, first.num_errors,
            first.last_error))
    end

    assert(service:drain(5)) -- nothing that was asked before is lost
    print("drained: " .. service.requests:reason())
end)
