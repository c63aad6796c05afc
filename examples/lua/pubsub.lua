-- Publish and subscribe: every subscriber of a matching subject gets each message.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example pubsub" }))

-- snippet: pubsub
-- `*` stands for one token of a subject, `>` for one or more at its end.
local greetings = assert(nc:subscribe("greet.*"))
local everything = assert(nc:subscribe("greet.>"))

assert(nc:publish("greet.joe", "hello"))
assert(nc:publish("greet.pam", "good morning", { headers = { Language = "en" } }))
assert(nc:publish("greet.pam.again", "only one of the two matches this"))

local got = 0
for msg in greetings:messages(0.5) do -- ends when nothing came for half a second
    print(("greet.*: %s '%s' %s"):format(msg.subject, msg.data, msg:header("Language") or "-"))
    got = got + 1
end

-- The same with strings only, which is the fastest way.
for subject, data in everything:strings(0.5) do
    print(("greet.>: %s '%s'"):format(subject, data))
    got = got + 1
end
-- snippet end

assert(got == 5, "5 messages were expected")
