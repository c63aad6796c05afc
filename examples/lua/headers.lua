-- Headers: names may repeat, keep their case, and come in their order.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example headers" }))
local sub = assert(nc:subscribe("headers.lua"))

-- snippet: send
local headers = { { "Color", "red" }, { "Color", "blue" }, { "X-Shop", "north" } }
assert(nc:publish("headers.lua", "paint", { headers = headers }))
-- snippet end
-- A line break in a value would be another header: it is refused before anything is sent.
local good, message = pcall(nc.publish, nc, "headers.lua", "", { headers = { Note = "a\r\nb" } })
assert(not good)
print(("refused: %s"):format(message))

local msg = assert(sub:next(1))
-- snippet: read
print(("the first color: %s"):format(msg:header("Color")))
for name, value in msg:header_pairs() do
    print(("%s: %s"):format(name, value))
end
-- snippet end
print(("x-shop: %s"):format(msg:header("x-shop", "ignore_case")))
