-- By WebSocket, with a header of our own in the upgrade: all the rest is as with nats://. For wss:// NATS_CA may
-- name the file of the authority that the server's certificate is of.
local nats = require "natskit"

-- snippet: connect
local url = os.getenv("NATS_URL") or "ws://127.0.0.1:8080"
local nc <close> = assert(nats.connect(url, {
    ws_headers = { "X-Application: example" },
    tls_ca_file = os.getenv("NATS_CA"),
}))
local info = nc:info()
print(("connected by %s, TLS %s"):format(info.url, info.tls and "yes" or "no"))
-- snippet end

local sub = assert(nc:subscribe("greet.*"))
assert(nc:publish("greet.joe", "hello"))
local msg = assert(sub:next(1))
print(("received %s '%s'"):format(msg.subject, msg.data))
