-- What a first program does with the installed module; and that it is the installed one.
--
--   lua5.4 smoke.lua FOLDER
--
-- FOLDER is where the module must lie. $NATS_URL names a server.
local where = assert(package.searchpath and package.searchpath("natskit", package.cpath) or arg[1])
assert(where:sub(1, #arg[1]) == arg[1], "this is " .. where)

local nats = require "natskit"
local nc = assert(nats.connect(os.getenv("NATS_URL")))
local sub = assert(nc:subscribe("greet.*"))
assert(nc:publish("greet.joe", "hello"))
local msg = assert(sub:next(10))
assert(msg.subject == "greet.joe" and msg.data == "hello")
assert(nc:close())
sub:close()

-- As tests of a user's program would.
assert(not os.getenv("NK_TAP"))
local testing = require "natskit.testing"
do
    local server = testing.server()
    local tap = testing.tap(server)
    local tapped = assert(nats.connect(tap.url))
    server:restart()
    tap:wait_stat("connections", 2)
    testing.wait_for(function() -- it may have come while the server was not there yet
        return tapped:flush(10)
    end, 60)
    assert(tapped:close())
    tap:close()
    server:close()
    local fake = testing.scripted("handshake\n< PUB a\n< PING\n> PONG\nwait-close\n")
    local other = assert(nats.connect(fake.url))
    assert(other:publish("a", ""))
    assert(other:close())
    fake:close()
    local cluster = testing.cluster(2, { jetstream = false })
    for _, url in ipairs(cluster:urls()) do
        assert(nats.connect(url)):close()
    end
    cluster:close()
    assert(testing.wallet():text("ca.pem"):find("BEGIN CERTIFICATE", 1, true))
    testing.wallet():close()
end
if pcall(require, "luv") then
    assert(require("natskit.loop.luv").run)
end
assert(nats.shutdown())
print(("natskit %s from %s on %s"):format(nats.version(), where, _VERSION))
