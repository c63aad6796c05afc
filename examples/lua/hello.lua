-- The shortest program that shows something: one connection publishes, and receives what it has published.
-- snippet: hello
local nats = require "natskit"

local nc <close> = assert(nats.connect(os.getenv("NATS_URL") or "nats://127.0.0.1:4222"))
local sub = assert(nc:subscribe("greet.*"))
assert(nc:publish("greet.joe", "hello"))
local msg = assert(sub:next(1))
print(("%s: %s"):format(msg.subject, msg.data))
-- snippet end
