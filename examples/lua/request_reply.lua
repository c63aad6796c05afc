-- Request and reply. The service runs in a process of its own: this file, started with the argument "serve".
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example request" }))

if arg[1] == "serve" then
    local service = assert(nc:subscribe("greeter", { queue = "greeters" }))
    assert(nc:flush())
    print("ready")
    io.stdout:flush()
    -- snippet: answer
    for msg in service:messages(10) do
        assert(msg:respond("hello, " .. msg.data, { headers = { Language = "en" } }))
        if msg.data == "bye" then
            break
        end
    end
    -- snippet end
    return
end

local service = assert(io.popen(("%s %s serve"):format(arg[-1], arg[0])))
assert(service:read("l") == "ready", "the service did not start")

-- snippet: ask
for _, name in ipairs { "joe", "pam", "bye" } do
    local reply = assert(nc:request("greeter", name, { timeout = 2 }))
    print(("asked '%s', got '%s' (%s)"):format(name, reply.data, reply:header("Language")))
end

-- Nobody listens: the server says so at once, without waiting for the timeout.
local reply, message, code = nc:request("nobody.there", "hello?")
print(("nobody.there: %s (%s)"):format(message, code))
-- snippet end
assert(reply == nil and code == "no_responders")
assert(service:close())
